package service

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"
)

// changer is what a change of mind asks of Stripe. Its answers are reads; a refusal shows the PaymentIntent as it is in
// the error's Intent.
type changer interface {
	// UpdateAmount sets the amount, in minor units, and notes the age of the terms, in Unix milliseconds: an order that is
	// rebuilt from Stripe must not take an older price for younger.
	UpdateAmount(ctx context.Context, id PaymentID, amount, rev int64) (Answer, error)
	// CancelPayment cancels for a reason of Stripe's, or for none.
	CancelPayment(ctx context.Context, id PaymentID, reason string) (Answer, error)
	// NoteClosed writes into a PaymentIntent's metadata that its order was closed, and why.
	NoteClosed(ctx context.Context, id PaymentID, why Closure) error
}

// adapt brings an open payment to the order's terms: by its amount, in requires_payment_method; otherwise it is cancelled,
// and the next attempt opens only after Stripe's word. Then the order is looked at again.
func (s *Service) adapt(ctx context.Context, id OrderID, p Payment) error {
	o, now, err := s.orders.LoadOrder(ctx, id)
	if err != nil {
		return err
	}
	attempt := o.last()
	if o.Lease.held(now) || attempt == nil || attempt.Payment != p.ID {
		return errBusy
	}
	shown := p.Record.Show().Snapshot
	if shown.Status != RequiresPaymentMethod || !attempt.fitsButForAmount(o.Terms, shown) {
		return s.withdraw(ctx, o, p, now)
	}
	return s.underLease(ctx, o, now, func(leased context.Context) error {
		answer, err := s.stripe.UpdateAmount(leased, p.ID, o.Terms.Amount, o.Rev)
		return s.learnFrom(ctx, answer, err, p.Record.Seen())
	}, func(*Order) {})
}

// withdraw cancels the order's open payment at Stripe, under the order's lease.
func (s *Service) withdraw(ctx context.Context, o Order, p Payment, now time.Time) error {
	return s.underLease(ctx, o, now, func(leased context.Context) error {
		answer, err := s.stripe.CancelPayment(leased, p.ID, "")
		return s.learnFrom(ctx, answer, err, p.Record.Seen())
	}, func(*Order) {})
}

// learnFrom merges the answer to a change, also the PaymentIntent that a refusal shows: the customer may have been
// faster. Either way the order has to be looked at again.
func (s *Service) learnFrom(ctx context.Context, a Answer, err error, covers []string) error {
	if shown := shownIn(err); shown != nil {
		a, err = *shown, nil
	}
	if err != nil {
		return err
	}
	if _, err := s.learn(ctx, a, covers, causeAPI); err != nil {
		return err
	}
	return errAgain
}

// shownIn returns the PaymentIntent that a refusal of Stripe showed, nil where there is none.
func shownIn(err error) *Answer {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Intent
	}
	return nil
}

// subject is a payment that somebody wants to change, with its order.
type subject struct {
	payment Payment
	view    View
	order   Order
	now     time.Time // by Redis's clock
}

// loadSubject loads what a change needs; errBusy while another is changing the order.
func (s *Service) loadSubject(ctx context.Context, id PaymentID) (subject, error) {
	p, _, err := s.payments.LoadPayment(ctx, id)
	if err != nil {
		return subject{}, err
	}
	view, err := p.stored()
	if err != nil {
		return subject{}, err
	}
	o, now, err := s.orders.LoadOrder(ctx, p.Standing.Order)
	if err == nil && o.Lease.held(now) {
		err = errBusy
	}
	return subject{payment: p, view: view, order: o, now: now}, err
}

func (t subject) invalidState(detail string) *Error {
	return &Error{Code: CodeInvalidState, Detail: detail, Payment: t.payment.View}
}

// ChangeAmount sets the amount of an order and of its payment, in minor units, if the caller has seen the payment's
// latest version and the customer may still choose how to pay. Stripe would set it in other states too, where it must
// not be, and is asked for the state first.
func (s *Service) ChangeAmount(ctx context.Context, id PaymentID, version, amount int64) (StoredView, error) {
	if amount < 1 || amount > MaxAmount {
		return StoredView{}, amountOutOfRange()
	}
	p, err := s.payment(ctx, id)
	if err != nil {
		return StoredView{}, err
	}
	return insist(ctx, s, p.Standing.Order, func(ctx context.Context) (StoredView, error) {
		return s.tryChangeAmount(ctx, id, version, amount)
	})
}

func (s *Service) tryChangeAmount(ctx context.Context, id PaymentID, version, amount int64) (StoredView, error) {
	t, err := s.loadSubject(ctx, id)
	if err = cmp.Or(err, t.is(version), t.waits()); err != nil {
		return StoredView{}, err
	}
	if err := s.Read(ctx, id); err != nil {
		return StoredView{}, err
	}
	t, err = s.loadSubject(ctx, id)
	if err = cmp.Or(err, t.waits(), t.is(version)); err != nil {
		return StoredView{}, err
	}
	err = s.setAmount(ctx, t, amount)
	if errors.Is(err, errAgain) {
		return s.views.LoadView(ctx, id)
	}
	return StoredView{}, err
}

// is refuses whoever has not seen the latest version.
func (t subject) is(version int64) error {
	if t.view.Version == version {
		return nil
	}
	return &Error{Code: CodeVersionMismatch, Detail: "The payment has changed since this version.", Payment: t.payment.View}
}

// waits refuses unless the payment is the order's, and the customer may still choose how to pay.
func (t subject) waits() error {
	if !t.order.frozen() && t.order.Current() == t.payment.ID && t.view.Status == RequiresPaymentMethod {
		return nil
	}
	return t.invalidState("The amount can be changed only while the order's payment waits for a payment method.")
}

// setAmount proposes the amount to the order, asks Stripe to set it, and makes it the order's unless Stripe says no: also
// where Stripe's answer was lost, since the backend has said so.
func (s *Service) setAmount(ctx context.Context, t subject, amount int64) error {
	o, declined := t.order, false
	o.Proposed = Proposal{Amount: amount, Rev: max(o.Rev+1, t.now.UnixMilli())}
	err := s.underLease(ctx, o, t.now, func(leased context.Context) error {
		answer, err := s.stripe.UpdateAmount(leased, t.payment.ID, amount, o.Proposed.Rev)
		declined = refused(err)
		return s.learnFrom(ctx, answer, err, t.payment.Record.Seen())
	}, func(latest *Order) {
		if declined {
			latest.Proposed = Proposal{}
		}
		latest.agree()
	})
	if !declined || !errors.Is(err, errAgain) {
		return err
	}
	if t.payment, _, err = s.payments.LoadPayment(ctx, t.payment.ID); err != nil {
		return err
	}
	return t.invalidState("The customer was faster: the payment no longer waits for a payment method.")
}

// cancelReasons are the reasons that Stripe takes.
//
// Source: https://docs.stripe.com/api/payment_intents/cancel
var cancelReasons = []string{"", "duplicate", "fraudulent", "requested_by_customer", "abandoned"}

// Cancel cancels the order's payment for a reason of Stripe's, or for none, and closes the order.
func (s *Service) Cancel(ctx context.Context, id PaymentID, reason string) (StoredView, error) {
	if !slices.Contains(cancelReasons, reason) {
		return StoredView{}, invalid(problems{{Pointer: "/reason", Detail: "must be duplicate, fraudulent, requested_by_customer or abandoned"}})
	}
	p, err := s.payment(ctx, id)
	if err != nil {
		return StoredView{}, err
	}
	return insist(ctx, s, p.Standing.Order, func(ctx context.Context) (StoredView, error) {
		return s.tryCancel(ctx, id, reason)
	})
}

func (s *Service) tryCancel(ctx context.Context, id PaymentID, reason string) (StoredView, error) {
	t, err := s.loadSubject(ctx, id)
	switch {
	case err != nil:
		return StoredView{}, err
	case t.order.Current() != id:
		return StoredView{}, t.invalidState("The order stands for another payment; this one is cancelled by itself.")
	case t.view.State.won():
		return StoredView{}, t.invalidState("The payment has succeeded: refund it instead.")
	case t.view.State == InProgress:
		return StoredView{}, t.invalidState("The bank is processing the payment: it can no longer be cancelled, and its answer has to be awaited.")
	case t.view.State == CanceledState && t.order.Closed != "":
		if err := s.tell(ctx, id); err != nil {
			return StoredView{}, err
		}
		return s.views.LoadView(ctx, id)
	}
	o := t.order
	o.Closed = ClosedByCancel
	if t.view.State == CanceledState {
		return StoredView{}, s.save(ctx, o)
	}
	return StoredView{}, s.close(ctx, t, o, reason)
}

// close closes the order before its payment is cancelled: should the answer be lost, the worker cancels again. Where the
// payment has gone on instead, the order is as open as before.
func (s *Service) close(ctx context.Context, t subject, o Order, reason string) error {
	wentOn := false
	err := s.underLease(ctx, o, t.now, func(leased context.Context) error {
		if err := s.tell(ctx, t.payment.ID); err != nil {
			return err
		}
		answer, err := s.stripe.CancelPayment(leased, t.payment.ID, reason)
		shown := shownIn(err)
		wentOn = shown != nil && shown.Status != Canceled
		return s.learnFrom(ctx, answer, err, t.payment.Record.Seen())
	}, func(latest *Order) {
		if wentOn {
			latest.Closed = t.order.Closed
		}
	})
	if !wentOn {
		return err
	}
	if told := s.tell(ctx, t.payment.ID); told != nil {
		return told
	}
	return err
}
