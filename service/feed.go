package service

import (
	"context"

	"kasse/service/payment"
)

// FeedEvent is payment.FeedEvent.
type FeedEvent = payment.FeedEvent

// FeedPage is payment.FeedPage.
type FeedPage = payment.FeedPage

// Latest is the cursor behind the newest event.
const Latest = "latest"

// feed reads the streams of all partitions as one.
type feed interface {
	// LoadEvents returns at most limit events after the cursor: empty is the oldest kept, Latest the newest. In order
	// within a payment. It fails with CodeInvalidRequest for what is no cursor of ours, and with CodeCursorExpired for
	// one of another epoch or older than what is kept.
	LoadEvents(ctx context.Context, after string, limit int) (FeedPage, error)
	// WatchEvents returns a channel that gets a hint when events may have been appended, until the function is called.
	// Hints may be lost.
	WatchEvents() (<-chan struct{}, func())
}

// Events returns a page of the feed. An empty one is held back until there is an event.
func (s *Service) Events(ctx context.Context, after string, limit int, p Patience) (FeedPage, error) {
	appended, stop := s.feed.WatchEvents()
	defer stop()
	w := s.hold(p, appended)
	defer w.end()
	for {
		page, err := s.feed.LoadEvents(context.WithoutCancel(ctx), after, limit)
		if err != nil || len(page.Events) > 0 || !w.more(ctx) {
			return page, err
		}
		after = page.Next
	}
}
