package stripe

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"github.com/stripe/stripe-go/v79/webhook"

	"kasse/service/payment"
)

// tolerance is the largest difference between a signature's time and ours, in both directions.
//
// Source: https://docs.stripe.com/webhooks#replay-attacks
const tolerance = 300 * time.Second

// ParseEvent verifies a webhook's signature over its raw bytes and decodes the members that Kasse uses.
func (g *Gateway) ParseEvent(body []byte, signature string) (payment.StripeEvent, error) {
	if err := g.verify(body, signature); err != nil {
		return payment.StripeEvent{}, &payment.Error{
			Code:   payment.CodeInvalidSignature,
			Detail: "The Stripe-Signature header does not match the body, the secrets or the time.", Cause: err,
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

// signedAt parses the time of "t=1495999758,v1=…", since stripe-go accepts any time in the future. Of several
// times stripe-go uses the last one, and so does signedAt.
func signedAt(signature string) (at time.Time, ok bool) {
	for part := range strings.SplitSeq(signature, ",") {
		if text, found := strings.CutPrefix(part, "t="); found {
			seconds, err := strconv.ParseInt(text, 10, 64)
			at, ok = time.Unix(seconds, 0), err == nil
		}
	}
	return at, ok
}

// event holds the members of an event that Kasse uses.
//
// Source: https://docs.stripe.com/api/events/object
type event struct {
	ID         string
	Object     string
	Type       string
	Account    string
	Context    string
	APIVersion string
	Created    int64
	Livemode   bool
	Key        string // idempotency key of the API call that caused it

	object members // members of its object
}

// scanEvent scans an event's body once. It returns the event's members and those of its object.
func scanEvent(body []byte) (top, object members, err error) {
	top, object = make(members, 0, 16), make(members, 0, 48)
	var data members
	s := scan(body)
	defer s.release()
	err = s.object(&top, func(name []byte) *members {
		switch {
		case data == nil && string(name) == "data":
			data = members{}
			return &data
		case data != nil && len(object) == 0 && string(name) == "object":
			return &object
		}
		return nil
	})
	return top, object, cmp.Or(err, s.end())
}

// readHeader decodes the members that decide whether the event is for us.
func (e *event) readHeader(top members) (err error) {
	for _, m := range top {
		switch string(m.name) {
		case "id":
			err = cmp.Or(err, m.text(&e.ID))
		case "object":
			err = cmp.Or(err, m.text(&e.Object))
		case "type":
			err = cmp.Or(err, m.text(&e.Type))
		}
	}
	return err
}

// read decodes the other members.
func (e *event) read(top members) (err error) {
	for _, m := range top {
		switch string(m.name) {
		case "account":
			err = cmp.Or(err, m.text(&e.Account))
		case "context":
			err = cmp.Or(err, m.text(&e.Context))
		case "api_version":
			err = cmp.Or(err, m.text(&e.APIVersion))
		case "created":
			err = cmp.Or(err, m.number(&e.Created))
		case "livemode":
			err = cmp.Or(err, m.yes(&e.Livemode))
		case "request": // versions before 2017-05-25 have only the request's id
			err = cmp.Or(err, (member{value: membersOf(m.value).get("idempotency_key")}).text(&e.Key))
		}
	}
	return err
}

const mistyped = "a member of the event is of another type than Stripe documents"

// decodeEvent never returns an error: an invalid event has its reason in Unreadable. The reasons are our own
// texts, since a decoder's would quote the body.
func decodeEvent(body []byte) payment.StripeEvent {
	top, object, err := scanEvent(body)
	e := event{object: object}
	if err = cmp.Or(err, e.readHeader(top)); err != nil {
		return payment.StripeEvent{Unreadable: "the body is not a JSON object with an id and a type"}
	}
	if e.Object == thinObject {
		return decodeThin(top, e)
	}
	broken := e.read(top)
	if broken != nil { // it may be about another object
		e = event{
			ID: e.ID, Type: e.Type, Account: textOf(top.get("account")), Context: textOf(top.get("context")),
			object: object,
		}
	}
	about := aboutOf(e.Type)
	if about == nil {
		return payment.StripeEvent{ID: e.ID, Type: e.Type}
	}
	n := payment.StripeEvent{
		ID: e.ID, Type: e.Type, Created: e.Created, APIVersion: e.APIVersion, Livemode: e.Livemode,
		Connected: e.Account != "", Context: e.Context, Key: e.Key,
	}
	if n.Unreadable = mistyped; broken == nil {
		n.Unreadable = e.addTo(&n, about)
	}
	if n.Unreadable != "" {
		n.Payment, n.Claimed = namedIn(object, about)
		mode := string(top.get("livemode"))
		n.Livemode, n.ModeKnown = mode == "true", mode == "true" || mode == "false"
	}
	return n
}

// thinObject is the object of a thin event. Its created is a string, and it has no data.
//
// Source: https://docs.stripe.com/event-destinations#thin-events
const thinObject = "v2.core.event"

// decodeThin decodes a thin event, which names an object without its content. An event of another type has
// only id and type.
func decodeThin(of members, e event) payment.StripeEvent {
	n := payment.StripeEvent{ID: e.ID, Type: e.Type}
	if aboutOf(strings.TrimPrefix(e.Type, "v1.")) == nil {
		return n
	}
	n.Context = textOf(of.get("context"))
	n.Thin, n.Connected, n.Livemode = true, textOf(of.get("account")) != "", string(of.get("livemode")) == "true"
	if at, err := time.Parse(time.RFC3339, textOf(of.get("created"))); err == nil {
		n.Created = at.Unix()
	}
	related := membersOf(of.get("related_object"))
	if id := payment.ID(textOf(related.get("id"))); id.Valid() && textOf(related.get("type")) == "payment_intent" {
		n.Payment = id
	}
	return n
}

// namedIn returns the PaymentIntent that an undecodable event names, and the kasse_service of its object's
// metadata. Each is empty if it cannot be read. Other members may have any type.
func namedIn(of members, about object) (id payment.ID, service string) {
	name := textOf(of.get("id"))
	if _, itself := about.(*intent); !itself {
		name = named(of.get("payment_intent"))
	}
	if id = payment.ID(name); !id.Valid() {
		return "", ""
	}
	return id, textOf(membersOf(of.get("metadata")).get("kasse_service"))
}

// addTo adds the event's content to the notice. It returns the reason if the content is invalid.
func (e event) addTo(n *payment.StripeEvent, about object) (unreadable string) {
	switch {
	case !strings.HasPrefix(e.ID, "evt_"):
		return "the event has no id"
	case e.Created <= 0:
		return "the event has no time"
	case len(e.object) == 0:
		return "the event has no object"
	}
	if err := about.read(e.object); err != nil {
		return mistyped
	}
	if err := about.unreadable(); err != nil {
		return err.Error()
	}
	about.addTo(n)
	return ""
}

// object is the object of an event.
type object interface {
	readable
	// unreadable returns the reason if the object is invalid, else nil.
	unreadable() error
	// addTo adds the object's content to the notice.
	addTo(n *payment.StripeEvent)
}

// aboutOf returns a value to decode the event's object into; nil if the type is not for us. An unknown type
// has the object of its family.
func aboutOf(kind string) object {
	t, known := payment.FindStripeEventType(kind)
	if !known {
		t.About = families[kind[:strings.LastIndexByte(kind, '.')+1]]
	}
	switch t.About {
	case payment.AboutIntent:
		return new(intent)
	case payment.AboutRefund:
		return new(refund)
	case payment.AboutDispute:
		return new(dispute)
	case payment.AboutReview:
		return new(review)
	case payment.AboutCharge:
		if t.Need == payment.NeedDetail {
			return new(chargeSeen)
		}
		return new(charge)
	}
	return nil
}

// families are the prefixes of event types, with the object that their events have.
var families = map[string]payment.StripeObject{
	"payment_intent.": payment.AboutIntent, "refund.": payment.AboutRefund, "charge.dispute.": payment.AboutDispute,
	"review.": payment.AboutReview,
}
