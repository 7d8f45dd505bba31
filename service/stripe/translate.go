package stripe

import (
	"cmp"
	"crypto/rand"
	"errors"
	"net/http"
	"time"

	json "github.com/go-json-experiment/json/v1"

	stripego "github.com/stripe/stripe-go/v79"

	"kasse/service/payment"
)

// intent is what we read of a PaymentIntent, in any API version.
//
// Source: https://docs.stripe.com/api/payment_intents/object
type intent struct {
	ID               string                       `json:"id"`
	Object           string                       `json:"object"`
	Amount           int64                        `json:"amount"`
	AmountCapturable int64                        `json:"amount_capturable"`
	AmountReceived   int64                        `json:"amount_received"`
	CaptureMethod    string                       `json:"capture_method"`
	Charges          *struct{ Data []expandable } `json:"charges"` // until 2022-11-15, newest first
	ClientSecret     payment.Secret               `json:"client_secret"`
	Created          int64                        `json:"created"`
	Currency         string                       `json:"currency"`
	Customer         expandable                   `json:"customer"`
	LastPaymentError *lastError                   `json:"last_payment_error"`
	LatestCharge     latestCharge                 `json:"latest_charge"` // since 2022-11-15
	Livemode         bool                         `json:"livemode"`
	Metadata         map[string]string            `json:"metadata"`
	NextAction       json.RawMessage              `json:"next_action"`
	Review           json.RawMessage              `json:"review"`
	SetupFutureUsage string                       `json:"setup_future_usage"`
	Status           string                       `json:"status"`
}

type lastError struct {
	Charge      string `json:"charge"`
	Code        string `json:"code"`
	DeclineCode string `json:"decline_code"`
}

// expandable is an object that Stripe gives as its id or, if asked, whole. What it holds beside the id is of a charge.
type expandable struct {
	ID                   string          `json:"id"`
	Created              int64           `json:"created"`
	Disputed             bool            `json:"disputed"`
	Refunds              refunds         `json:"refunds"`
	PaymentMethodDetails json.RawMessage `json:"payment_method_details"`
	ReceiptURL           json.RawMessage `json:"receipt_url"`
}

// captureBefore is the end of a card's authorization, in Unix seconds; zero where there is none.
func (e *expandable) captureBefore() int64 {
	return numberOf(membersOf(membersOf(e.PaymentMethodDetails)["card"])["capture_before"])
}

// UnmarshalJSON takes either form, and null as no object.
func (e *expandable) UnmarshalJSON(text []byte) error {
	if len(text) > 0 && text[0] == '"' {
		return json.Unmarshal(text, &e.ID)
	}
	type whole expandable
	return json.Unmarshal(text, (*whole)(e))
}

// latestCharge distinguishes null, which says that there is no charge, from a member that the API version does not
// have.
type latestCharge struct {
	expandable
	present bool
}

// UnmarshalJSON is called for null too, since the type is no pointer.
func (c *latestCharge) UnmarshalJSON(text []byte) error {
	c.present = true
	return c.expandable.UnmarshalJSON(text)
}

// unreadable says why a PaymentIntent makes no sense to us; empty where it does.
func (p *intent) unreadable() error {
	switch {
	case p.Object != "payment_intent":
		return errors.New("the object is not a payment_intent")
	case !payment.ID(p.ID).Valid():
		return errors.New("the PaymentIntent has no valid id")
	case !p.status().Known():
		return errors.New("the PaymentIntent has an unknown status")
	}
	return nil
}

// formerStatuses are the names that two statuses had before API 2019-02-11.
//
// Source: https://docs.stripe.com/changelog
var formerStatuses = map[string]payment.Status{
	"requires_source": payment.RequiresPaymentMethod, "requires_source_action": payment.RequiresAction,
}

// status is the PaymentIntent's status under today's name.
func (p *intent) status() payment.Status {
	return cmp.Or(formerStatuses[p.Status], payment.Status(p.Status))
}

func (p *intent) tell(n *payment.StripeEvent) {
	seen := p.translate()
	n.Intent = &seen
}

func (p *intent) translate() payment.Intent {
	return payment.Intent{
		ID: payment.ID(p.ID), Created: p.Created, Livemode: p.Livemode, ClientSecret: p.ClientSecret,
		Snapshot: payment.Snapshot{
			Status: p.status(), Amount: p.Amount, AmountCapturable: p.AmountCapturable,
			AmountReceived: p.AmountReceived,
			Currency:       p.Currency, Customer: payment.CustomerID(p.Customer.ID),
			CaptureMethod: payment.CaptureMethod(
				p.CaptureMethod,
			),
			SetupFutureUsage: p.SetupFutureUsage, Charge: p.charge(), Failure: p.LastPaymentError.translate(),
			Metadata: p.Metadata, Action: p.action(),
			Review: payment.ReviewID(named(p.Review)),
		},
	}
}

// charge is the latest charge. A version without the member had the list of charges instead; without either it is
// unknown.
func (p *intent) charge() payment.Charge {
	switch {
	case p.LatestCharge.present:
		return payment.Charge{ID: p.LatestCharge.ID}
	case p.Charges != nil && len(p.Charges.Data) > 0:
		return payment.Charge{ID: p.Charges.Data[0].ID}
	case p.Charges != nil:
		return payment.Charge{}
	}
	return payment.Charge{Unknown: true}
}

// action is the customer's next step. Its end has one of two names, in the member that is named after the type.
//
// Source: https://docs.stripe.com/api/payment_intents/object#payment_intent_object-next_action
func (p *intent) action() payment.Action {
	if len(p.NextAction) == 0 || p.NextAction[0] != '{' {
		return payment.Action{}
	}
	of := membersOf(p.NextAction)
	kind := textOf(of["type"])
	details := membersOf(of[kind])
	return payment.Action{
		Type: kind, ExpiresAt: cmp.Or(numberOf(details["expires_at"]), numberOf(details["expires_after"])),
	}
}

func (e *lastError) translate() *payment.Failure {
	if e == nil {
		return nil
	}
	return &payment.Failure{Code: e.Code, DeclineCode: e.DeclineCode, Charge: e.Charge}
}

// answer is a PaymentIntent with the HTTP answer that it came in.
type answer struct {
	stripego.APIResource
	intent
}

// translate dates the answer. A replay, and the answer to a call that was sent more than once, may be older than that.
func (a *answer) translate(repeated bool, now func() time.Time) payment.Answer {
	at := date(a.LastResponse.Header, now)
	return payment.Answer{
		Intent: a.intent.translate(), RequestID: requestID(a.LastResponse.Header), Date: at,
		Stale:         repeated || replayed(a.LastResponse.Header),
		CaptureBefore: a.LatestCharge.captureBefore(), Charged: a.charged(), Details: a.details(at),
	}
}

// charged is when the charge that received money was made, in Unix seconds; zero where there is none, or it is not
// expanded.
func (p *intent) charged() int64 {
	if p.AmountReceived == 0 {
		return 0
	}
	return p.LatestCharge.Created
}

// read is translate for an answer that may be none of Stripe's: a proxy on the way can say 200 too.
func (a *answer) read(repeated bool, now func() time.Time) (payment.Answer, error) {
	if err := a.unreadable(); err != nil {
		return payment.Answer{}, unreadableAnswer(err)
	}
	return a.translate(repeated, now), nil
}

// date is when Stripe answered, in Unix seconds by its clock.
func date(h http.Header, now func() time.Time) int64 {
	at, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		at = now()
	}
	return at.Unix()
}

// requestID identifies an answer; a proxy may have lost Stripe's name for it.
func requestID(h http.Header) string { return cmp.Or(h.Get("Request-Id"), rand.Text()) }

func replayed(h http.Header) bool { return h.Get("Idempotent-Replayed") == "true" }

// session is what we read of a CustomerSession.
//
// Source: https://docs.stripe.com/api/customer_sessions/object
type session struct {
	stripego.APIResource
	ClientSecret payment.Secret `json:"client_secret"`
	ExpiresAt    int64          `json:"expires_at"`
}
