package service

import (
	"context"
	"errors"

	"kasse/service/payment"
)

// capturer captures authorized money.
type capturer interface {
	// CapturePayment captures the amount, in minor units, and releases the rest. Its answer counts as a read.
	// A refusal may carry the current PaymentIntent in the error's Intent.
	CapturePayment(ctx context.Context, id payment.ID, amount int64) (payment.Answer, error)
}

// Capture captures an amount of an authorized payment, in minor units; nil means everything. The rest is
// released. Repeating the same capture is no error.
func (s *Service) Capture(ctx context.Context, id payment.ID, amount *int64) (payment.StoredView, error) {
	if amount != nil && (*amount < 1 || *amount > payment.MaxAmount) {
		return payment.StoredView{}, payment.AmountOutOfRange()
	}
	return changePayment(ctx, s, id, func(ctx context.Context, t *target, l *lease) (payment.StoredView, next, error) {
		view, _ := t.order.View(t.id)
		if view.State.Won() && (amount == nil || view.AmountReceived == *amount) {
			return t.stored(), done, nil
		}
		sum := view.AmountCapturable
		if amount != nil {
			if err := payment.CheckAmount(*amount, view.Currency); err != nil {
				return payment.StoredView{}, done, err
			}
			sum = *amount
		}
		if err := t.mayCapture(view, sum); err != nil {
			return payment.StoredView{}, done, err
		}
		return payment.StoredView{}, again, s.capture(ctx, t, l, sum)
	})
}

// mayCapture refuses payments and amounts that cannot be captured.
func (t *target) mayCapture(view payment.View, sum int64) error {
	switch {
	case view.State.Won():
		return t.invalidState("Another amount was already captured.")
	case view.State != payment.Authorized:
		return t.invalidState("Only an authorized payment can be captured.")
	case t.order.Current() != t.id || view.Superseded || t.order.Closed != "":
		return t.invalidState("The order has another payment or is closed; Kasse cancels this one.")
	case sum > view.AmountCapturable:
		return payment.AboveCapturable(sum, view.AmountCapturable)
	}
	return nil
}

// capture captures at Stripe, under the order's lease. If a refusal does not show the payment, the payment is
// read.
func (s *Service) capture(ctx context.Context, t *target, l *lease, sum int64) error {
	if err := s.take(ctx, t, l); err != nil {
		return err
	}
	err := s.changeAtStripe(ctx, t, l, func(leased context.Context) (payment.Answer, error) {
		return s.stripe.CapturePayment(leased, t.id, sum)
	})
	if !payment.Refused(err) || shownIn(err) != nil {
		return err
	}
	return s.explainRefusal(ctx, t, err)
}

// explainRefusal reads a payment that Stripe has refused to change, so that the error shows its current
// state.
func (s *Service) explainRefusal(ctx context.Context, t *target, refusal error) error {
	var e *payment.Error
	if !errors.As(refusal, &e) {
		return refusal
	}
	if err := s.readTarget(ctx, t); err != nil {
		return err
	}
	e.Payment = t.order.Render(t.id)
	return refusal
}
