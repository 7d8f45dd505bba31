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

// idleMargin is how far the cursor of a quiet partition follows behind Redis's clock, so that it does not
// expire. If a replica takes over whose clock is further behind than that, it writes entries that such a
// cursor has already passed.
const idleMargin = time.Hour

// A filtered request examines at most mostLooked entries, and then returns an empty page whose cursor has
// passed them. One script examines at most lookedAtOnce, about 2 ms of Redis's time.
const (
	mostLooked   = 16_000
	lookedAtOnce = 1_000
)

// partitionPage is the reply of one partition.
type partitionPage struct {
	now     int64 // Unix milliseconds
	epoch   string
	dropped position // of the newest entry that is no longer kept; zero: all are kept
	entries []redis.XMessage
	passed  position // of the last examined entry; zero: there was none
	looked  int      // examined entries
	more    bool     // entries after passed may exist, and were not examined
}

// LoadEvents returns a page of events after the cursor, in order within an order. A query for one
// order reads one partition.
func (s *Store) LoadEvents(ctx context.Context, q payment.FeedQuery) (payment.FeedPage, error) {
	at, known := parseCursor(q.After)
	if !known {
		return payment.FeedPage{}, &payment.Error{
			Code: payment.CodeInvalidRequest, Detail: "The cursor is not valid.",
			Fields: []payment.FieldError{{
				Parameter: "after", Detail: "must be empty, latest, or the cursor of an earlier page",
			}},
		}
	}
	if q.After == payment.Latest {
		parts, err := s.loadNewest(ctx)
		if err != nil {
			return payment.FeedPage{}, err
		}
		return payment.FeedPage{Events: []payment.FeedEvent{}, Next: s.behind(parts).String()}, nil
	}
	for looked := 0; ; {
		parts, err := s.loadPages(ctx, at, q)
		if err != nil {
			return payment.FeedPage{}, err
		}
		oldest := cursor{epoch: epochOf(parts), after: make([]position, s.Partitions)}
		switch {
		case at.expired(parts):
			return payment.FeedPage{}, &payment.Error{
				Code: payment.CodeCursorExpired, Detail: "Events after this cursor are no longer kept.",
				Oldest: oldest.String(),
			}
		case at.epoch == "":
			at = oldest
		}
		page := merge(at, parts, q.Limit)
		for _, part := range parts {
			looked += part.looked
		}
		if len(page.Events) > 0 || !page.More || looked >= mostLooked {
			return page, nil
		}
		if q.Order != "" {
			if err := s.skipOthers(ctx, at, q.Order); err != nil {
				return payment.FeedPage{}, err
			}
		}
	}
}

// loadPages reads each partition's share of a page in one round trip. If that does not fill the page, a
// second one reads from the partitions that may have more. Reading a whole page from each would read many
// entries for each returned one. A query for one order reads only its partition.
func (s *Store) loadPages(ctx context.Context, at cursor, q payment.FeedQuery) ([]partitionPage, error) {
	which := s.everyPartition()
	if q.Order != "" {
		which = []int{s.hash(string(q.Order))}
	}
	share := min(q.Limit/len(which)+1, q.Limit)
	parts := make([]partitionPage, s.Partitions)
	if err := s.loadInto(ctx, parts, which, at, q, share); err != nil {
		return parts, err
	}
	if q.Order != "" {
		if err := s.fillEpochs(ctx, parts, which[0], at); err != nil {
			return parts, err
		}
	}
	missing, more := q.Limit, []int(nil)
	for n, part := range parts {
		missing -= len(part.entries)
		if len(part.entries) == share {
			more = append(more, n)
		}
	}
	if missing <= 0 || len(more) == 0 {
		return parts, nil
	}
	return parts, s.loadInto(ctx, parts, more, at, q, share+missing)
}

// behind returns the cursor after the newest entry of each partition.
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

// idle moves a position forward in a partition without later entries, up to where no entry can appear
// any more.
func (p partitionPage) idle(at position) position {
	if passed := p.now - idleMargin.Milliseconds(); passed > at.ms {
		return position{ms: passed}
	}
	return at
}

// merge selects the oldest entries of all partitions, and moves the cursor behind them and behind the
// filtered ones.
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
	}
	slices.SortStableFunc(all, func(a, b candidate) int { return a.at.compare(b.at) })
	all = all[:min(len(all), limit)]
	page := payment.FeedPage{Events: make([]payment.FeedEvent, 0, len(all))}
	taken := make([]int, len(parts))
	for _, c := range all {
		page.Events = append(page.Events, feedEvent(c.entry, c.at, c.partition))
		at.after[c.partition] = c.at
		taken[c.partition]++
	}
	for n, part := range parts {
		switch {
		case taken[n] == len(part.entries):
			at.after[n] = part.end(at.after[n])
			page.More = page.More || part.more
		case at.after[n] == position{}:
			at.after[n] = parsePosition(part.entries[0].ID).before()
			page.More = true
		default:
			page.More = true
		}
	}
	page.Next = at.String()
	return page
}

// end returns the position after all examined entries.
func (p partitionPage) end(at position) position {
	switch {
	case p.passed != position{}:
		return p.passed
	case len(p.entries) == 0:
		return p.idle(at)
	}
	return at
}

func feedEvent(entry redis.XMessage, at position, partition int) payment.FeedEvent {
	field := func(name string) string { text, _ := entry.Values[name].(string); return text }
	made := at.ms
	if was := field("at"); was != "" { // it stands for an entry of then
		made = integer(was)
	}
	return payment.FeedEvent{
		Entry: entry.ID, Partition: partition, ID: field("id"), Type: field("type"), Restored: field("restored") != "",
		Trace: field("trace"), Data: []byte(field("data")),
		CreatedAt: time.UnixMilli(made).UTC().Truncate(time.Second), Sent: strings.Fields(field("sent")),
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

// before returns the last position before p. Only a position can expire; the beginning cannot.
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
