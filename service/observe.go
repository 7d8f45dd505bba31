package service

import (
	"context"
	"log/slog"

	"kasse/service/payment"
)

// Observer counts events of payments. Its methods may be called from several goroutines.
type Observer interface {
	// WebhookHandled is called after every delivery, with its type, which Stripe chose, the outcome, and the
	// event's time in Unix seconds. Type and time are zero if nothing was verified. The time is also zero if
	// nothing was stored.
	WebhookHandled(kind string, outcome Outcome, created int64)
	// StateChanged is called for every visible change of a payment. from is empty at the first one. The
	// states may be equal.
	StateChanged(from, to payment.State)
	// Anomaly is called for something that neither Stripe nor a user of our keys should have made. It is only
	// recorded.
	Anomaly(what Anomaly)
	// Reconciled is called when catch-up, sweep or restore has handled all that was due.
	Reconciled(source string)
}

// Outcomes of deliveries that are not acknowledged, for the Observer only.
const (
	BadSignature Outcome = "bad_signature"
	NotStored    Outcome = "failed"
)

// Anomaly is a kind of unexpected event.
type Anomaly string

// The anomalies.
const (
	AnomalyStatus  Anomaly = "status_mismatch" // an event's type implies another status than its object, which decides
	AnomalyForeign Anomaly = "foreign_payment" // a PaymentIntent claims an attempt that has another payment
	AnomalyThin    Anomaly = "thin_event"      // an event names an object without its content, so the payment is read
	AnomalyDenied  Anomaly = "denied_success"  // a webhook brought a success that Stripe does not know
)

// Anomalies lists all of them.
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

// observe logs each transition once, and raises an alarm if Stripe contradicts itself.
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
