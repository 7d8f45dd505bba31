package service

import (
	"cmp"
	"context"
	"errors"
)

// capturer takes money that was authorised.
type capturer interface {
	// CapturePayment takes so much, in minor units, and releases the rest. Its answer is a read; a refusal may show the
	// PaymentIntent as it is in the error's Intent.
	CapturePayment(ctx context.Context, id PaymentID, amount int64) (Answer, error)
}

// Capture takes so much of an authorised payment, in minor units, or all of it where none is named; the rest is released.
// To capture the same again is no error.
func (s *Service) Capture(ctx context.Context, id PaymentID, amount *int64) (StoredView, error) {
	if amount != nil && (*amount < 1 || *amount > MaxAmount) {
		return StoredView{}, amountOutOfRange()
	}
	p, err := s.payment(ctx, id)
	if err != nil {
		return StoredView{}, err
	}
	return insist(ctx, s, p.Standing.Order, func(ctx context.Context) (StoredView, error) {
		return s.tryCapture(ctx, id, amount)
	})
}

func (s *Service) tryCapture(ctx context.Context, id PaymentID, amount *int64) (StoredView, error) {
	t, err := s.loadSubject(ctx, id)
	if err != nil {
		return StoredView{}, err
	}
	sum := t.view.Amount
	if amount != nil {
		sum = *amount
	}
	if t.view.State.won() && t.view.AmountReceived == sum {
		return s.views.LoadView(ctx, id)
	}
	if err := t.captures(sum); err != nil {
		return StoredView{}, err
	}
	return StoredView{}, s.underLease(ctx, t.order, t.now, func(leased context.Context) error { return s.capture(ctx, leased, t, sum) }, func(*Order) {})
}

// captures refuses what cannot be captured.
func (t subject) captures(sum int64) error {
	switch {
	case t.view.State.won():
		return t.invalidState("Another amount has been captured already.")
	case t.view.State != Authorized:
		return t.invalidState("There is nothing to capture: the payment is not authorized.")
	case t.order.Current() != t.payment.ID || t.payment.Standing.withdrawn():
		return t.invalidState("The order no longer wants this payment; it is cancelled by itself.")
	case sum > t.view.AmountCapturable:
		return amountOutOfRange()
	}
	return nil
}

// capture asks Stripe. Where that refuses without showing the payment it is asked for the truth.
func (s *Service) capture(ctx, leased context.Context, t subject, sum int64) error {
	answer, err := s.stripe.CapturePayment(leased, t.payment.ID, sum)
	if !refused(err) || shownIn(err) != nil {
		return s.learnFrom(ctx, answer, err, t.payment.Record.Seen())
	}
	return s.explainRefusal(ctx, t.payment.ID, err)
}

// explainRefusal reads a payment that Stripe has refused to change, so that the refusal shows how it stands now.
func (s *Service) explainRefusal(ctx context.Context, id PaymentID, refusal error) error {
	var e *Error
	if !errors.As(refusal, &e) {
		return refusal
	}
	if err := s.Read(ctx, id); err != nil {
		return err
	}
	p, _, err := s.payments.LoadPayment(ctx, id)
	e.Payment = p.View
	return cmp.Or(err, refusal)
}
