package sim_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"kasse/service/payment"
)

// dated is a value with the time of Redis's clock.
type dated[T any] struct {
	value T
	now   time.Time
}

func (r *replica) LoadOrder(
	ctx context.Context, ref payment.Ref, ids ...payment.ID,
) (payment.Order, time.Time, error) {
	about := fmt.Sprint(ref.Order, " ", ref.Foreign, ids)
	d, err := toRedis(ctx, r, "LoadOrder", about, func() (dated[payment.Order], error) {
		o, err := r.sim.redis.loadOrder(ref, ids)
		return dated[payment.Order]{o, r.sim.redis.now()}, r.sim.corrupt(err)
	})
	return d.value, d.now, err
}

func (r *replica) SaveOrder(
	ctx context.Context, o payment.Order, c payment.Changes, ids ...payment.ID,
) (payment.Saved, error) {
	w, changed, err := r.sim.redis.encodeOrder(o, c, ids)
	if err != nil {
		return payment.Saved{}, err
	}
	if !changed {
		return payment.Saved{Order: o, Now: c.Now}, nil
	}
	w.revision = r.sim.redis.nextRevision(o.Revision)
	return toRedis(ctx, r, "SaveOrder", fmt.Sprint(o.ID, " ", o.Foreign), func() (payment.Saved, error) {
		saved, err := r.sim.redis.saveOrder(w)
		return saved, r.sim.corrupt(err)
	})
}

// corrupt fails the simulation if an order cannot be read, since only the service writes orders.
func (w *simulation) corrupt(err error) error {
	if err == nil || errors.Is(err, payment.ErrConflict) {
		return err
	}
	w.violated("an order cannot be read: %v", err)
	return &payment.Error{Code: payment.CodeInternal, Detail: "A stored record cannot be read.", Cause: err}
}

type found struct {
	order payment.OrderID
	ok    bool
}

func (r *replica) FindOrder(ctx context.Context, id payment.ID) (payment.OrderID, bool, error) {
	f, err := toRedis(ctx, r, "FindOrder", string(id), func() (found, error) {
		order, ok := r.sim.redis.ofPayment(id).pointers[id]
		return found{order, ok}, nil
	})
	return f.order, f.ok, err
}

func (r *replica) SavePointer(ctx context.Context, id payment.ID, order payment.OrderID, _ time.Time) error {
	return changeRedis(ctx, r, "SavePointer", string(id), func() {
		part := r.sim.redis.ofPayment(id)
		if _, known := part.pointers[id]; !known && !r.sim.mutant.forgetPointers {
			part.pointers[id] = order
			r.sim.keepState()
		}
	})
}

func (r *replica) WatchOrder(id payment.OrderID) (hints <-chan struct{}, stop func()) {
	return r.sim.hints.watch(string(id))
}

func (r *replica) WatchPayment(id payment.ID) (hints <-chan struct{}, stop func()) {
	return r.sim.hints.watch(string(id))
}

// OnPaymentChange is not simulated, since every waiting reader has a goroutine here.
func (r *replica) OnPaymentChange(payment.ID, func()) (stop func()) { return func() {} }

// Hints returns false, since hints may be lost.
func (r *replica) Hints() (subscription int64, sure bool) { return 0, false }

// WatchEvents returns a hint at every write. The store returns one only at changes of payments.
func (r *replica) WatchEvents() (hints <-chan struct{}, stop func()) { return r.sim.hints.watch("") }

func (r *replica) LoadView(ctx context.Context, id payment.ID) (payment.StoredView, error) {
	return toRedis(ctx, r, "LoadView", string(id), func() (payment.StoredView, error) {
		return r.sim.redis.loadView(id)
	})
}

func (r *replica) LoadViews(ctx context.Context, order payment.OrderID, ids []payment.ID) ([][]byte, error) {
	return toRedis(ctx, r, "LoadViews", string(order), func() ([][]byte, error) {
		views := make([][]byte, len(ids))
		if stored := r.sim.redis.find(payment.Ref{Order: order}); stored != nil {
			for i, id := range ids {
				views[i] = stored.views[id].View
			}
		}
		return views, nil
	})
}

// LoadHistory is not simulated: histories are checked at each write.
func (r *replica) LoadHistory(context.Context, payment.ID) ([]payment.HistoryEntry, error) {
	return nil, payment.ErrNotFound
}

// LoadEvents is not simulated: the stream is checked at each write.
func (r *replica) LoadEvents(context.Context, payment.FeedQuery) (payment.FeedPage, error) {
	return payment.FeedPage{}, nil
}

// ListOrders is not simulated.
func (r *replica) ListOrders(context.Context, payment.OrderQuery) (payment.OrderPage, error) {
	return payment.OrderPage{}, nil
}

// PruneIndex is not simulated.
func (r *replica) PruneIndex(context.Context) (payment.PruneStep, error) {
	return payment.PruneStep{Wait: time.Hour}, nil
}

// ForgetEvents is not simulated: the stream is checked at each write.
func (r *replica) ForgetEvents(context.Context, payment.Order) (int, error) { return 0, nil }

func (r *replica) Quarantine(ctx context.Context, e payment.StripeEvent, _ []byte) error {
	return changeRedis(ctx, r, "Quarantine", e.ID, func() { r.sim.redis.quarantined++ })
}
