// Package service has the use cases of Kasse and its background workers. The rules are in service/payment. The
// package uses neither HTTP nor Redis nor Stripe's wire format.
//
// One invariant: the stored state of an order is a function of the set of facts seen, never of the order in which they
// arrive. So a webhook may come twice, late or before its own create, and two replicas may work at once.
//
// Every use case loads the order, applies a fact (payment.Order.Apply), and saves by compare-and-set. If another write
// came first, it starts again from the result of that write. There are no locks: a lock would be held during calls to
// Stripe, and a process that dies with a lock leaves a payment half changed. Only changes at Stripe run under a lease
// of the order, because they must not be made twice.
package service

import (
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"kasse/service/payment"
)

// Options configures the service.
type Options struct {
	Name           string        // SERVICE_NAME, written into Stripe's metadata
	Livemode       bool          // the mode of the Stripe keys
	PublishableKey string        // shown to pages
	StripeTimeout  time.Duration // limit of one call to Stripe with all its tries
	StripeReads    int           // background reads per second, of all replicas together
	AbandonAfter   time.Duration // an unpaid payment unchanged that long is cancelled; zero: never
	MaxFailures    int           // failed attempts after which an order is closed
	Verification   payment.Verification
	Retention      time.Duration // of finished orders
	OrderIndex     bool          // orders are kept in the index behind GET /v1/orders
	Logger         *slog.Logger
	Observer       Observer                               // may be nil
	Jitter         func(most time.Duration) time.Duration // returns a pause below the bound; nil: random
}

// Store is the service's port to Redis. Each part is declared beside its use case.
type Store interface {
	orders
	views
	feed
	readQueue
	attentionQueue
	sweeps
	catchUps
	restores
	leases
	passes
	quarantine
	listing
	forgetter
}

// Stripe is the service's port to Stripe. Each part is declared beside its use case.
type Stripe interface {
	opener
	changer
	capturer
	refunder
	reader
	lister
	relister
	parser
	forgottenRecorder
}

// Service has the use cases. Its methods may be called from several goroutines.
type Service struct {
	Options
	orders       orders
	views        views
	feed         feed
	reads        readQueue
	attention    attentionQueue
	sweeps       sweeps
	catchUps     catchUps
	restores     restores
	leases       leases
	passes       passes
	quarantine   quarantine
	listing      listing
	forget       forgetter
	stripe       Stripe
	rebuilding   bool                   // set before any goroutine; events may have been sent before the loss
	lowest       atomic.Int64           // nanoseconds; the lowest retention ever used with this Redis
	caughtUp     atomic.Int64           // Unix nanoseconds by Redis's clock; the last known catch-up
	lookups      singleflight.Group     // one read at a time of a payment that many callers request
	restoreTurns atomic.Uint32          // alternates between the two queues
	account      atomic.Pointer[string] // account of the Stripe key, "acct_…"; nil: not known yet
	thinSeen     atomic.Bool            // a thin event was received
	recent       recent
	held         heldStatuses
}

// New wires the service.
func New(store Store, stripe Stripe, o Options) *Service {
	if o.Jitter == nil {
		o.Jitter = rand.N[time.Duration]
	}
	return &Service{
		Options: o, orders: store, views: store, feed: store, reads: store, attention: store, sweeps: store,
		catchUps: store, restores: store, leases: store, passes: store,
		quarantine: store, listing: store, forget: store, stripe: stripe,
	}
}

// SetLowestRetention sets the lowest PAYMENT_RETENTION that was ever used with this Redis. The default is
// this process's.
func (s *Service) SetLowestRetention(lowest time.Duration) { s.lowest.Store(int64(lowest)) }

func (s *Service) rules() payment.Rules {
	lowest := s.Retention
	if noted := time.Duration(s.lowest.Load()); noted > 0 {
		lowest = min(lowest, noted)
	}
	return payment.Rules{
		MaxFailures: s.MaxFailures, AbandonAfter: s.AbandonAfter, Retention: s.Retention, LowestRetention: lowest,
		Verification: s.Verification, Index: s.OrderIndex,
	}
}
