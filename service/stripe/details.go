package stripe

import (
	"cmp"
	"errors"

	"kasse/service/payment"
)

// chargeSeen holds a charge's payment method details and receipt. Members without influence on money may have
// any type.
//
// Source: https://docs.stripe.com/api/charges/object
type chargeSeen struct {
	ID                   string
	Object               string
	PaymentIntent        expandable
	PaymentMethodDetails []byte // JSON
	ReceiptURL           []byte // JSON
}

func (c *chargeSeen) read(all members) (err error) {
	for _, m := range all {
		switch string(m.name) {
		case "id":
			err = cmp.Or(err, m.text(&c.ID))
		case "object":
			err = cmp.Or(err, m.text(&c.Object))
		case "payment_intent":
			err = cmp.Or(err, m.expandable(&c.PaymentIntent))
		case "payment_method_details":
			c.PaymentMethodDetails = m.value
		case "receipt_url":
			c.ReceiptURL = m.value
		}
	}
	return err
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

func (c *chargeSeen) addTo(n *payment.StripeEvent) {
	n.Payment, n.Minor = payment.ID(c.PaymentIntent.ID), true
	n.Facts = []payment.RecordFact{chargeFact(c.ID, n.Created, c.PaymentMethodDetails, c.ReceiptURL)}
}

// chargeFact is a charge as shown at a time, in Unix seconds. Brand and last4 are in the member that is named
// after the type.
func chargeFact(id string, at int64, details, receipt []byte) payment.ChargeSeen {
	of := membersOf(details)
	kind := textOf(of.get("type"))
	method := membersOf(of.get(kind))
	return payment.ChargeSeen{ID: id, ChargeDetails: payment.ChargeDetails{
		At: at, Type: kind, Brand: textOf(method.get("brand")), Last4: textOf(method.get("last4")),
		ReceiptURL: textOf(receipt),
	}}
}

// review holds the members of a Radar Review that Kasse uses. Its reasons are kept as they are;
// service/payment decides what an unknown one means.
//
// Source: https://docs.stripe.com/api/radar/reviews/object
type review struct {
	ID            string
	Object        string
	ClosedReason  string
	Created       int64
	Open          *bool // nil: unknown, so not closed
	OpenedReason  string
	PaymentIntent expandable
}

func (r *review) read(all members) (err error) {
	for _, m := range all {
		switch string(m.name) {
		case "id":
			err = cmp.Or(err, m.text(&r.ID))
		case "object":
			err = cmp.Or(err, m.text(&r.Object))
		case "closed_reason":
			err = cmp.Or(err, m.text(&r.ClosedReason))
		case "created":
			err = cmp.Or(err, m.number(&r.Created))
		case "open":
			if !isNull(m.value) {
				r.Open = new(bool)
				err = cmp.Or(err, m.yes(r.Open))
			}
		case "opened_reason":
			err = cmp.Or(err, m.text(&r.OpenedReason))
		case "payment_intent":
			err = cmp.Or(err, m.expandable(&r.PaymentIntent))
		}
	}
	return err
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

func (r *review) addTo(n *payment.StripeEvent) {
	n.Payment, n.Facts = payment.ID(r.PaymentIntent.ID), []payment.RecordFact{r.translate()}
}

func (r *review) translate() payment.ReviewSeen {
	return payment.ReviewSeen{ID: payment.ReviewID(r.ID), Review: payment.Review{
		Reason: r.OpenedReason, OpenedAt: r.Created, Closed: r.Open != nil && !*r.Open, ClosedReason: r.ClosedReason,
	}}
}

// named returns the id of an expandable member, which is an id, an object or null.
func named(member []byte) string {
	return cmp.Or(textOf(member), textOf(membersOf(member).get("id")))
}

// details returns the expanded charge and review of a response, dated in Unix seconds. An unreadable review
// counts as open, since nothing shows that it is closed.
func (p *intent) details(at int64) (facts []payment.RecordFact) {
	if c := p.LatestCharge; c.ID != "" && len(c.PaymentMethodDetails) > 0 {
		seen := chargeFact(c.ID, at, c.PaymentMethodDetails, c.ReceiptURL)
		seen.Answered = true
		facts = append(facts, seen)
	}
	if of := membersOf(p.Review); len(of) > 0 && named(p.Review) != "" {
		id, r := named(p.Review), review{Created: at}
		if err := r.read(of); err != nil {
			r = review{ID: id, Created: at}
		}
		facts = append(facts, r.translate())
	}
	return facts
}
