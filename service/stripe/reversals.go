package stripe

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"

	stripego "github.com/stripe/stripe-go/v79"

	"kasse/service/payment"
)

// refund holds the members of a Refund that Kasse uses.
//
// Source: https://docs.stripe.com/api/refunds/object
type refund struct {
	ID            string
	Object        string
	Amount        int64
	Created       int64
	Metadata      map[string]string
	PaymentIntent expandable
	Reason        string
	Status        string
}

// UnmarshalJSON decodes a response.
func (r *refund) UnmarshalJSON(text []byte) error { return unmarshal(bytes.Clone(text), r) }

func (r *refund) read(all members) (err error) {
	for _, m := range all {
		switch string(m.name) {
		case "id":
			err = cmp.Or(err, m.text(&r.ID))
		case "object":
			err = cmp.Or(err, m.text(&r.Object))
		case "amount":
			err = cmp.Or(err, m.number(&r.Amount))
		case "created":
			err = cmp.Or(err, m.number(&r.Created))
		case "metadata":
			err = cmp.Or(err, m.texts(&r.Metadata))
		case "payment_intent":
			err = cmp.Or(err, m.expandable(&r.PaymentIntent))
		case "reason":
			err = cmp.Or(err, m.text(&r.Reason))
		case "status":
			err = cmp.Or(err, m.text(&r.Status))
		}
	}
	return err
}

func (r *refund) unreadable() error {
	switch {
	case r.Object != "refund":
		return errors.New("the object is not a refund")
	case r.ID == "":
		return errors.New("the refund has no id")
	}
	return about(r.PaymentIntent)
}

// about returns the reason if an object's PaymentIntent is invalid. An object without one is valid, but not
// for us.
func about(intent expandable) error {
	if intent.ID != "" && !payment.ID(intent.ID).Valid() {
		return errors.New("the PaymentIntent has no valid id")
	}
	return nil
}

func (r *refund) addTo(n *payment.StripeEvent) {
	n.Payment, n.Facts = payment.ID(r.PaymentIntent.ID), []payment.RecordFact{r.translate()}
}

func (r *refund) translate() payment.RefundSeen {
	return payment.RefundSeen{ID: payment.RefundID(r.ID), Refund: payment.Refund{
		Status: payment.RefundStatus(
			r.Status,
		), Amount: r.Amount, Reason: r.Reason, Created: r.Created, Call: r.Metadata[refundCall],
	}}
}

// refunds is a list of Refunds, newest first.
type refunds struct {
	Data    []refund
	HasMore bool
}

func (r *refunds) read(all members) error {
	more := member{value: all.get("has_more")}.yes(&r.HasMore)
	return cmp.Or(member{value: all.get("data")}.each(func(item member) error {
		r.Data = append(r.Data, refund{})
		return item.object(&r.Data[len(r.Data)-1])
	}), more)
}

// charge holds the members of a Charge that Kasse uses. It contains its refunds only in old API versions.
//
// Source: https://docs.stripe.com/api/charges/object
type charge struct {
	Object         string
	AmountRefunded int64
	Captured       bool
	PaymentIntent  expandable
	Refunds        refunds
}

func (c *charge) read(all members) (err error) {
	for _, m := range all {
		switch string(m.name) {
		case "object":
			err = cmp.Or(err, m.text(&c.Object))
		case "amount_refunded":
			err = cmp.Or(err, m.number(&c.AmountRefunded))
		case "captured":
			err = cmp.Or(err, m.yes(&c.Captured))
		case "payment_intent":
			err = cmp.Or(err, m.expandable(&c.PaymentIntent))
		case "refunds":
			err = cmp.Or(err, m.object(&c.Refunds))
		}
	}
	return err
}

func (c *charge) unreadable() error {
	if c.Object != "charge" {
		return errors.New("the object is not a charge")
	}
	return about(c.PaymentIntent)
}

// addTo leaves out the release of a charge that was never captured, since no money is returned.
func (c *charge) addTo(n *payment.StripeEvent) {
	if !c.Captured {
		return
	}
	n.Payment = payment.ID(c.PaymentIntent.ID)
	n.Facts = []payment.RecordFact{payment.RefundedTotal{At: n.Created, Event: n.ID, Amount: c.AmountRefunded}}
	for _, r := range c.Refunds.Data {
		if r.unreadable() == nil {
			n.Facts = append(n.Facts, r.translate())
		}
	}
}

// reversals lists the refunds and disputes of a PaymentIntent. The refunds come with the charge, unless there
// are too many.
func (g *Gateway) reversals(ctx context.Context, p *intent) (*payment.Reversals, error) {
	list := &payment.Reversals{}
	found := p.LatestCharge.Refunds.Data
	if p.LatestCharge.Refunds.HasMore {
		var err error
		if found, err = every[refund](ctx, g, "/v1/refunds", p.ID); err != nil {
			return nil, err
		}
	}
	for _, r := range found {
		if err := r.unreadable(); err != nil { // without the row the list would count as complete
			return nil, unreadableAnswer(err)
		}
		list.Refunds = append(list.Refunds, r.translate())
	}
	if !p.LatestCharge.Disputed {
		return list, nil
	}
	disputes, err := every[dispute](ctx, g, "/v1/disputes", p.ID)
	if err != nil {
		return nil, err
	}
	for _, d := range disputes {
		if err := d.unreadable(); err != nil {
			return nil, unreadableAnswer(err)
		}
		list.Disputes = append(list.Disputes, d.translate())
	}
	return list, nil
}

// page is a page of a list at Stripe, newest first.
//
// Source: https://docs.stripe.com/api/pagination
type page[T any] struct {
	stripego.APIResource
	Data    []T  `json:"data"`
	HasMore bool `json:"has_more"`
}

// every lists all objects of a kind that belong to a PaymentIntent.
func every[T any, P interface {
	*T
	id() string
}](ctx context.Context, g *Gateway, path, intent string) ([]T, error) {
	query := url.Values{"payment_intent": {intent}, "limit": {"100"}}
	var all []T
	for {
		var next page[T]
		if _, err := g.call(ctx, http.MethodGet, path, "", query, &next); err != nil {
			return nil, err
		}
		all = append(all, next.Data...)
		if !next.HasMore || len(next.Data) == 0 {
			return all, nil
		}
		query.Set("starting_after", P(&next.Data[len(next.Data)-1]).id())
	}
}

func (r *refund) id() string { return r.ID }

// refundCall is the metadata key of a refund with the call that made it.
const refundCall = "kasse_refund"

// RefundForm renders the request of a refund; amount is in minor units.
func (g *Gateway) RefundForm(id payment.ID, call string, amount int64, reason string) string {
	f := url.Values{
		"payment_intent": {string(id)}, "amount": {strconv.FormatInt(amount, 10)},
		"metadata[" + refundCall + "]": {call},
	}
	setUnlessEmpty(f, "reason", reason)
	return f.Encode()
}

// OpenRefund makes a Refund, or returns the one that the same key made.
func (g *Gateway) OpenRefund(ctx context.Context, idempotencyKey, body string) (payment.RefundSeen, error) {
	values, err := url.ParseQuery(body)
	if err != nil {
		return payment.RefundSeen{}, err
	}
	var made struct {
		stripego.APIResource
		refund
	}
	if _, err := g.call(ctx, http.MethodPost, "/v1/refunds", idempotencyKey, values, &made); err != nil {
		return payment.RefundSeen{}, err
	}
	if err := made.unreadable(); err != nil {
		return payment.RefundSeen{}, &payment.Error{
			Code:   payment.CodeStripeError,
			Detail: "Stripe's response could not be read. Repeat the same request.", Cause: err,
		}
	}
	return made.translate(), nil
}
