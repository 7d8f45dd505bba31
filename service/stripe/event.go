package stripe

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

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

// event is what we read of an event.
//
// Source: https://docs.stripe.com/api/events/object
type event struct {
	Account    string `json:"account"`
	APIVersion string `json:"api_version"`
	Created    int64  `json:"created"`
	Livemode   bool   `json:"livemode"`
	Data       struct {
		Object *intent `json:"object"`
	} `json:"data"`
}

// decodeEvent never fails: what makes no sense is a notice that says why. Its texts are our own, since those of a
// decoder quote the body.
func decodeEvent(body []byte) service.Notice {
	var h header
	if err := json.Unmarshal(body, &h); err != nil {
		return service.Notice{Unreadable: "the body is no JSON object with an id and a type"}
	}
	n := service.Notice{ID: h.ID, Type: h.Type}
	if !strings.HasPrefix(h.Type, "payment_intent.") {
		return n
	}
	var e event
	if err := json.Unmarshal(body, &e); err != nil {
		n.Unreadable = "a member of the event is of another type than Stripe documents"
		return n
	}
	if err := e.unreadable(h); err != nil {
		n.Unreadable = err.Error()
		return n
	}
	seen := e.Data.Object.translate()
	n.Created, n.APIVersion, n.Livemode, n.Connected, n.Intent = e.Created, e.APIVersion, e.Livemode, e.Account != "", &seen
	return n
}

func (e *event) unreadable(h header) error {
	switch {
	case !strings.HasPrefix(h.ID, "evt_"):
		return errors.New("the event has no id")
	case e.Created <= 0:
		return errors.New("the event has no time")
	case e.Data.Object == nil:
		return errors.New("the event has no object")
	}
	return e.Data.Object.unreadable()
}
