package stripe

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	json "github.com/go-json-experiment/json/v1"

	"github.com/stripe/stripe-go/v79/webhook"

	"kasse/service/payment"
)

// tolerance is how far a signature's time may be from ours, in either direction.
//
// Source: https://docs.stripe.com/webhooks#replay-attacks
const tolerance = 300 * time.Second

// ParseEvent checks the signature of a webhook over its raw bytes, and decodes it as far as we need it.
func (g *Gateway) ParseEvent(body []byte, signature string) (payment.StripeEvent, error) {
	if err := g.verify(body, signature); err != nil {
		return payment.StripeEvent{}, &payment.Error{
			Code:   payment.CodeInvalidSignature,
			Detail: "The Stripe-Signature header does not fit the body, the secrets, or the time.", Cause: err,
		}
	}
	e := decodeEvent(body)
	e.Ahead = time.Unix(e.Created, 0).Sub(g.Now()) > tolerance
	return e, nil
}

func (g *Gateway) verify(body []byte, signature string) error {
	signed, ok := signedAt(signature)
	if !ok {
		return webhook.ErrNotSigned
	}
	if distance := g.Now().Sub(signed); distance > tolerance || distance < -tolerance {
		return webhook.ErrTooOld
	}
	err := error(webhook.ErrNoValidSignature)
	for _, secret := range g.WebhookSecrets {
		if err = webhook.ValidatePayloadIgnoringTolerance(body, signature, secret.Reveal()); err == nil {
			return nil
		}
	}
	return err
}

// signedAt reads the time out of "t=1495999758,v1=…": stripe-go takes any in the future. The last one counts there, so
// that it counts here.
func signedAt(signature string) (at time.Time, ok bool) {
	for part := range strings.SplitSeq(signature, ",") {
		if text, found := strings.CutPrefix(part, "t="); found {
			seconds, err := strconv.ParseInt(text, 10, 64)
			at, ok = time.Unix(seconds, 0), err == nil
		}
	}
	return at, ok
}

// header is the part of an event that says whether the rest is ours.
type header struct {
	ID     string `json:"id"`
	Object string `json:"object"`
	Type   string `json:"type"`
}

// event is what we read of an event.
//
// Source: https://docs.stripe.com/api/events/object
type event struct {
	header
	Account    string  `json:"account"`
	Context    string  `json:"context"`
	APIVersion string  `json:"api_version"`
	Created    int64   `json:"created"`
	Livemode   bool    `json:"livemode"`
	Request    request `json:"request"`
	Data       struct {
		Object json.RawMessage `json:"object"`
	} `json:"data"`
}

// request is the API call that caused an event. Versions before 2017-05-25 give its id alone.
//
// Source: https://docs.stripe.com/api/events/object
type request struct {
	IdempotencyKey string `json:"idempotency_key"`
}

// UnmarshalJSON takes either form, and null as no call.
func (r *request) UnmarshalJSON(text []byte) error {
	if len(text) == 0 || text[0] != '{' {
		return nil
	}
	type whole request
	return json.Unmarshal(text, (*whole)(r))
}

const mistyped = "a member of the event is of another type than Stripe documents"

// decodeEvent never fails: what makes no sense is a notice that says why. Its texts are our own, since those of a
// decoder quote the body.
func decodeEvent(body []byte) payment.StripeEvent {
	var e event
	broken := json.Unmarshal(body, &e)
	if broken != nil { // it may be about something else
		e = event{Account: textOf(membersOf(body)["account"]), Context: textOf(membersOf(body)["context"])}
		if err := json.Unmarshal(body, &e.header); err != nil {
			return payment.StripeEvent{Unreadable: "the body is no JSON object with an id and a type"}
		}
	}
	if e.Object == thinObject {
		return decodeThin(body, e.header)
	}
	n := payment.StripeEvent{
		ID: e.ID, Type: e.Type, Created: e.Created, APIVersion: e.APIVersion, Livemode: e.Livemode,
		Connected: e.Account != "", Context: e.Context,
		Key: e.Request.IdempotencyKey,
	}
	about := aboutOf(e.Type)
	switch {
	case about == nil:
		return payment.StripeEvent{ID: e.ID, Type: e.Type}
	case broken != nil:
		n.Unreadable = mistyped
	default:
		n.Unreadable = e.tell(&n, about)
	}
	if n.Unreadable != "" {
		n.Payment, n.Claimed = namedIn(body, about)
	}
	return n
}

// thinObject is the object of a thin event. Its created is a text, and it has no data.
//
// Source: https://docs.stripe.com/event-destinations#thin-events
const thinObject = "v2.core.event"

// decodeThin reads a thin event, which names an object and shows nothing of it. One whose type is none of ours has
// nothing but its id and its type.
func decodeThin(body []byte, h header) payment.StripeEvent {
	n := payment.StripeEvent{ID: h.ID, Type: h.Type}
	if aboutOf(strings.TrimPrefix(h.Type, "v1.")) == nil {
		return n
	}
	of := membersOf(body)
	n.Context = textOf(of["context"])
	n.Thin, n.Connected, n.Livemode = true, textOf(of["account"]) != "", string(of["livemode"]) == "true"
	if at, err := time.Parse(time.RFC3339, textOf(of["created"])); err == nil {
		n.Created = at.Unix()
	}
	related := membersOf(of["related_object"])
	if id := payment.ID(textOf(related["id"])); id.Valid() && textOf(related["type"]) == "payment_intent" {
		n.Payment = id
	}
	return n
}

// namedIn returns the PaymentIntent that an undecodable event names, and the kasse_service of its object's
// metadata; each is empty where it cannot be read. Members that do not matter for them may have any type.
func namedIn(body []byte, about object) (id payment.ID, service string) {
	of := membersOf(membersOf(membersOf(body)["data"])["object"])
	name := textOf(of["id"])
	if _, itself := about.(*intent); !itself {
		name = cmp.Or(textOf(of["payment_intent"]), textOf(membersOf(of["payment_intent"])["id"]))
	}
	if id = payment.ID(name); !id.Valid() {
		return "", ""
	}
	return id, textOf(membersOf(of["metadata"])["kasse_service"])
}

// membersOf returns the members of a JSON object; none where the text is something else.
func membersOf(text []byte) (members map[string]json.RawMessage) {
	_ = json.Unmarshal(text, &members) // what cannot be read has no members
	return members
}

// numberOf returns a JSON integer; zero where the text is something else.
func numberOf(text []byte) (value int64) {
	_ = json.Unmarshal(text, &value) // what cannot be read is zero
	return value
}

// textOf returns a JSON string; empty where the text is something else.
func textOf(text []byte) (value string) {
	_ = json.Unmarshal(text, &value) // what cannot be read is empty
	return value
}

// tell adds what the event says of its object to the notice, or returns why it makes no sense.
func (e event) tell(n *payment.StripeEvent, about object) (unreadable string) {
	switch {
	case !strings.HasPrefix(e.ID, "evt_"):
		return "the event has no id"
	case e.Created <= 0:
		return "the event has no time"
	case len(e.Data.Object) == 0 || string(e.Data.Object) == "null":
		return "the event has no object"
	}
	if err := json.Unmarshal(e.Data.Object, about); err != nil {
		return mistyped
	}
	if err := about.unreadable(); err != nil {
		return err.Error()
	}
	about.tell(n)
	return ""
}

// object is one that an event may be about.
type object interface {
	// unreadable says why the object makes no sense; nil where it does.
	unreadable() error
	// tell adds to the notice what the object says.
	tell(n *payment.StripeEvent)
}

// aboutOf returns what an event of the type is about, to be decoded into; nil where that is nothing of ours.
func aboutOf(kind string) object {
	switch {
	case strings.HasPrefix(kind, "payment_intent."):
		return new(intent)
	case kind == "charge.refunded":
		return new(charge)
	case strings.HasPrefix(kind, "refund."), kind == "charge.refund.updated":
		return new(refund)
	case strings.HasPrefix(kind, "charge.dispute."):
		return new(dispute)
	case kind == "charge.succeeded", kind == "charge.failed", kind == "charge.updated":
		return new(chargeSeen)
	case kind == "review.opened", kind == "review.closed":
		return new(review)
	}
	return nil
}
