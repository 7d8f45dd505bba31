package service

import (
	"context"
	"errors"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"kasse/service/payment"
)

// orders stores the orders, each with all its payments. Every call returns Redis's clock, the only one that
// all replicas share.
type orders interface {
	// LoadOrder returns the order with its current payment and the requested payments, as far as it has them.
	// An order that was never stored has no revision.
	LoadOrder(ctx context.Context, ref payment.Ref, ids ...payment.ID) (payment.Order, time.Time, error)
	// SaveOrder writes the order and everything that follows from the change, or nothing. It returns
	// payment.ErrConflict unless the stored revision equals the order's. It then also returns the current
	// order with the requested payments.
	SaveOrder(ctx context.Context, o payment.Order, c payment.Changes, ids ...payment.ID) (payment.Saved, error)
	// FindOrder returns the order of the payment's pointer; false if there is no pointer.
	FindOrder(ctx context.Context, id payment.ID) (payment.OrderID, bool, error)
	// SavePointer writes a pointer from the payment to the order, with an expiry. A pointer never changes its
	// order.
	SavePointer(ctx context.Context, id payment.ID, order payment.OrderID, until time.Time) error
	// WatchOrder returns a channel with a hint at each write of the order, until the function is called.
	// Hints may be lost.
	WatchOrder(id payment.OrderID) (<-chan struct{}, func())
}

// conflictTries limits the tries of one write after conflicts.
const conflictTries = 50

// errForeign: a PaymentIntent claims an attempt that has another payment.
var errForeign = errors.New("the PaymentIntent claims an attempt that has another payment")

// target is the object of a use case: an order and one of its payments.
type target struct {
	ref       payment.Ref
	id        payment.ID // the target payment; empty: only the order
	order     payment.Order
	now       time.Time // Redis's clock at the last load or save of the order
	loaded    bool
	noPointer bool // the payment has no pointer to the order
	pointed   bool // the payment has a pointer, so the order was stored once
	verify    bool // a read may deny a webhook's success, with any SUCCESS_VERIFICATION
	also      []payment.ID
	changes   payment.Changes // changes of the last write
}

// ids are the payments that are loaded with the order.
func (t *target) ids() []payment.ID {
	ids := slices.Clone(t.also)
	if t.id != "" {
		ids = append(ids, t.id)
	}
	return ids
}

// payment returns the target payment; nil if the order does not have it.
func (t *target) payment() *payment.Payment { return t.order.Loaded[t.id] }

// holds reports whether the order has the target payment.
func (t *target) holds() bool { return t.order.Attempt(t.id) != nil }

// load loads the target's order.
func (s *Service) load(ctx context.Context, t *target) error {
	o, now, err := s.orders.LoadOrder(ctx, t.ref, t.ids()...)
	if err != nil {
		return err
	}
	s.recent.noteClock(now)
	s.set(t, o, now)
	return nil
}

func (s *Service) set(t *target, o payment.Order, now time.Time) {
	t.order, t.now, t.loaded = o, now, true
	t.order.Rules = s.rules()
	if t.noPointer {
		t.order.WithoutPointer()
	}
}

// decision returns the fact that happened to the current order; nil if nothing did.
type decision func(o *payment.Order, now time.Time) (payment.Fact, error)

// apply applies a fact to an order and saves it. After a conflict it decides again, on the current order. It
// reports whether anything was written. Repeating it is always safe.
func (s *Service) apply(ctx context.Context, t *target, cause string, decide decision) (written bool, err error) {
	for try := range conflictTries {
		s.backoff(ctx, try)
		if !t.loaded {
			if err := s.load(ctx, t); err != nil {
				return false, err
			}
		}
		fact, err := decide(&t.order, t.now)
		if err != nil || fact == nil {
			return false, err
		}
		if s.rebuilding {
			cause, fact = payment.CauseRebuild, payment.Restored{Fact: fact}
		}
		next, changes := t.order.Apply(payment.Caused{Cause: cause, By: actorOf(ctx, cause), Fact: fact}, t.now)
		if len(changes.Needs) > 0 {
			t.also, t.loaded = append(t.also, changes.Needs...), false
			continue
		}
		written, err := s.save(ctx, t, next, changes)
		if !errors.Is(err, payment.ErrConflict) {
			return written, err
		}
	}
	return false, &payment.Error{
		Code: payment.CodeStoreUnavailable, Detail: "Too many concurrent changes of this order; repeat the request.",
		Cause: payment.ErrConflict,
	}
}

// save writes an order with its changes, and the pointers in parallel. Both are written before a caller
// learns of either.
func (s *Service) save(ctx context.Context, t *target, next payment.Order, c payment.Changes) (bool, error) {
	var pointers errgroup.Group
	for _, p := range c.Pointers {
		pointers.Go(func() error { return s.orders.SavePointer(ctx, p.Payment, next.ID, p.Until) })
	}
	s.recent.drop(t.ref)
	c.Within = saveWithin
	saved, err := s.orders.SaveOrder(ctx, next, c, t.ids()...)
	if pointerErr := pointers.Wait(); err == nil {
		err = pointerErr
	}
	if saved.Order.ID != "" {
		s.set(t, saved.Order, saved.Now)
	}
	if err != nil {
		return false, err
	}
	if saved.Written {
		s.recent.noteClock(saved.Now)
		s.recent.keep(saved.Order)
	}
	t.changes, t.noPointer = c, false
	if saved.Written {
		s.observe(ctx, next.ID, c)
	}
	return saved.Written, nil
}

// saveWithin bounds the time between the load of an order and its save, by Redis's clock. A version is at least the
// time of the load. If another master takes over between them, without the newest writes, the revision may match again:
// the version would be older than one that was shown, and might name another event. A failover takes longer than this.
const saveWithin = 2 * time.Second

// backoff waits, longer at each try, so that many writers of one order spread out.
func (s *Service) backoff(ctx context.Context, try int) {
	if try > 0 {
		pause(ctx, s.Jitter(time.Duration(try)*time.Millisecond))
	}
}

// merge merges a PaymentIntent of Stripe into its order. It returns payment.ErrNotFound if the PaymentIntent
// is not ours.
func (s *Service) merge(ctx context.Context, t *target, cause string, seen payment.Seen) (written bool, err error) {
	origin := payment.OriginOf(seen.Intent.Metadata)
	written, err = s.apply(ctx, t, cause, func(o *payment.Order, now time.Time) (payment.Fact, error) {
		switch o.Place(seen.Intent.ID, origin) {
		case payment.Known:
			return seen, nil
		case payment.Foreign:
			return nil, errForeign
		case payment.Attachable:
		}
		if origin.Service != s.Name || origin.Order != o.ID || seen.Intent.Livemode != s.Livemode {
			return nil, payment.ErrNotFound
		}
		switch {
		case seen.ByEvent && (o.Stored() || !t.pointed):
			return seen, nil
		case o.Stored() && !t.holds(): // a read has found an attempt that Redis has lost
			return payment.Restored{Fact: seen}, nil
		case o.Stored():
			return seen, nil
		}
		return o.RestoreFact(seen, now), nil
	})
	if errors.Is(err, errForeign) {
		return s.mergeForeign(ctx, t, cause, seen)
	}
	return written, err
}

// mergeForeign stores a payment that names an order without being an attempt of it.
func (s *Service) mergeForeign(ctx context.Context, t *target, cause string, seen payment.Seen) (bool, error) {
	var forgotten payment.Fact
	if payment.OriginOf(seen.Intent.Metadata).Attempt <= t.order.Forgotten {
		forgotten = payment.PersonForgotten{}
	}
	_, err := s.apply(ctx, &target{ref: t.ref, order: t.order, now: t.now, loaded: true}, cause,
		func(*payment.Order, time.Time) (payment.Fact, error) { return payment.ForeignSeen{Payment: t.id}, nil })
	if err != nil {
		return false, err
	}
	*t = target{ref: payment.Ref{Order: t.ref.Order, Foreign: t.id}, id: t.id, noPointer: t.noPointer}
	if err := s.load(ctx, t); err != nil {
		return false, err
	}
	if !t.order.Stored() {
		s.observer().Anomaly(AnomalyForeign)
		s.Logger.WarnContext(ctx, "a PaymentIntent claims an attempt of an order that has another payment",
			"payment_intent", t.id, "order_id", t.ref.Order)
	}
	return s.apply(ctx, t, cause, func(*payment.Order, time.Time) (payment.Fact, error) {
		return payment.All{seen, forgotten}, nil
	})
}
