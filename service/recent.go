package service

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"kasse/service/payment"
)

// recent caches the orders that this process has saved last, so that it can save them again without loading
// them. The store compares the revision: if another process has changed the order, the save is a conflict,
// which returns the current order. Redis's clock is computed from the last reply that contained it.
type recent struct {
	mu     sync.Mutex
	orders map[payment.Ref]payment.Order
	places [recentOrders]payment.Ref // refs of the cached orders, the oldest at next
	next   int
	clock  time.Time // Redis's clock in the last reply
	at     time.Time // time of that reply by this process's clock
}

const (
	recentOrders = 2_048           // about 2 KiB each
	clockTrusted = 2 * time.Second // how long after a reply Redis's clock is computed
)

// noteClock records Redis's clock of a reply.
func (r *recent) noteClock(clock time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.clock, r.at = clock, time.Now() //nolint:forbidigo // only what passes until the next reply is measured
}

// keep caches an order as it was saved.
func (r *recent) keep(o payment.Order) {
	ref := o.Ref()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.orders == nil {
		r.orders = map[payment.Ref]payment.Order{}
	}
	if _, kept := r.orders[ref]; !kept {
		delete(r.orders, r.places[r.next])
		r.places[r.next] = ref
		r.next = (r.next + 1) % recentOrders
	}
	r.orders[ref] = o
}

// drop removes an order that is being saved: the outcome may stay unknown, or another process may be faster.
func (r *recent) drop(ref payment.Ref) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.orders, ref)
}

// find returns a cached order and Redis's clock; false if the order is not cached, or no reply had the clock
// for 2 s.
func (r *recent) find(ref payment.Ref) (payment.Order, time.Time, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	o, kept := r.orders[ref]
	elapsed := time.Since(r.at) //nolint:forbidigo // see noteClock
	if !kept || elapsed > clockTrusted {
		return payment.Order{}, time.Time{}, false
	}
	return o, r.clock.Add(elapsed), true
}

// mergeRecent merges an event's PaymentIntent into the cached order, without loading it. It does nothing if
// the event shows nothing new, since refusals and "unchanged" must be decided on the current order. The
// returned target is then nil, or has the order of a conflict. A lost pointer is written again: here, or
// after a conflict by the following save.
func (s *Service) mergeRecent(
	ctx context.Context, cause string, seen payment.Seen,
) (t *target, written bool, err error) {
	origin := payment.OriginOf(seen.Intent.Metadata)
	if origin.Service != s.Name || !origin.Order.Valid() || s.rebuilding {
		return nil, false, nil
	}
	ref := payment.Ref{Order: origin.Order}
	o, now, kept := s.recent.find(ref)
	if !kept {
		return nil, false, nil
	}
	t = &target{ref: ref, id: seen.Intent.ID, pointed: true}
	if s.set(t, o, now); !t.mayMerge() {
		return nil, false, nil
	}
	next, changes := t.order.Apply(payment.Caused{Cause: cause, Fact: seen}, now)
	if len(changes.Needs) > 0 || len(changes.Views) == 0 {
		return nil, false, nil
	}
	written, found, err := s.saveAndFind(ctx, t, next, changes)
	switch a := t.order.Attempt(t.id); {
	case errors.Is(err, payment.ErrConflict) && t.mayMerge():
		if t.pointed = found; !found { // the save after the conflict writes it
			t.noPointer = true
			t.order.WithoutPointer()
		}
		return t, false, nil
	case errors.Is(err, payment.ErrConflict):
		return nil, false, nil
	case err == nil && !found && a != nil:
		err = s.orders.SavePointer(ctx, t.id, ref.Order, time.Unix(a.PointerUntil, 0))
	}
	return nil, written, err
}

// saveAndFind saves an order and reads the target payment's pointer in parallel, since Redis may have lost
// it. After a conflict found is false if the pointer could not be read.
func (s *Service) saveAndFind(
	ctx context.Context, t *target, next payment.Order, c payment.Changes,
) (written, found bool, err error) {
	var pointer errgroup.Group
	pointer.Go(func() (err error) {
		_, found, err = s.orders.FindOrder(ctx, t.id)
		return err
	})
	written, err = s.save(ctx, t, next, c)
	if pointerErr := pointer.Wait(); err == nil {
		err = pointerErr
	}
	return written, found, err
}

// mayMerge reports whether the payment's facts can be merged into the order: no other question is open, and
// no call is changing it at Stripe.
func (t *target) mayMerge() bool {
	return t.order.Stored() && t.holds() && t.order.Lease == payment.Lease{}
}
