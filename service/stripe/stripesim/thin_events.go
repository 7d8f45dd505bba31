package stripesim

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"
)

// thinEvent is the notification for a destination with thin payloads. It names an object without its content.
// Source: https://docs.stripe.com/event-destinations#thin-events, and npm's stripe 23.1.0.
type thinEvent struct {
	ID            string         `json:"id"`
	Object        string         `json:"object"`
	Context       *text          `json:"context,omitempty"`
	Created       string         `json:"created"` // RFC 3339 with milliseconds, where a snapshot event has a number
	Livemode      bool           `json:"livemode"`
	Reason        *thinReason    `json:"reason,omitempty"`
	RelatedObject *relatedObject `json:"related_object"`
	SnapshotEvent string         `json:"snapshot_event,omitempty"`
	Type          string         `json:"type"`
}

type thinReason struct {
	Type    string      `json:"type"`
	Request thinRequest `json:"request"`
}

type thinRequest struct {
	ID  string `json:"id"`
	Key string `json:"idempotency_key"`
}

// relatedObject names the object of a thin event.
type relatedObject struct {
	ID   string `json:"id"`
	Type string `json:"type"`
	URL  string `json:"url"`
}

// collections are the paths of the objects that thin events name, by the type of the object.
var collections = map[string]string{
	"charge": "charges", "customer": "customers", "dispute": "disputes", "payment_intent": "payment_intents",
	"payment_method": "payment_methods", "refund": "refunds", "review": "reviews",
}

func relatedTo(about object) relatedObject {
	out := relatedObject{ID: about.id(), Type: objectType(about)}
	out.URL = "/v1/" + collections[out.Type] + "/" + out.ID
	return out
}

// objectType is Stripe's name for an object's type.
func objectType(about object) string {
	switch is := about.(type) {
	case *intent:
		return "payment_intent"
	case *charge:
		return "charge"
	case *refund:
		return "refund"
	case *dispute:
		return "dispute"
	case *review:
		return "review"
	case *method:
		return "payment_method"
	case *customer:
		return "customer"
	case *altered:
		return objectType(is.object)
	}
	return ""
}

// thin returns the thin form of a snapshot event. Its id is derived from the snapshot's.
func (e *event) thin() *thinEvent {
	sum := sha256.Sum256([]byte(e.ID))
	out := &thinEvent{
		ID: "evt_test_65" + hex.EncodeToString(
			sum[:24],
		), Object: "v2.core.event", Context: e.Context, Livemode: e.Livemode,
		RelatedObject: &e.about,
		SnapshotEvent: e.ID, Type: "v1." + strings.TrimPrefix(e.Type, "v1."),
		Created: time.Unix(int64(e.Created), 0).UTC().Format("2006-01-02T15:04:05.000Z"),
	}
	if e.Request.ID != "" {
		out.Reason = &thinReason{"request", thinRequest{string(e.Request.ID), string(e.Request.Key)}}
	}
	return out
}

// payload is the body of an event for one endpoint.
func (h *hook) payload(e *event) any {
	if h.Thin {
		return e.thin()
	}
	if h.APIVersion != "" {
		return e.inVersion(h.APIVersion)
	}
	return e
}
