package stripe

import (
	"bytes"
	"cmp"
	"errors"

	"kasse/service/payment"
)

// dispute holds the members of a Dispute that Kasse uses. Its status is kept as it is; service/payment
// decides what an unknown one means.
//
// Source: https://docs.stripe.com/api/disputes/object
type dispute struct {
	ID            string
	Object        string
	Amount        int64
	Created       int64
	PaymentIntent expandable
	Status        string
}

// UnmarshalJSON decodes a response.
func (d *dispute) UnmarshalJSON(text []byte) error { return unmarshal(bytes.Clone(text), d) }

func (d *dispute) read(all members) (err error) {
	for _, m := range all {
		switch string(m.name) {
		case "id":
			err = cmp.Or(err, m.text(&d.ID))
		case "object":
			err = cmp.Or(err, m.text(&d.Object))
		case "amount":
			err = cmp.Or(err, m.number(&d.Amount))
		case "created":
			err = cmp.Or(err, m.number(&d.Created))
		case "payment_intent":
			err = cmp.Or(err, m.expandable(&d.PaymentIntent))
		case "status":
			err = cmp.Or(err, m.text(&d.Status))
		}
	}
	return err
}

func (d *dispute) unreadable() error {
	switch {
	case d.Object != "dispute":
		return errors.New("the object is not a dispute")
	case d.ID == "":
		return errors.New("the dispute has no id")
	}
	return about(d.PaymentIntent)
}

func (d *dispute) addTo(n *payment.StripeEvent) {
	seen := d.translate()
	seen.At, seen.Event = n.Created, n.ID
	n.Payment, n.Facts = payment.ID(d.PaymentIntent.ID), []payment.RecordFact{seen}
}

func (d *dispute) translate() payment.DisputeSeen {
	return payment.DisputeSeen{
		ID:      payment.DisputeID(d.ID),
		Dispute: payment.Dispute{Status: d.Status, Amount: d.Amount, Created: d.Created},
	}
}

func (d *dispute) id() string { return d.ID }
