// Package service is what Kasse knows of payments: how Stripe's events merge, what an order may do, what callers are
// told. It knows neither HTTP nor Redis nor Stripe's wire format.
//
// One invariant holds all of it: what is stored of a payment is a function of the set of facts seen, never of the order
// in which they came. So a webhook may come twice, late or before its own create, and two replicas may work at once:
// everybody loads, merges, and writes by compare-and-set, and whoever loses starts again from what the other wrote.
// (Locks would have to be held over calls to Stripe, and a process that dies holding one leaves a payment half
// changed.) Only the opening of payments runs under a lease, because it must not be done twice at Stripe.
package service

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"golang.org/x/sync/singleflight"
)

// Options is what the service has to be told.
type Options struct {
	Name           string        // SERVICE_NAME, written into Stripe's metadata
	Livemode       bool          // the mode of the Stripe keys
	PublishableKey string        // handed to pages
	StripeTimeout  time.Duration // bound of one call to Stripe with all its tries
	StripeReads    int           // background reads a second, of all replicas together
	AbandonAfter   time.Duration // an unpaid payment unchanged that long is cancelled; zero: none is
	MaxFailures    int           // failed attempts of an order; past it the order is closed
	Logger         *slog.Logger
	Observer       Observer                               // may be nil
	Jitter         func(most time.Duration) time.Duration // draws a pause below the bound; nil: at random
}

// Store is all that the verbs need of Redis; each part is declared beside its verb.
type Store interface {
	payments
	orders
	views
	feed
	readQueue
	sweeps
	catchUps
	restores
	leases
	quarantine
}

// Stripe is all that the verbs need of Stripe; each part is declared beside its verb.
type Stripe interface {
	opener
	changer
	capturer
	refunder
	reader
	lister
	relister
	parser
}

// Service answers what callers ask for. Its methods may be called from many goroutines.
type Service struct {
	Options
	payments   payments
	orders     orders
	views      views
	feed       feed
	reads      readQueue
	sweeps     sweeps
	catchUps   catchUps
	restores   restores
	leases     leases
	quarantine quarantine
	stripe     Stripe
	rebuilding bool               // set before any goroutine: what is told may have been told before
	lookups    singleflight.Group // one question to Stripe at a time for one payment that many ask about
}

// New wires the service.
func New(store Store, stripe Stripe, o Options) *Service {
	if o.Jitter == nil {
		o.Jitter = rand.N[time.Duration]
	}
	return &Service{
		Options: o, payments: store, orders: store, views: store, feed: store, reads: store, sweeps: store, catchUps: store, restores: store, leases: store,
		quarantine: store, stripe: stripe,
	}
}

// observe writes the one log line of a transition, and an alarm where Stripe contradicts itself.
func (s *Service) observe(ctx context.Context, before Payment, w PaymentWrite) {
	if w.Record.Show().Impossible {
		s.Logger.ErrorContext(ctx, "Stripe showed the payment both succeeded and canceled", "payment_intent", w.ID, "order_id", w.Standing.Order)
	}
	if before.Revision == 0 && w.Standing.Foreign {
		s.observer().Odd(OddForeign)
		s.Logger.WarnContext(ctx, "a PaymentIntent names an order that does not know it", "payment_intent", w.ID, "order_id", w.Standing.Order)
	}
	if w.History == nil {
		return
	}
	from, to := w.before.State, w.after.State
	s.observer().Moved(from, to)
	s.Logger.LogAttrs(ctx, slog.LevelInfo, "transition", slog.String("payment_intent", string(w.ID)), slog.String("order_id", string(w.Standing.Order)),
		slog.String("from", string(from)), slog.String("to", string(to)), slog.Int64("version", w.Version))
}
