package service

import (
	"context"
	"encoding/json"
	"time"
)

// FeedEvent is one transition as backends are told of it.
type FeedEvent struct {
	ID        string          `json:"id"`
	Type      string          `json:"type"`
	CreatedAt time.Time       `json:"created_at"`
	Restored  bool            `json:"restored"`
	Data      json.RawMessage `json:"data"`
}

// FeedPage is a stretch of the feed; Next is where to go on, also where there was nothing.
type FeedPage struct {
	Events []FeedEvent `json:"events"`
	Next   string      `json:"next"`
}

// Latest is the cursor behind the newest event.
const Latest = "latest"

// feed reads the streams of all partitions as one.
type feed interface {
	// LoadEvents returns at most limit events after the cursor: empty is the oldest kept, Latest the newest. In order
	// within a payment. It fails with CodeInvalidRequest for what is no cursor of ours, and with CodeCursorExpired for
	// one of another epoch or older than what is kept.
	LoadEvents(ctx context.Context, after string, limit int) (FeedPage, error)
}

// Events returns a page of the feed.
func (s *Service) Events(ctx context.Context, after string, limit int) (FeedPage, error) {
	return s.feed.LoadEvents(ctx, after, limit)
}
