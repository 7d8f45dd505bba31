package stripe

import (
	"errors"
	"strconv"
	"strings"
	"time"

	json "github.com/go-json-experiment/json/v1"

	"github.com/stripe/stripe-go/v79/webhook"

	"kasse/service"
)

// tolerance is how far a signature's time may be from ours, in either direction.
//
// Source: https://docs.stripe.com/webhooks#replay-attacks
const tolerance = 300 * time.Second

// ParseEvent checks the signature of a webhook over its raw bytes, and decodes it as far as we need it.
func (g *Gateway) ParseEvent(body []byte, signature string) (service.Notice, error) {
	if err := g.verify(body, signature); err != nil {
		return service.Notice{}, &service.Error{Code: service.CodeInvalidSignature, Detail: "The Stripe-Signature header does not fit the body, the secrets, or the time.", Cause: err}
	}
	return decodeEvent(body), nil
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

// header is the part of an event that tells whether the rest is for us.
type header struct {
	ID   string `json:"id"`
	Type string `json:"type"`
}

// event is what we read of an event about an object of Stripe's.
//
// Source: https://docs.stripe.com/api/events/object
type event[T any] struct {
	Account    string `json:"account"`
	APIVersion string `json:"api_version"`
	Created    int64  `json:"created"`
	Livemode   bool   `json:"livemode"`
	Data       struct {
		Object *T `json:"object"`
	} `json:"data"`
}

// object is one that an event may be about.
type object[T any] interface {
	*T
	// unreadable says why the object makes no sense; nil where it does.
	unreadable() error
	// tell adds to the notice what the object says.
	tell(n *service.Notice)
}

// decodeEvent never fails: what makes no sense is a notice that says why. Its texts are our own, since those of a
// decoder quote the body.
func decodeEvent(body []byte) service.Notice {
	var h header
	if err := json.Unmarshal(body, &h); err != nil {
		return service.Notice{Unreadable: "the body is no JSON object with an id and a type"}
	}
	switch {
	case strings.HasPrefix(h.Type, "payment_intent."):
		return decodeAbout[intent](h, body)
	case h.Type == "charge.refunded":
		return decodeAbout[charge](h, body)
	case strings.HasPrefix(h.Type, "refund."), h.Type == "charge.refund.updated":
		return decodeAbout[refund](h, body)
	case strings.HasPrefix(h.Type, "charge.dispute."):
		return decodeAbout[dispute](h, body)
	}
	return service.Notice{ID: h.ID, Type: h.Type}
}

func decodeAbout[T any, P object[T]](h header, body []byte) service.Notice {
	n := service.Notice{ID: h.ID, Type: h.Type}
	var e event[T]
	if err := json.Unmarshal(body, &e); err != nil {
		n.Unreadable = "a member of the event is of another type than Stripe documents"
		return n
	}
	n.Created, n.APIVersion, n.Livemode, n.Connected = e.Created, e.APIVersion, e.Livemode, e.Account != ""
	if err := unreadable[T, P](h, e); err != nil {
		n.Unreadable = err.Error()
		return n
	}
	P(e.Data.Object).tell(&n)
	return n
}

func unreadable[T any, P object[T]](h header, e event[T]) error {
	switch {
	case !strings.HasPrefix(h.ID, "evt_"):
		return errors.New("the event has no id")
	case e.Created <= 0:
		return errors.New("the event has no time")
	case e.Data.Object == nil:
		return errors.New("the event has no object")
	}
	return P(e.Data.Object).unreadable()
}
