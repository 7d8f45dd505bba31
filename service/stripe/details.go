package stripe

import (
	"cmp"
	"encoding/json"
	"errors"

	"kasse/service/payment"
)

// chargeSeen is a charge of which Kasse reads with what it was paid, and its receipt. Members that do not matter to
// money may have any type.
//
// Source: https://docs.stripe.com/api/charges/object
type chargeSeen struct {
	ID                   string          `json:"id"`
	Object               string          `json:"object"`
	PaymentIntent        expandable      `json:"payment_intent"`
	PaymentMethodDetails json.RawMessage `json:"payment_method_details"`
	ReceiptURL           json.RawMessage `json:"receipt_url"`
}

func (c *chargeSeen) unreadable() error {
	switch {
	case c.Object != "charge":
		return errors.New("the object is not a charge")
	case c.ID == "":
		return errors.New("the charge has no id")
	}
	return about(c.PaymentIntent)
}

func (c *chargeSeen) tell(n *payment.StripeEvent) {
	n.Payment, n.Minor = payment.ID(c.PaymentIntent.ID), true
	n.Facts = []payment.RecordFact{chargeFact(c.ID, n.Created, c.PaymentMethodDetails, c.ReceiptURL)}
}

// chargeFact is a charge as it was shown at a moment, in Unix seconds. Brand and last4 are in the member that is
// named after the type.
func chargeFact(id string, at int64, details, receipt []byte) payment.ChargeSeen {
	of := membersOf(details)
	kind := textOf(of["type"])
	method := membersOf(of[kind])
	return payment.ChargeSeen{ID: id, ChargeDetails: payment.ChargeDetails{
		At: at, Type: kind, Brand: textOf(method["brand"]), Last4: textOf(method["last4"]), ReceiptURL: textOf(receipt),
	}}
}

// review is what Kasse reads of a Review of Radar. Its words are taken as they are; service/payment decides what an
// unknown one means.
//
// Source: https://docs.stripe.com/api/radar/reviews/object
type review struct {
	ID            string     `json:"id"`
	Object        string     `json:"object"`
	ClosedReason  string     `json:"closed_reason"`
	Created       int64      `json:"created"`
	Open          *bool      `json:"open"` // nil: not said, and so not ended
	OpenedReason  string     `json:"opened_reason"`
	PaymentIntent expandable `json:"payment_intent"`
}

func (r *review) unreadable() error {
	switch {
	case r.Object != "review":
		return errors.New("the object is not a review")
	case r.ID == "":
		return errors.New("the review has no id")
	}
	return about(r.PaymentIntent)
}

func (r *review) tell(n *payment.StripeEvent) {
	n.Payment, n.Facts = payment.ID(r.PaymentIntent.ID), []payment.RecordFact{r.translate()}
}

func (r *review) translate() payment.ReviewSeen {
	return payment.ReviewSeen{ID: payment.ReviewID(r.ID), Review: payment.Review{
		Reason: r.OpenedReason, OpenedAt: r.Created, Closed: r.Open != nil && !*r.Open, ClosedReason: r.ClosedReason,
	}}
}

// named returns the id of an expandable member, whose text is an id, an object or null.
func named(member []byte) string {
	return cmp.Or(textOf(member), textOf(membersOf(member)["id"]))
}

// details are the charge and the review that an answer of a moment, in Unix seconds, shows in whole. A review that
// cannot be read is open: it is there, and nothing says that it has ended.
func (p *intent) details(at int64) (facts []payment.RecordFact) {
	if c := p.LatestCharge; c.ID != "" && len(c.PaymentMethodDetails) > 0 {
		seen := chargeFact(c.ID, at, c.PaymentMethodDetails, c.ReceiptURL)
		seen.Answered = true
		facts = append(facts, seen)
	}
	if id := named(p.Review); id != "" && len(membersOf(p.Review)) > 0 {
		r := review{Created: at}
		if err := json.Unmarshal(p.Review, &r); err != nil {
			r = review{ID: id, Created: at}
		}
		facts = append(facts, r.translate())
	}
	return facts
}
