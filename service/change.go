package service

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"kasse/service/payment"
)

// changer changes an open payment at Stripe. Its answers count as reads. A refusal carries the current
// PaymentIntent in the error's Intent.
type changer interface {
	// UpdateAmount sets the amount, in minor units, and the rev of the terms, in Unix milliseconds. An order
	// restored from Stripe needs the rev, so that an older price is not taken for newer.
	UpdateAmount(ctx context.Context, id payment.ID, amount, rev int64) (payment.Answer, error)
	// CancelPayment cancels; reason is one of Stripe's or empty.
	CancelPayment(ctx context.Context, id payment.ID, reason string) (payment.Answer, error)
	// RecordClosed writes into a PaymentIntent's metadata that its order was closed, with the reason.
	RecordClosed(ctx context.Context, id payment.ID, why payment.Closure) error
}

// invalidState is the error for a change that the payment's state does not allow.
func (t *target) invalidState(detail string) *payment.Error {
	return &payment.Error{Code: payment.CodeInvalidState, Detail: detail, Payment: t.order.Render(t.id)}
}

// state is the target payment's state.
func (t *target) state() payment.State {
	if a := t.order.Attempt(t.id); a != nil {
		return a.State
	}
	return ""
}

// stored is the target payment's view.
func (t *target) stored() payment.StoredView {
	v := payment.StoredView{View: t.order.Render(t.id), Order: t.order.ID}
	if a := t.order.Attempt(t.id); a != nil {
		v.Version = a.Version
	}
	return v
}

// changePayment retries a change of one payment until it is done. try gets the current order, without another
// process's lease.
func changePayment[T any](
	ctx context.Context, s *Service, id payment.ID, try func(context.Context, *target, *lease) (T, next, error),
) (T, error) {
	return changePaymentUnleased(ctx, s, id, func(ctx context.Context, t *target, l *lease) (T, next, error) {
		if t.order.Lease.HeldByOther(l.owner, t.now) {
			var none T
			return none, busy, nil
		}
		return try(ctx, t, l)
	})
}

// changePaymentUnleased is changePayment for a try that checks the lease itself.
func changePaymentUnleased[T any](
	ctx context.Context, s *Service, id payment.ID, try func(context.Context, *target, *lease) (T, next, error),
) (T, error) {
	var none T
	t, err := s.payment(ctx, id)
	if err != nil {
		return none, err
	}
	l := newLease()
	result, err := retryOrderChange(ctx, s, t.ref.Order, func(ctx context.Context) (T, next, error) {
		if err := s.load(ctx, t); err != nil {
			return none, done, err
		}
		result, n, err := try(ctx, t, l)
		if errors.Is(err, errBusy) {
			return none, busy, nil
		}
		return result, n, err
	})
	s.end(context.WithoutCancel(ctx), t, l)
	return result, err
}

// ChangeAmount sets the amount of an order and its payment, in minor units. The caller must have seen the
// payment's latest version, and the state must be requires_payment_method. Stripe would also accept it in
// other states, so the payment is read first.
func (s *Service) ChangeAmount(ctx context.Context, id payment.ID, version, amount int64) (payment.StoredView, error) {
	if amount < 1 || amount > payment.MaxAmount {
		return payment.StoredView{}, payment.AmountOutOfRange()
	}
	return changePayment(ctx, s, id, func(ctx context.Context, t *target, l *lease) (payment.StoredView, next, error) {
		err := cmp.Or(payment.CheckAmount(amount, t.order.Terms.Currency), t.hasVersion(version), t.awaitsMethod())
		if err == nil {
			err = s.readTarget(ctx, t)
		}
		if err = cmp.Or(err, t.awaitsMethod(), t.hasVersion(version)); err != nil {
			return payment.StoredView{}, done, err
		}
		if err := s.setAmount(ctx, t, l, amount); err != nil {
			return payment.StoredView{}, done, err
		}
		return t.stored(), done, nil
	})
}

// hasVersion refuses a caller that has not seen the latest version.
func (t *target) hasVersion(version int64) error {
	if a := t.order.Attempt(t.id); a != nil && a.Version == version {
		return nil
	}
	return &payment.Error{
		Code: payment.CodeVersionMismatch, Detail: "The payment has changed since this version.",
		Payment: t.order.Render(t.id),
	}
}

// awaitsMethod refuses unless the payment is the order's current one and the customer can still choose a
// method.
func (t *target) awaitsMethod() error {
	view, shown := t.order.View(t.id)
	if shown && !t.order.Frozen() && t.order.Current() == t.id && !view.Superseded &&
		view.Status == payment.RequiresPaymentMethod {
		return nil
	}
	return t.invalidState(
		"The amount can be changed only while the order's current payment is in requires_payment_method.",
	)
}

// setAmount proposes the amount to the order and sets it at Stripe. It becomes the order's amount unless
// Stripe refuses it. If Stripe's response is lost it does, too, since the backend has decided it.
func (s *Service) setAmount(ctx context.Context, t *target, l *lease, amount int64) error {
	proposal := payment.Proposal{Amount: amount, Rev: t.order.NextRev(t.now)}
	if err := s.take(ctx, t, l, payment.AmountProposed{Proposal: proposal}); err != nil {
		return err
	}
	known := t.knownBefore()
	leased, cancel := s.stripeContext(ctx)
	defer cancel()
	answer, err := s.stripe.UpdateAmount(leased, t.id, amount, proposal.Rev)
	declined := payment.Refused(err)
	fact := answerFact(answer, err, known)
	held, saveErr := s.release(ctx, t, l, payment.CauseAPI, payment.ProposalSettled{Declined: declined}, fact)
	switch {
	case saveErr != nil:
		return saveErr
	case fact == nil:
		return err
	case !held:
		return errBusy
	case declined:
		return t.invalidState("The customer paid first: the payment is no longer in requires_payment_method.")
	}
	return nil
}

// cancelReasons are Stripe's cancellation reasons.
//
// Source: https://docs.stripe.com/api/payment_intents/cancel
var cancelReasons = []string{"", "duplicate", "fraudulent", "requested_by_customer", "abandoned"}

// Cancel cancels the order's payment and closes the order; reason is one of Stripe's or empty.
func (s *Service) Cancel(ctx context.Context, id payment.ID, reason string) (payment.StoredView, error) {
	if !slices.Contains(cancelReasons, reason) {
		return payment.StoredView{}, payment.Invalid(payment.Problems{{
			Pointer: "/reason", Detail: "must be duplicate, fraudulent, requested_by_customer or abandoned",
		}})
	}
	return changePayment(ctx, s, id, func(ctx context.Context, t *target, l *lease) (payment.StoredView, next, error) {
		n, err := s.cancelStep(ctx, t, l, reason)
		return t.stored(), n, err
	})
}

// cancelStep takes the next step towards a cancelled payment of a closed order.
func (s *Service) cancelStep(ctx context.Context, t *target, l *lease, reason string) (next, error) {
	switch state := t.state(); {
	case t.order.Foreign != "":
		return done, t.invalidState(
			"The payment names the order and is none of its attempts: cancel it at Stripe. The order stays open.")
	case t.order.Current() != t.id:
		return done, t.invalidState("The order has another current payment; Kasse cancels this one.")
	case state.Won():
		return done, t.invalidState("The payment has succeeded: refund it instead.")
	case state == payment.InProgress:
		return done, t.invalidState(
			"The bank is processing the payment: it can no longer be cancelled. Wait for the result.")
	case state == payment.CanceledState && t.order.Closed != "":
		return done, nil
	case state == payment.CanceledState:
		return again, s.saveClosed(ctx, t)
	}
	return again, s.close(ctx, t, l, reason)
}

// saveClosed closes an order whose payment is already cancelled.
func (s *Service) saveClosed(ctx context.Context, t *target) error {
	_, err := s.apply(ctx, t, payment.CauseAPI, func(o *payment.Order, now time.Time) (payment.Fact, error) {
		if o.Lease.Held(now) {
			return nil, errBusy
		}
		return payment.OrderClosed{Why: payment.ClosedByCancel}, nil
	})
	return err
}

// close closes the order before its payment is cancelled: if the response is lost, the read worker cancels
// again. If the payment has succeeded instead, the order is open again.
func (s *Service) close(ctx context.Context, t *target, l *lease, reason string) error {
	before := t.order.Closed
	if err := s.take(ctx, t, l, payment.OrderClosed{Why: payment.ClosedByCancel}); err != nil {
		return err
	}
	known := t.knownBefore()
	leased, cancel := s.stripeContext(ctx)
	defer cancel()
	answer, err := s.stripe.CancelPayment(leased, t.id, reason)
	fact := answerFact(answer, err, known)
	var undo payment.Fact
	if shown := shownIn(err); shown != nil && shown.Status != payment.Canceled {
		undo = payment.OrderClosed{Why: before}
	}
	return s.saveAnswer(ctx, t, l, fact, err, undo, fact)
}
