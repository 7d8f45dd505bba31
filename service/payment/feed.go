package payment

import (
	"encoding/json"
	"time"
)

// FeedEvent is one transition as backends receive it.
type FeedEvent struct {
	ID        string          `json:"id"`
	Type      string          `json:"type"`
	CreatedAt time.Time       `json:"created_at"`
	Restored  bool            `json:"restored"`
	Data      json.RawMessage `json:"data"`
	Entry     string          `json:"-"` // id of the stream's entry
	Trace     string          `json:"-"` // traceparent of its cause, by W3C's Trace Context; empty: it was not traced
}

// FeedPage is a part of the feed. Next is where to go on, also where there was nothing.
type FeedPage struct {
	Events []FeedEvent `json:"events"`
	Next   string      `json:"next"`
}

// Latest is the cursor behind the newest event.
const Latest = "latest"

// StoredView is a view as it was rendered at its last visible change.
type StoredView struct {
	View       []byte
	Public     []byte // the JSON of its PublicView; nil: not cut out yet
	Version    int64
	Order      OrderID // whose token may read it; empty for a foreign payment
	SecretHash string
	Reads      int // of Redis, that it took to load the view: none where it was in memory
}

// PublicJSON returns the JSON of the PublicView.
func (v StoredView) PublicJSON() []byte {
	if v.Public == nil {
		return PublicPart(v.View)
	}
	return v.Public
}
