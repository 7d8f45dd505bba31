package service

import (
	"context"
	"log/slog"

	"kasse/service/payment"
)

// Observer counts what happens to payments. Its methods may be called from many goroutines.
type Observer interface {
	// WebhookHandled is called for every delivery of Stripe when it is answered: its type, which Stripe chose, the
	// outcome, and when the event was made, in Unix seconds. Type and time are zero where nothing was verified, the
	// time also where nothing was stored.
	WebhookHandled(kind string, outcome Outcome, created int64)
	// StateChanged is called for every visible change of a payment; from is empty at its first. The states may be
	// the same.
	StateChanged(from, to payment.State)
	// Anomaly is called for what Stripe, or somebody with our keys, should not have made. It is recorded, never
	// acted upon.
	Anomaly(what Anomaly)
	// Reconciled is called when catch-up, sweep or restore has handled all that was due.
	Reconciled(source string)
}

// Outcomes of deliveries that are not acknowledged, for the Observer only.
const (
	BadSignature Outcome = "bad_signature"
	NotStored    Outcome = "failed"
)

// Anomaly is something that does not fit.
type Anomaly string

// The anomalies.
const (
	AnomalyStatus  Anomaly = "status_mismatch" // an event's type implies another status than its object, which decides
	AnomalyForeign Anomaly = "foreign_payment" // a PaymentIntent claims an attempt that has another payment
	AnomalyThin    Anomaly = "thin_event"      // an event shows nothing of its object, so that Stripe has to be asked
	AnomalyDenied  Anomaly = "denied_success"  // a webhook brought a success that Stripe does not know of
)

// Anomalies are all of them.
var Anomalies = []Anomaly{AnomalyStatus, AnomalyForeign, AnomalyThin, AnomalyDenied}

type unobserved struct{}

func (unobserved) WebhookHandled(string, Outcome, int64)     {}
func (unobserved) StateChanged(payment.State, payment.State) {}
func (unobserved) Anomaly(Anomaly)                           {}
func (unobserved) Reconciled(string)                         {}

func (s *Service) observer() Observer {
	if s.Observer == nil {
		return unobserved{}
	}
	return s.Observer
}

// observe writes the one log line of each transition, and an alarm where Stripe contradicts itself.
func (s *Service) observe(ctx context.Context, order payment.OrderID, c payment.Changes) {
	for _, v := range c.Views {
		if v.Contradictory {
			s.Logger.ErrorContext(ctx, "Stripe showed the payment both succeeded and canceled",
				"payment_intent", v.Payment, "order_id", order)
		}
		s.observer().StateChanged(v.From, v.To)
		s.Logger.LogAttrs(ctx, slog.LevelInfo, "transition",
			slog.String("payment_intent", string(v.Payment)), slog.String("order_id", string(order)),
			slog.String("from", string(v.From)), slog.String("to", string(v.To)), slog.Int64("version", v.Version))
	}
}
