package service

import (
	"context"

	"kasse/service/payment"
)

// feed reads the streams of all partitions as one.
type feed interface {
	// LoadEvents returns a page of the feed, in order within an order. It returns CodeInvalidRequest for an
	// invalid cursor, and CodeCursorExpired for a cursor of another epoch or older than the kept events.
	LoadEvents(ctx context.Context, q payment.FeedQuery) (payment.FeedPage, error)
	// WatchEvents returns a channel with hints that events may have been appended, until the function is
	// called. Hints may be lost.
	WatchEvents() (<-chan struct{}, func())
}

// Events returns a page of the feed. If it would be empty, the request waits for a matching event. If the
// query has examined the maximum number of events without a match, the empty page is returned at once.
func (s *Service) Events(ctx context.Context, q payment.FeedQuery, o WaitOptions) (payment.FeedPage, error) {
	watch := s.feed.WatchEvents
	if q.Order != "" {
		watch = func() (<-chan struct{}, func()) { return s.orders.WatchOrder(q.Order) }
	}
	appended, stop := watch()
	defer stop()
	w := s.hold(o, appended)
	defer w.end()
	for {
		page, err := s.feed.LoadEvents(context.WithoutCancel(ctx), q)
		if err != nil || len(page.Events) > 0 || page.More || !w.wait(ctx) {
			return page, err
		}
		q.After = page.Next
	}
}
