package stripe

import (
	"bytes"
	"cmp"
	"errors"

	"kasse/service/payment"
)

// intent holds the members of a PaymentIntent that Kasse uses, in any API version.
//
// Source: https://docs.stripe.com/api/payment_intents/object
type intent struct {
	ID               string
	Object           string
	Amount           int64
	AmountCapturable int64
	AmountReceived   int64
	CaptureMethod    string
	Charges          *charges // until 2022-11-15
	ClientSecret     payment.Secret
	Created          int64
	Currency         string
	Customer         expandable
	LastPaymentError *lastError
	LatestCharge     latestCharge // since 2022-11-15
	Livemode         bool
	Metadata         map[string]string
	NextAction       []byte // JSON, a slice of the scanned body
	Review           []byte // JSON
	SetupFutureUsage string
	Status           string
}

// UnmarshalJSON decodes a response.
func (p *intent) UnmarshalJSON(text []byte) error { return unmarshal(bytes.Clone(text), p) }

func (p *intent) read(all members) (err error) {
	for _, m := range all {
		err = cmp.Or(err, p.readMember(m))
	}
	return err
}

func (p *intent) readMember(m member) error {
	switch string(m.name) {
	case "id":
		return m.text(&p.ID)
	case "object":
		return m.text(&p.Object)
	case "amount":
		return m.number(&p.Amount)
	case "amount_capturable":
		return m.number(&p.AmountCapturable)
	case "amount_received":
		return m.number(&p.AmountReceived)
	case "capture_method":
		return m.text(&p.CaptureMethod)
	case "charges":
		if isNull(m.value) {
			return nil
		}
		p.Charges = new(charges)
		return m.object(p.Charges)
	case "client_secret":
		return m.text((*string)(&p.ClientSecret))
	case "created":
		return m.number(&p.Created)
	case "currency":
		return m.text(&p.Currency)
	case "customer":
		return m.expandable(&p.Customer)
	case "last_payment_error":
		if isNull(m.value) {
			return nil
		}
		p.LastPaymentError = new(lastError)
		return m.object(p.LastPaymentError)
	case "latest_charge":
		p.LatestCharge.present = true
		return m.expandable(&p.LatestCharge.expandable)
	case "livemode":
		return m.yes(&p.Livemode)
	case "metadata":
		return m.texts(&p.Metadata)
	case "next_action":
		p.NextAction = m.value
	case "review":
		p.Review = m.value
	case "setup_future_usage":
		return m.text(&p.SetupFutureUsage)
	case "status":
		return m.text(&p.Status)
	}
	return nil
}

// charges is a list of Charges, newest first.
type charges struct{ Data []expandable }

func (c *charges) read(all members) error {
	return member{value: all.get("data")}.each(func(item member) error {
		c.Data = append(c.Data, expandable{})
		return item.expandable(&c.Data[len(c.Data)-1])
	})
}

type lastError struct {
	Charge      string
	Code        string
	DeclineCode string
}

func (e *lastError) read(all members) (err error) {
	for _, m := range all {
		switch string(m.name) {
		case "charge":
			err = cmp.Or(err, m.text(&e.Charge))
		case "code":
			err = cmp.Or(err, m.text(&e.Code))
		case "decline_code":
			err = cmp.Or(err, m.text(&e.DeclineCode))
		}
	}
	return err
}

// expandable is an id, or the whole object if it was expanded. The other members are those of a charge.
type expandable struct {
	ID                   string
	Created              int64
	Disputed             bool
	Refunds              refunds
	PaymentMethodDetails []byte // JSON
	ReceiptURL           []byte // JSON
}

// expandable reads an id or an object; null means none.
func (m member) expandable(into *expandable) error {
	if len(m.value) > 0 && m.value[0] == '"' {
		return m.text(&into.ID)
	}
	return m.object(into)
}

func (e *expandable) read(all members) (err error) {
	for _, m := range all {
		switch string(m.name) {
		case "id":
			err = cmp.Or(err, m.text(&e.ID))
		case "created":
			err = cmp.Or(err, m.number(&e.Created))
		case "disputed":
			err = cmp.Or(err, m.yes(&e.Disputed))
		case "refunds":
			err = cmp.Or(err, m.object(&e.Refunds))
		case "payment_method_details":
			e.PaymentMethodDetails = m.value
		case "receipt_url":
			e.ReceiptURL = m.value
		}
	}
	return err
}

// captureBefore is the end of a card's authorization, in Unix seconds; zero if there is none.
func (e *expandable) captureBefore() int64 {
	return numberOf(membersOf(membersOf(e.PaymentMethodDetails).get("card")).get("capture_before"))
}

// latestCharge distinguishes null, meaning no charge, from a member that the API version does not have.
type latestCharge struct {
	expandable
	present bool
}

// unreadable returns the reason if a PaymentIntent is invalid; nil otherwise.
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

// formerStatuses maps two status names before API version 2019-02-11 to today's.
//
// Source: https://docs.stripe.com/changelog
var formerStatuses = map[string]payment.Status{
	"requires_source": payment.RequiresPaymentMethod, "requires_source_action": payment.RequiresAction,
}

// status returns the PaymentIntent's status with today's name.
func (p *intent) status() payment.Status {
	return cmp.Or(formerStatuses[p.Status], payment.Status(p.Status))
}

func (p *intent) addTo(n *payment.StripeEvent) {
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

// charge is the latest charge. Older API versions have a list of charges instead; without both the charge is
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

// action is the customer's next step. Its expiry has one of two names, in the member that is named after the
// type.
//
// Source: https://docs.stripe.com/api/payment_intents/object#payment_intent_object-next_action
func (p *intent) action() payment.Action {
	if len(p.NextAction) == 0 || p.NextAction[0] != '{' {
		return payment.Action{}
	}
	of := membersOf(p.NextAction)
	kind := textOf(of.get("type"))
	details := membersOf(of.get(kind))
	return payment.Action{
		Type: kind, ExpiresAt: cmp.Or(numberOf(details.get("expires_at")), numberOf(details.get("expires_after"))),
	}
}

func (e *lastError) translate() *payment.Failure {
	if e == nil {
		return nil
	}
	return &payment.Failure{Code: e.Code, DeclineCode: e.DeclineCode, Charge: e.Charge}
}

// charged is the time of the successful charge, in Unix seconds; zero if there is none, or if it is not
// expanded.
func (p *intent) charged() int64 {
	if p.AmountReceived == 0 {
		return 0
	}
	return p.LatestCharge.Created
}
