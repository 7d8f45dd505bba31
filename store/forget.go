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
	groups, err := s.redis.XInfoGroups(ctx, part.events()).Result()
	if err != nil {
		return 0, unavailable(err)
	}
	keys, names := []string{key, s.meta(part), part.events()}, []any{}
	for _, g := range groups {
		if id, ours := strings.CutPrefix(g.Name, push.GroupPrefix); ours {
			keys, names = append(keys, part.push(push.EndpointID(id)).retries), append(names, g.Name)
		}
	}
	args := append([]any{o.Revision, part.changed(), string(o.ID), len(names)}, names...)
	for _, entry := range entries {
		args = append(append(args, entry.ID, 2*len(entry.Values)), pairs(entry.Values)...)
	}
	count, err := rewriteEventsScript.Run(ctx, s.redis, keys, args...).Int()
	return count, unavailable(err)
}

// eventsToForget returns the order's entries, from the first on that shows something of a person, with the fields
// that they are to have.
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
	maps.Copy(values, entry.Values) // a copy of a copy keeps the first one's time
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
