package service

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"kasse/service/payment"
)

// recent keeps the orders that this process has saved last, so that it may save them again without loading them. A kept
// order is only ever saved: the store compares its revision, so that one which another process has changed since is a
// conflict, and a conflict returns the order as it stands. Redis's clock is computed from the last reply that had it.
type recent struct {
	mu     sync.Mutex
	orders map[payment.Ref]payment.Order
	places [recentOrders]payment.Ref // of the kept orders, the oldest at next
	next   int
	clock  time.Time // Redis's, of the last reply
	at     time.Time // when that reply came, by the clock of this process
}

const (
	recentOrders = 2_048           // some 2 KiB each
	clockTrusted = 2 * time.Second // after a reply Redis's clock is not computed any further
)

// noteClock notes Redis's clock, as a reply had it.
func (r *recent) noteClock(clock time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.clock, r.at = clock, time.Now() //nolint:forbidigo // only what passes until the next reply is measured
}

// keep keeps an order as it was saved.
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

// drop forgets an order that is being saved: the outcome may never be known, or another process be faster.
func (r *recent) drop(ref payment.Ref) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.orders, ref)
}

// find returns a kept order, and Redis's clock; false where the order is not kept, or no reply had the clock for 2 s.
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

// mergeRecent merges what an event showed of a PaymentIntent into its order as this process has saved it last,
// without loading it. Where that shows nothing new it is not done: a refusal, and the answer that nothing has
// changed, are for the order as it stands. The target is then nil, or has the order that a conflict has returned.
// A pointer that Redis has lost is written again: here, or after a conflict by the save that follows.
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

// saveAndFind saves an order and looks for the pointer of the payment in question at the same time. Redis may have lost
// the pointer since the order was kept. After a conflict found is false if the pointer could not be read.
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

// mayMerge reports whether what is shown of the payment in question can be merged into the order as it is: nothing else
// has to be found out, and no call is changing it at Stripe.
func (t *target) mayMerge() bool {
	return t.order.Stored() && t.holds() && t.order.Lease == payment.Lease{}
}
