package sim_test

import (
	"context"
	"fmt"
	"time"

	"kasse/service"
)

// dated is a record with Redis's clock.
type dated[T any] struct {
	record T
	now    time.Time
}

func toRedis[T any](ctx context.Context, r *replica, name, about string, do func() (T, error)) (T, error) {
	return through(ctx, r, redisTimeout, name, about, do)
}

func toStripe[T any](ctx context.Context, r *replica, name, about string, do func() (T, error)) (T, error) {
	return through(ctx, r, stripeTimeout, name, about, do)
}

func (r *replica) LoadPayment(ctx context.Context, id service.PaymentID) (service.Payment, time.Time, error) {
	d, err := toRedis(ctx, r, "LoadPayment", string(id), func() (dated[service.Payment], error) {
		p, err := r.world.redis.loadPayment(id)
		return dated[service.Payment]{p, r.world.redis.now()}, err
	})
	return d.record, d.now, err
}

func (r *replica) SavePayment(ctx context.Context, write service.PaymentWrite) error {
	about := fmt.Sprintf("%s over %d", write.ID, write.Revision)
	_, err := toRedis(ctx, r, "SavePayment", about, func() (any, error) { return nil, r.world.redis.savePayment(write) })
	return err
}

func (r *replica) LoadOrder(ctx context.Context, id service.OrderID) (service.Order, time.Time, error) {
	d, err := toRedis(ctx, r, "LoadOrder", string(id), func() (dated[service.Order], error) {
		o, err := r.world.redis.loadOrder(id)
		return dated[service.Order]{o, r.world.redis.now()}, err
	})
	return d.record, d.now, err
}

func (r *replica) SaveOrder(ctx context.Context, o service.Order) error {
	about := fmt.Sprintf("%s over %d", o.ID, o.Revision)
	_, err := toRedis(ctx, r, "SaveOrder", about, func() (any, error) { return nil, r.world.redis.saveOrder(o) })
	return err
}

func (r *replica) WatchOrder(id service.OrderID) (hints <-chan struct{}, stop func()) {
	return r.world.hints.on(string(id))
}

func (r *replica) WatchPayment(id service.PaymentID) (hints <-chan struct{}, stop func()) {
	return r.world.hints.on(string(id))
}

// WatchEvents hears of every record, as the real one hears of every payment.
func (r *replica) WatchEvents() (hints <-chan struct{}, stop func()) { return r.world.hints.on("") }

// OutliveOrder has nothing to do: nothing expires here.
func (r *replica) OutliveOrder(ctx context.Context, id service.OrderID) error {
	_, err := toRedis(ctx, r, "OutliveOrder", string(id), func() (any, error) { return nil, nil })
	return err
}

func (r *replica) LoadView(ctx context.Context, id service.PaymentID) (service.StoredView, error) {
	return toRedis(ctx, r, "LoadView", string(id), func() (service.StoredView, error) { return r.world.redis.loadView(id) })
}

func (r *replica) LoadHistory(ctx context.Context, id service.PaymentID) ([]byte, error) {
	return toRedis(ctx, r, "LoadHistory", string(id), func() ([]byte, error) { return r.world.redis.loadHistory(id) })
}

func (r *replica) LoadEvents(ctx context.Context, after string, limit int) (service.FeedPage, error) {
	return toRedis(ctx, r, "LoadEvents", after, func() (service.FeedPage, error) { return r.world.redis.loadEvents(after, limit) })
}

func (r *replica) Quarantine(ctx context.Context, n service.Notice, _ []byte) error {
	_, err := toRedis(ctx, r, "Quarantine", n.ID, func() (any, error) { r.world.redis.quarantined++; return nil, nil })
	return err
}

func (r *replica) PaymentForm(c service.CreateRequest, terms service.Terms, attempt int, rev int64) string {
	return formOf(c, terms, attempt, rev)
}

func (r *replica) OpenPayment(ctx context.Context, key, form string) (service.Answer, error) {
	return toStripe(ctx, r, "OpenPayment", key, func() (service.Answer, error) { return r.world.stripe.open(key, form) })
}

func (r *replica) FindPayment(ctx context.Context, order service.OrderID, a service.Attempt) (*service.Answer, error) {
	about := fmt.Sprintf("%s attempt %d", order, a.Number)
	return toStripe(ctx, r, "FindPayment", about, func() (*service.Answer, error) { return r.world.stripe.find(order, a), nil })
}

func (r *replica) OpenSession(ctx context.Context, customer service.CustomerID, _ service.SessionFeatures) (service.Session, error) {
	return toStripe(ctx, r, "OpenSession", string(customer), func() (service.Session, error) { return r.world.stripe.session(), nil })
}

func (r *replica) UpdateAmount(ctx context.Context, id service.PaymentID, amount, rev int64) (service.Answer, error) {
	about := fmt.Sprintf("%s to %d", id, amount)
	return toStripe(ctx, r, "UpdateAmount", about, func() (service.Answer, error) { return r.world.stripe.updateAmount(id, amount, rev) })
}

func (r *replica) CancelPayment(ctx context.Context, id service.PaymentID, _ string) (service.Answer, error) {
	return toStripe(ctx, r, "CancelPayment", string(id), func() (service.Answer, error) { return r.world.stripe.cancel(id) })
}

func (r *replica) RetrievePayment(ctx context.Context, id service.PaymentID) (service.Answer, error) {
	return toStripe(ctx, r, "RetrievePayment", string(id), func() (service.Answer, error) { return r.world.stripe.retrieve(id) })
}

// ParseEvent takes the event's id for its body. Signatures and bytes are the gateway's, which has tests of its own.
func (r *replica) ParseEvent(body []byte, _ string) (service.Notice, error) {
	return r.world.stripe.notice(string(body))
}
