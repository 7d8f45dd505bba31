package service

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// openNext reserves the next attempt of the order, with the form that will be sent, before Stripe is asked for it.
func (s *Service) openNext(ctx context.Context, o Order, r CreateRequest, now time.Time) (Opened, error) {
	if o.Closed != "" {
		o.reopen()
	}
	form := s.stripe.PaymentForm(r, o.Terms, len(o.Attempts)+1, o.Rev)
	o.reserve(Attempt{Session: &r.Session, Form: form}, now)
	return s.open(ctx, o, *o.last(), now)
}

// send asks again for a reserved attempt of which Stripe's answer is not known, then the order is looked at again. Where
// Stripe may have forgotten the key, or replays a failure, only a list of what was made can tell.
func (s *Service) send(ctx context.Context, o Order, a Attempt, now time.Time) error {
	if a.unclear(now) {
		return s.search(ctx, o, a, now)
	}
	_, err := s.open(ctx, o, a, now)
	if err == nil || (refused(err) && a.Terms != o.Terms) { // nobody asks any more for what was refused
		return errAgain
	}
	return err
}

// open asks Stripe for the payment of a reserved attempt, under the order's lease, and stores it.
func (s *Service) open(ctx context.Context, o Order, a Attempt, now time.Time) (Opened, error) {
	o.Attempts[a.Number-1].Tried = now.UnixMilli()
	var m made
	moved := false // the order has heard of other terms since
	err := s.underLease(ctx, o, now, func(leased context.Context) error {
		if err := s.tellAll(ctx, o, ""); err != nil {
			return err
		}
		m = s.sideBySide(leased, a.Terms.Customer, a.Session, func() (Answer, error) {
			return s.stripe.OpenPayment(leased, fmt.Sprintf("kasse:%s:%s:%d", s.Name, o.ID, a.Number), a.Form)
		})
		return m.payErr
	}, func(latest *Order) {
		latest.conclude(a.Number, m)
		moved = latest.Terms != o.Terms
	})
	if err != nil {
		return Opened{}, err
	}
	p, err := s.storeOpened(ctx, m.Answer)
	switch {
	case err != nil:
		return Opened{}, err
	case p.Standing.withdrawn() || m.Stale || moved:
		return Opened{}, errAgain
	}
	return m.opened(p, true)
}

// conclude notes Stripe's word on an attempt. An unknown outcome leaves it as it was reserved, to be sent again.
func (o *Order) conclude(number int, m made) {
	var e *Error
	switch {
	case m.payErr == nil && m.ID != "":
		o.answered(number, m.ID)
	case refused(m.payErr):
		o.refuse(number)
	case errors.As(m.payErr, &e) && e.Replayed:
		o.Attempts[number-1].Unclear = true
	}
}

// forgetAfter is how long after the last try an attempt that Stripe does not list is taken for never made.
const forgetAfter = time.Minute

// search looks for the payment of an attempt among those that Stripe has made since. What is found is adopted; what is
// not, some time after the last try, was not made, and the next attempt may be opened.
func (s *Service) search(ctx context.Context, o Order, a Attempt, now time.Time) error {
	var found *Answer
	err := s.underLease(ctx, o, now, func(leased context.Context) (err error) {
		found, err = s.stripe.FindPayment(leased, o.ID, a)
		return err
	}, func(o *Order) {
		switch {
		case found != nil:
			o.answered(a.Number, found.ID)
		case now.Sub(time.UnixMilli(a.Tried)) > forgetAfter:
			o.giveUp(a.Number)
		}
	})
	switch {
	case err != nil:
		return err
	case found != nil:
		_, err = s.storeOpened(ctx, *found)
	case now.Sub(time.UnixMilli(a.Tried)) <= forgetAfter:
		err = &Error{Code: CodeStripeUnavailable, Detail: "Stripe has not said yet whether the payment was made.", RetryAfter: forgetAfter}
	}
	if err != nil {
		return err
	}
	return errAgain
}

// tellAll tells all payments of an order but one what the order says of them now.
func (s *Service) tellAll(ctx context.Context, o Order, but PaymentID) error {
	for _, id := range o.Payments() {
		if id == but {
			continue
		}
		if err := s.tell(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// tell writes into a payment what its order says of it now. One that is not stored yet asks by itself, once it is.
func (s *Service) tell(ctx context.Context, id PaymentID) error {
	_, _, err := s.change(ctx, id, causeAPI, func(p *Payment) error { return s.place(ctx, p) })
	return err
}

// place asks the order what it says of a payment. A webhook may have stored it before the order knew it, and whoever
// changed the order may have died before telling it.
func (s *Service) place(ctx context.Context, p *Payment) error {
	if p.Record.Empty() {
		return nil
	}
	order, _, err := s.orders.LoadOrder(ctx, p.Standing.Order)
	if err != nil || order.Revision == 0 {
		return err
	}
	shown := p.Record.Show().Snapshot
	p.Standing.place(order.standing(p.ID, OriginOf(shown.Metadata), shown))
	return nil
}

// storeOpened stores a PaymentIntent as it was made. One that Stripe only remembers may have moved on: it is read.
func (s *Service) storeOpened(ctx context.Context, a Answer) (Payment, error) {
	p, _, err := s.change(ctx, a.ID, causeAPI, func(p *Payment) error {
		if err := s.introduce(ctx, p, a.Intent); err != nil {
			return err
		}
		p.Record = Merge(p.Record, Opening{Sighting{At: a.Created, Snapshot: a.Snapshot}})
		if a.Stale {
			p.Record = Merge(p.Record, Doubt(a.Date))
		} else {
			p.Record.Unlisted = false // it was made just now, and nobody could pay it before this answer
		}
		return s.place(ctx, p)
	})
	return p, err
}
