package store

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"kasse/service/payment"
)

var loadEventsSource, _ = scripts.ReadFile("scripts/load_events.lua")

// idleMargin is how far behind Redis's clock the cursor of a quiet partition follows, so that its
// cursor does not expire. A replica that takes over with a clock so far behind would write entries
// that such a cursor has passed.
const idleMargin = time.Hour

// partitionPage is what one partition answered.
type partitionPage struct {
	now     int64 // Unix milliseconds
	epoch   string
	dropped position // of the newest entry that is no longer kept; zero: all are
	entries []redis.XMessage
}

// LoadEvents returns at most limit events after the cursor, in order within an order. A page that
// is not full was all there was.
func (s *Store) LoadEvents(ctx context.Context, after string, limit int) (payment.FeedPage, error) {
	at, known := parseCursor(after)
	if !known {
		return payment.FeedPage{}, &payment.Error{
			Code: payment.CodeInvalidRequest, Detail: "The cursor is none of ours.",
			Fields: []payment.FieldError{{
				Parameter: "after", Detail: "must be empty, latest, or a cursor that an earlier page gave",
			}},
		}
	}
	parts, err := s.loadPages(ctx, at, limit, after == payment.Latest)
	if err != nil {
		return payment.FeedPage{}, err
	}
	if after == payment.Latest {
		return payment.FeedPage{Events: []payment.FeedEvent{}, Next: s.behind(parts).String()}, nil
	}
	oldest := cursor{epoch: epochOf(parts), after: make([]position, s.Partitions)}
	switch {
	case at.expired(parts):
		return payment.FeedPage{}, &payment.Error{
			Code: payment.CodeCursorExpired, Detail: "Events after this cursor are no longer kept.", Oldest: oldest.String(),
		}
	case at.epoch == "":
		at = oldest
	}
	return merge(at, parts, limit), nil
}

// loadPages reads from every partition its share of a page, in one round trip. Where that does not
// fill the page, a second one reads from those that may have more. To read a whole page from each
// would read many entries for each that is returned.
func (s *Store) loadPages(ctx context.Context, at cursor, limit int, newest bool) ([]partitionPage, error) {
	share := limit/s.Partitions + 1
	all := make([]int, s.Partitions)
	for n := range all {
		all[n] = n
	}
	parts := make([]partitionPage, s.Partitions)
	if err := s.loadInto(ctx, parts, all, at, share, newest); err != nil || newest {
		return parts, err
	}
	missing, more := limit, []int(nil)
	for n, part := range parts {
		missing -= len(part.entries)
		if len(part.entries) == share {
			more = append(more, n)
		}
	}
	if missing <= 0 || len(more) == 0 {
		return parts, nil
	}
	return parts, s.loadInto(ctx, parts, more, at, share+missing, false)
}

// loadInto reads the pages of some partitions.
func (s *Store) loadInto(
	ctx context.Context, parts []partitionPage, which []int, at cursor, limit int, newest bool,
) error {
	replies, err := s.Readers.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for _, n := range which {
			part := s.partitionAt(n)
			keys := []string{part.events(), s.meta(part)}
			pipe.Eval(ctx, string(loadEventsSource), keys, "("+at.position(n).String(), limit, newest)
		}
		return nil
	})
	if err != nil {
		return unavailable(err)
	}
	for i, reply := range replies {
		values, err := reply.(*redis.Cmd).Slice()
		if err != nil {
			return unavailable(err)
		}
		parts[which[i]] = readPage(values)
	}
	return nil
}

func readPage(values []any) partitionPage {
	var part partitionPage
	if dropped, ok := values[2].(string); ok {
		part.dropped = parsePosition(dropped)
	}
	part.now, _ = values[0].(int64)
	part.epoch, _ = values[1].(string)
	entries, _ := values[3].([]any)
	for _, entry := range entries {
		part.entries = append(part.entries, readEntry(entry))
	}
	return part
}

// readEntry reads a stream's entry as a script returns it.
func readEntry(entry any) redis.XMessage {
	pair, _ := entry.([]any)
	id, _ := pair[0].(string)
	fields, _ := pair[1].([]any)
	message := redis.XMessage{ID: id, Values: map[string]any{}}
	for i := 0; i+1 < len(fields); i += 2 {
		name, _ := fields[i].(string)
		message.Values[name] = fields[i+1]
	}
	return message
}

// behind is the cursor after the newest entry of each partition.
func (s *Store) behind(parts []partitionPage) cursor {
	c := cursor{epoch: epochOf(parts), after: make([]position, s.Partitions)}
	for n, part := range parts {
		c.after[n] = part.idle(c.after[n])
		for _, entry := range part.entries {
			c.after[n] = parsePosition(entry.ID)
		}
	}
	return c
}

// idle moves a position up to what a partition with no entries behind it can be trusted to have passed.
func (p partitionPage) idle(at position) position {
	if passed := p.now - idleMargin.Milliseconds(); passed > at.ms {
		return position{ms: passed}
	}
	return at
}

// merge takes the oldest entries of all partitions, and moves the cursor behind them.
func merge(at cursor, parts []partitionPage, limit int) payment.FeedPage {
	type candidate struct {
		partition int
		at        position
		entry     redis.XMessage
	}
	var all []candidate
	for n, part := range parts {
		for _, entry := range part.entries {
			all = append(all, candidate{n, parsePosition(entry.ID), entry})
		}
		switch {
		case len(part.entries) == 0:
			at.after[n] = part.idle(at.after[n])
		case at.after[n] == position{}:
			at.after[n] = parsePosition(part.entries[0].ID).before()
		}
	}
	slices.SortStableFunc(all, func(a, b candidate) int { return a.at.compare(b.at) })
	all = all[:min(len(all), limit)]
	page := payment.FeedPage{Events: make([]payment.FeedEvent, 0, len(all))}
	for _, c := range all {
		page.Events = append(page.Events, feedEvent(c.entry, c.at, c.partition))
		at.after[c.partition] = c.at
	}
	page.Next = at.String()
	return page
}

func feedEvent(entry redis.XMessage, at position, partition int) payment.FeedEvent {
	field := func(name string) string { text, _ := entry.Values[name].(string); return text }
	return payment.FeedEvent{
		Entry: entry.ID, Partition: partition, ID: field("id"), Type: field("type"), Restored: field("restored") != "",
		Trace: field("trace"), Data: []byte(field("data")),
		CreatedAt: time.UnixMilli(at.ms).UTC().Truncate(time.Second),
	}
}

// position is the id of a stream entry.
type position struct{ ms, seq int64 }

func parsePosition(id string) position {
	ms, seq, _ := strings.Cut(id, "-")
	return position{ms: integer(ms), seq: integer(seq)}
}

func (p position) compare(o position) int {
	return cmp.Or(cmp.Compare(p.ms, o.ms), cmp.Compare(p.seq, o.seq))
}

// before is the position that everything from p on comes after. Only a position can expire; the
// beginning cannot.
func (p position) before() position {
	if p.seq > 0 {
		return position{p.ms, p.seq - 1}
	}
	return position{p.ms - 1, math.MaxInt32}
}

// String gives the position as Redis writes it.
func (p position) String() string {
	return strconv.FormatInt(p.ms, 10) + "-" + strconv.FormatInt(p.seq, 10)
}
