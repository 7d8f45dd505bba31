package store

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"kasse/service/payment"
	"kasse/service/push"
)

var rewriteEventsScript = script("rewrite_events")

// forgetBatch is how many entries of the stream one command reads.
const forgetBatch = 500

// ForgetEvents replaces the stream entries with personal data of the order's forgotten attempts, and returns
// how many it appended. From the first such entry on, all of the order's entries are appended again, so that
// they stay in order. If the order was written since it was loaded, it returns payment.ErrConflict.
func (s *Store) ForgetEvents(ctx context.Context, o payment.Order) (int, error) {
	part, key := s.orderKey(o.Ref())
	entries, err := s.eventsToForget(ctx, part, &o)
	if err != nil || len(entries) == 0 {
		return 0, err
	}
	groups, err := s.pushGroups(ctx, part, entries)
	if err != nil {
		return 0, unavailable(err)
	}
	keys := []string{key, s.meta(part), part.events()}
	args := []any{o.Revision, part.changed(), string(o.ID), logLines, len(groups)}
	for _, g := range groups {
		keys, args = append(keys, g.keys.retries, g.keys.log), append(args, g.keys.group, g.newest)
	}
	for _, entry := range entries {
		args = append(append(args, entry.ID, entry.Values["id"], 2*len(entry.Values)), pairs(entry.Values)...)
		for _, g := range groups {
			args = append(args, len(g.retries[entry.ID]))
			args = append(args, g.retries[entry.ID]...)
		}
	}
	count, err := rewriteEventsScript.Run(ctx, s.redis, keys, args...).Int()
	return count, unavailable(err)
}

// pushGroup is what an endpoint has of some entries in a partition.
type pushGroup struct {
	keys    pushKeys
	newest  string           // line of its log, before its retries were looked through
	retries map[string][]any // members by the entry's id
}

// pushGroups returns the endpoints that push from a partition. The script that uses the retries sees in the log
// whether one of them has been tried meanwhile.
func (s *Store) pushGroups(ctx context.Context, part partition, entries []redis.XMessage) (all []pushGroup, err error) {
	groups, err := s.redis.XInfoGroups(ctx, part.events()).Result()
	for _, info := range groups {
		id, ours := strings.CutPrefix(info.Name, push.GroupPrefix)
		if !ours {
			continue
		}
		g := pushGroup{keys: part.push(push.EndpointID(id)), retries: map[string][]any{}}
		for _, entry := range entries {
			g.retries[entry.ID] = nil
		}
		newest, err := s.redis.LRange(ctx, g.keys.log, 0, 0).Result()
		if err != nil {
			return nil, err
		}
		g.newest = strings.Join(newest, "")
		err = s.scanRetries(ctx, g.keys.retries, func(member string, _ float64) {
			id, _, _ := strings.Cut(member, " ")
			if _, wanted := g.retries[id]; wanted {
				g.retries[id] = append(g.retries[id], member)
			}
		})
		if err != nil {
			return nil, err
		}
		all = append(all, g)
	}
	return all, err
}

// retriesAtOnce is how many retries one command reads.
const retriesAtOnce = 500

// scanRetries calls see with each retry of an endpoint in a partition and its score, in pages: there may be very many.
// One that changes meanwhile may be missed, or seen twice.
func (s *Store) scanRetries(ctx context.Context, key string, see func(member string, score float64)) error {
	for cursor := uint64(0); ; {
		page, next, err := s.redis.ZScan(ctx, key, cursor, "", retriesAtOnce).Result()
		if err != nil {
			return err
		}
		for i := 0; i+1 < len(page); i += 2 {
			score, err := strconv.ParseFloat(page[i+1], 64)
			if err != nil {
				return err
			}
			see(page[i], score)
		}
		if cursor = next; cursor == 0 {
			return nil
		}
	}
}

// eventsToForget returns the order's entries, from the first on that shows something of a person, with their new
// fields.
func (s *Store) eventsToForget(
	ctx context.Context, part partition, o *payment.Order,
) (found []redis.XMessage, err error) {
	from, marked := "-", false
	if oldest := o.OldestEvent(); !oldest.IsZero() {
		from = position{ms: max(oldest.UnixMilli(), 1)}.String()
	}
	for {
		page, err := s.redis.XRangeN(ctx, part.events(), from, "+", forgetBatch).Result()
		if err != nil {
			return nil, unavailable(err)
		}
		for _, entry := range page {
			data, _ := entry.Values["data"].(string)
			clean, belongs, changed, err := o.ForgetInView([]byte(data))
			if err != nil {
				return nil, corrupt(part.events()+" "+entry.ID, err)
			}
			if marked = marked || changed; marked && belongs {
				found = append(found, copyOf(entry, clean))
			}
		}
		if len(page) < forgetBatch {
			return found, nil
		}
		from = "(" + page[len(page)-1].ID
	}
}

// copyOf is an entry as it is appended again: with its own time, and the note that it may have been announced before.
func copyOf(entry redis.XMessage, data []byte) redis.XMessage {
	values := map[string]any{"at": strconv.FormatInt(parsePosition(entry.ID).ms, 10)}
	maps.Copy(values, entry.Values) // a copy of a copy keeps the time of the original
	values["data"], values["restored"] = data, "true"
	delete(values, "sent")
	return redis.XMessage{ID: entry.ID, Values: values}
}

// publicFields are the fields of an entry in the order in which they are written; others follow.
var publicFields = []string{"id", "type", "data"}

// pairs are fields and values as XADD takes them, in a fixed order.
func pairs(values map[string]any) (list []any) {
	names := slices.Clone(publicFields)
	for name := range values {
		if !slices.Contains(publicFields, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names[len(publicFields):])
	for _, name := range names {
		list = append(list, name, values[name])
	}
	return list
}
