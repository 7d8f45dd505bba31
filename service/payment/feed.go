package payment

import (
	"encoding/json"
	"slices"
	"time"
)

// FeedEvent is one transition of an order as backends receive it, in the feed and by push.
type FeedEvent struct {
	ID        string          `json:"id"`
	Type      string          `json:"type"`
	CreatedAt time.Time       `json:"created_at"` // UTC, whole seconds
	Restored  bool            `json:"restored"`
	Data      json.RawMessage `json:"data"` // the status view after the change
	Entry     string          `json:"-"`    // id of the stream entry
	Partition int             `json:"-"`    // index of the entry's partition, from 0
	Sent      []string        `json:"-"`    // consumer groups of endpoints that have the event from an earlier entry
	Trace     string          `json:"-"`    // traceparent of the cause (W3C Trace Context); empty: it was not traced
}

// FeedQuery asks for a page of the feed.
type FeedQuery struct {
	After string   // cursor; empty: from the oldest event kept; Latest: behind the newest
	Limit int      // events at most
	Types []string // of the events wanted; none: all
	Order OrderID  // of the events wanted; empty: of all orders
}

// Filters reports whether the query leaves events out.
func (q FeedQuery) Filters() bool { return len(q.Types) > 0 || q.Order != "" }

// FeedPage is one page of the feed. Next is the cursor of the following page, even if Events is empty. It
// skips filtered events.
type FeedPage struct {
	Events []FeedEvent `json:"events"`
	Next   string      `json:"next"`
	More   bool        `json:"-"` // more events follow that this request did not examine, since its limit was reached
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

// EventTypes are all types that a FeedEvent can have.
var EventTypes = []string{
	"order.pending", "order.action_required", "order.processing", "order.failed", "order.authorized", "order.paid",
	"order.canceled", "order.partially_refunded", "order.refunded", "order.disputed", "order.charged_back",
	"order.dispute_won", "order.duplicate_payment", "order.held", "order.refund_failed", "order.reopened",
	"order.updated",
	"superseded.pending", "superseded.action_required", "superseded.processing", "superseded.failed",
	"superseded.authorized", "superseded.paid", "superseded.canceled", "superseded.partially_refunded",
	"superseded.refunded", "superseded.disputed", "superseded.charged_back",
}

// KnownEventType reports whether events of this type exist.
func KnownEventType(name string) bool { return slices.Contains(EventTypes, name) }
