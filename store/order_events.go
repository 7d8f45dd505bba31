package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"kasse/service/payment"
)

// An event's entry is appended by the write that gave the event its version, and the version is Redis's clock when that
// write began. So an order's events are searched near its versions, and not among all later entries of other orders.
// The whole stream is read only if an event is missing there: Redis's clock has jumped, or an entry was appended again.
const (
	beforeVersion = time.Minute     // by which a version may be ahead of the entry: Redis's clock went back
	afterVersion  = 5 * time.Minute // that a write may take
)

// LoadOrderEvents returns the order's events that the stream still has, oldest first. The order must be loaded with
// all its payments: their histories show where the stream is read.
func (s *Store) LoadOrderEvents(ctx context.Context, o payment.Order) ([]payment.FeedEvent, error) {
	n := s.hash(string(o.ID))
	stream := s.partitionAt(n).events()
	first, err := s.redis.XRangeN(ctx, stream, "-", "+", 1).Result()
	if err != nil {
		return nil, unavailable(err)
	}
	if len(first) == 0 {
		return nil, nil
	}
	kept := time.UnixMilli(parsePosition(first[0].ID).ms)
	spans := spansOf(&o, kept)
	var events []payment.FeedEvent
	for _, near := range spans {
		found, err := s.orderEvents(ctx, n, &o, position{ms: near.from}.String(), position{ms: near.until}.String())
		if err != nil {
			return nil, err
		}
		events = append(events, found...)
	}
	if hasAnnounced(&o, kept, events) {
		return events, nil
	}
	from := "-"
	if oldest := o.OldestEvent(); !oldest.IsZero() {
		from = position{ms: max(oldest.UnixMilli(), 1)}.String()
	}
	return s.orderEvents(ctx, n, &o, from, "+")
}

// span is a part of a stream, in Unix milliseconds.
type span struct{ from, until int64 }

// spansOf returns the parts of the stream in which the order's events are, without overlaps, oldest first. The stream
// has no entry from before kept.
func spansOf(o *payment.Order, kept time.Time) (spans []span) {
	var versions []int64
	for _, p := range o.Loaded {
		for _, h := range p.History {
			versions = append(versions, h.Version)
		}
	}
	slices.Sort(versions)
	for _, version := range versions {
		next := span{max(version-beforeVersion.Milliseconds(), 1), version + afterVersion.Milliseconds()}
		switch last := len(spans) - 1; {
		case next.until < kept.UnixMilli():
		case last >= 0 && next.from <= spans[last].until:
			spans[last].until = next.until
		default:
			spans = append(spans, next)
		}
	}
	return spans
}

// hasAnnounced reports whether there is an event of each change of a state that the stream can still have. A change
// within a state may have none.
func hasAnnounced(o *payment.Order, kept time.Time, events []payment.FeedEvent) bool {
	found := map[string]bool{}
	for _, e := range events {
		found[e.ID] = true
	}
	for id, p := range o.Loaded {
		for _, h := range p.History {
			changed := h.From != "" && h.From != h.To && h.Version > kept.UnixMilli()
			if changed && !found[fmt.Sprintf("%s.%d", id, h.Version)] {
				return false
			}
		}
	}
	return true
}

// orderEvents returns the order's events from one id of the stream to another.
func (s *Store) orderEvents(
	ctx context.Context, n int, o *payment.Order, from, until string,
) (events []payment.FeedEvent, err error) {
	stream := s.partitionAt(n).events()
	for {
		var page []redis.XMessage
		if page, err = s.redis.XRangeN(ctx, stream, from, until, forgetBatch).Result(); err != nil {
			return nil, unavailable(err)
		}
		for _, entry := range page {
			event := feedEvent(entry, parsePosition(entry.ID), n)
			view, err := payment.DecodeView(event.Data)
			if err != nil {
				return nil, fmt.Errorf("the entry %s of %s cannot be read: %w", entry.ID, stream, err)
			}
			if view.Order == o.ID {
				events = append(events, event)
			}
		}
		if len(page) < forgetBatch {
			return events, nil
		}
		from = "(" + page[len(page)-1].ID
	}
}
