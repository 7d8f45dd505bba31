package service_test

import (
	"context"
	"sync"
	"time"

	"kasse/service"
	"kasse/service/payment"
)

// outcome is what happens to one call to Redis or Stripe.
type outcome int

const (
	succeeds   outcome = iota
	lostBefore         // it does not arrive, and returns an error
	lostAfter          // it is executed, and its response is lost
	diesBefore         // the process dies before it
	diesAfter          // the process dies after it, before the response arrives
)

// process is a process of the service that stops before each of its calls to Redis and Stripe until it may
// continue. So a test can draw and replay interleavings. Sessions are left out: they are opened in parallel with a
// payment and change nothing.
type process struct {
	service.Store
	service.Stripe
	name  string
	mu    sync.Mutex
	at    chan string   // name of the call before which it stops
	let   chan outcome  // lets it continue
	look  chan struct{} // wakes it while it waits for another change of the order
	done  chan struct{}
	call  string // the pending call
	dead  bool
	ended bool
}

// begin starts work, up to its first call.
func begin(name string, w *serviceEnv, work func(*service.Service)) *process {
	p := &process{
		Store: w.store, name: name,
		at: make(chan string), let: make(chan outcome), look: make(chan struct{}), done: make(chan struct{}),
	}
	p.Stripe = w.gateway()
	svc := w.replica(p, p)
	svc.MaxFailures = modelFailures
	go func() {
		defer close(p.done)
		work(svc)
	}()
	p.settle()
	return p
}

// settle waits until the process stops before its next call, or has ended.
func (p *process) settle() {
	for {
		select {
		case p.call = <-p.at:
			return
		case <-p.done:
			p.ended = true
			return
		case p.look <- struct{}{}:
		}
	}
}

// step executes the pending call.
func (p *process) step(f outcome) {
	p.let <- f
	p.settle()
}

// kill ends the process before its next call.
func (p *process) kill() {
	if !p.ended {
		p.step(diesBefore)
	}
}

// intercept waits until the process may continue, and makes the call unless it is not to be executed.
func intercept[T any](p *process, name string, lost error, call func() (T, error)) (T, error) {
	var none T
	p.mu.Lock() // parallel calls are made one after the other
	defer p.mu.Unlock()
	if p.dead {
		return none, errDead
	}
	p.at <- name
	switch f := <-p.let; f {
	case lostBefore:
		return none, lost
	case lostAfter:
		_, _ = call()
		return none, lost
	case diesBefore:
		p.dead = true
		return none, errDead
	case diesAfter:
		p.dead = true
		_, _ = call()
		return none, errDead
	case succeeds:
	}
	return call()
}

var (
	errNoStore  = &payment.Error{Code: payment.CodeStoreUnavailable, Detail: "lost"}
	errNoStripe = &payment.Error{Code: payment.CodeStripeTimeout, Detail: "lost"}
)

// WatchOrder returns the channel on which settle sends hints.
func (p *process) WatchOrder(payment.OrderID) (<-chan struct{}, func()) { return p.look, func() {} }

func (p *process) SaveOrder(
	ctx context.Context, o payment.Order, c payment.Changes, ids ...payment.ID,
) (payment.Saved, error) {
	return intercept(
		p, "SaveOrder", errNoStore, func() (payment.Saved, error) { return p.Store.SaveOrder(ctx, o, c, ids...) },
	)
}

func (p *process) SavePointer(ctx context.Context, id payment.ID, order payment.OrderID, until time.Time) error {
	_, err := intercept(p, "SavePointer", errNoStore, func() (any, error) {
		return nil, p.Store.SavePointer(ctx, id, order, until)
	})
	return err
}

func (p *process) LoadOrder(
	ctx context.Context, ref payment.Ref, ids ...payment.ID,
) (o payment.Order, now time.Time, err error) {
	_, err = intercept(p, "LoadOrder", errNoStore, func() (any, error) {
		o, now, err = p.Store.LoadOrder(ctx, ref, ids...)
		return nil, err
	})
	return o, now, err
}

func (p *process) FindOrder(ctx context.Context, id payment.ID) (order payment.OrderID, found bool, err error) {
	_, err = intercept(p, "FindOrder", errNoStore, func() (any, error) {
		order, found, err = p.Store.FindOrder(ctx, id)
		return nil, err
	})
	return order, found, err
}

func (p *process) OpenPayment(ctx context.Context, key, form string) (payment.Answer, error) {
	return intercept(
		p, "OpenPayment", errNoStripe,
		func() (payment.Answer, error) { return p.Stripe.OpenPayment(ctx, key, form) },
	)
}

func (p *process) RetrievePayment(ctx context.Context, id payment.ID) (payment.Answer, error) {
	return intercept(
		p, "RetrievePayment", errNoStripe,
		func() (payment.Answer, error) { return p.Stripe.RetrievePayment(ctx, id) },
	)
}

func (p *process) UpdateAmount(ctx context.Context, id payment.ID, amount, rev int64) (payment.Answer, error) {
	return intercept(
		p, "UpdateAmount", errNoStripe,
		func() (payment.Answer, error) { return p.Stripe.UpdateAmount(ctx, id, amount, rev) },
	)
}

func (p *process) CancelPayment(ctx context.Context, id payment.ID, reason string) (payment.Answer, error) {
	return intercept(
		p, "CancelPayment", errNoStripe,
		func() (payment.Answer, error) { return p.Stripe.CancelPayment(ctx, id, reason) },
	)
}

func (p *process) FindPayments(
	ctx context.Context, order payment.OrderID, customer payment.CustomerID, since, until time.Time,
) ([]payment.Answer, error) {
	return intercept(p, "FindPayments", errNoStripe, func() ([]payment.Answer, error) {
		return p.Stripe.FindPayments(ctx, order, customer, since, until)
	})
}

func (p *process) FindCreationKey(
	ctx context.Context, id payment.ID, created int64,
) (key string, known bool, err error) {
	key, err = intercept(p, "FindCreationKey", errNoStripe, func() (string, error) {
		var err error
		key, known, err = p.Stripe.FindCreationKey(ctx, id, created)
		return key, err
	})
	return key, known, err
}

func (p *process) OpenSession(
	_ context.Context, customer payment.CustomerID, _ payment.SessionFeatures,
) (payment.Session, error) {
	return payment.Session{ClientSecret: payment.Secret("for " + customer)}, nil
}
