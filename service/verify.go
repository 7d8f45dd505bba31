package service

import (
	"context"

	"kasse/service/payment"
)

// saveDenial saves that Stripe knows no such PaymentIntent, although webhooks say that it was paid.
func (s *Service) saveDenial(ctx context.Context, t *target, claims []string) error {
	return s.saveCaused(ctx, t, payment.CauseRead, payment.PaymentDenied{Payment: t.id, Claims: claims})
}

// noteVerified raises an alarm at each read that denies a success which webhooks have brought: a process may die between
// the first one's write and its log line. It says, too, where Stripe has borne the success out after all.
func (s *Service) noteVerified(ctx context.Context, t *target, wasDenied bool) {
	switch denied := t.order.Denied(t.id); {
	case denied:
		s.observer().Anomaly(AnomalyDenied)
		s.Logger.ErrorContext(ctx, "Stripe does not know of a success that a webhook brought: the payment is held as unverified; "+
			"a webhook secret may have leaked, see SECURITY.md", "payment_intent", t.id, "order_id", t.ref.Order)
	case wasDenied:
		s.Logger.WarnContext(ctx, "Stripe shows how a payment ended whose success it did not know of before",
			"payment_intent", t.id, "order_id", t.ref.Order, "state", t.state())
	}
}
