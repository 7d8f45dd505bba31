package service

import (
	"context"

	"kasse/service/payment"
)

// feed reads the streams of all partitions as one.
type feed interface {
	// LoadEvents returns a page of the feed, in order within an order. It fails with CodeInvalidRequest for what is no
	// cursor of ours, and with CodeCursorExpired for one of another epoch or older than what is kept.
	LoadEvents(ctx context.Context, q payment.FeedQuery) (payment.FeedPage, error)
	// WatchEvents returns a channel that gets a hint when events may have been appended, until the function is called.
	// Hints may be lost.
	WatchEvents() (<-chan struct{}, func())
}

// Events returns a page of the feed. An empty one is held back until there is an event that the query wants. Where the
// query looks at as many events as one request may, and wants none of them, the empty page is returned at once.
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
