package service_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"kasse/service"
	"kasse/service/payment"
)

// errDead is the error of every call of a dead process.
var errDead = errors.New("the process has died")

// crashing is the connection of a process to Redis and Stripe. The process dies at one of its calls: before the call
// is sent, or after it was executed and before the response arrives. Later calls fail.
type crashing struct {
	service.Store
	service.Stripe
	mu    sync.Mutex
	left  int  // calls until the process dies, that one included
	after bool // the last call is executed, and its response is lost
}

// step reports whether the next call is sent, and whether its response arrives.
func (m *crashing) step() (sent, answered bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.left--
	return m.left > 0 || (m.left == 0 && m.after), m.left > 0
}

// through makes a call, unless the process is dead.
func through[T any](m *crashing, call func() (T, error)) (T, error) {
	var none T
	sent, answered := m.step()
	if !sent {
		return none, errDead
	}
	result, err := call()
	if !answered {
		return none, errDead
	}
	return result, err
}

func (m *crashing) SaveOrder(
	ctx context.Context, o payment.Order, c payment.Changes, ids ...payment.ID,
) (payment.Saved, error) {
	return through(m, func() (payment.Saved, error) { return m.Store.SaveOrder(ctx, o, c, ids...) })
}

func (m *crashing) SavePointer(ctx context.Context, id payment.ID, order payment.OrderID, until time.Time) error {
	_, err := through(m, func() (any, error) { return nil, m.Store.SavePointer(ctx, id, order, until) })
	return err
}

func (m *crashing) LoadOrder(
	ctx context.Context, ref payment.Ref, ids ...payment.ID,
) (payment.Order, time.Time, error) {
	type loaded struct {
		payment.Order
		time.Time
	}
	l, err := through(m, func() (loaded, error) {
		o, now, err := m.Store.LoadOrder(ctx, ref, ids...)
		return loaded{o, now}, err
	})
	return l.Order, l.Time, err
}

func (m *crashing) OpenPayment(ctx context.Context, key, form string) (payment.Answer, error) {
	return through(m, func() (payment.Answer, error) { return m.Stripe.OpenPayment(ctx, key, form) })
}

func (m *crashing) RetrievePayment(ctx context.Context, id payment.ID) (payment.Answer, error) {
	return through(m, func() (payment.Answer, error) { return m.Stripe.RetrievePayment(ctx, id) })
}

// TestCreateHealsAfterACrashAnywhere: a process dies in a create, before or after each of its calls. The next try,
// after the end of the lease, returns the order's single payable PaymentIntent. When that is paid, so is the order.
func TestCreateHealsAfterACrashAnywhere(t *testing.T) {
	for _, after := range []bool{false, true} {
		died := true
		for step := 1; died; step++ {
			t.Run(fmt.Sprintf("after=%v/call=%d", after, step), func(t *testing.T) {
				died = createHeals(t, step, after)
			})
		}
	}
}

func createHeals(t *testing.T, step int, after bool) (died bool) {
	t.Helper()
	w := newServiceEnv(t)
	request := order("order-1", w.customer(), 4200)
	m := &crashing{Store: w.store, Stripe: w.gateway(), left: step, after: after}
	_, err := w.replica(m, m).Create(t.Context(), request)
	if died = errors.Is(err, errDead); !died && err != nil {
		t.Fatal(err)
	}

	w.later(time.Minute)
	survivor := w.replica(w.store, w.gateway())
	opened, err := survivor.Create(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	if payable := w.payable(); len(payable) != 1 || payable[0] != opened.ID {
		t.Fatalf("payable at Stripe: %v; returned: %v", payable, opened.ID)
	}
	if opened.ClientSecret == "" || opened.Session == nil {
		t.Fatal("the client secret or the session is missing")
	}
	w.deliverTo(survivor)
	w.confirm(opened.ID, "pm_card_visa")
	w.drained()
	status, err := survivor.Status(t.Context(), service.Caller{Key: "test"}, opened.ID)
	if err != nil {
		t.Fatal(err)
	}
	if v := view(t, status.View); v.State != payment.Paid || !v.Fulfillable || v.FulfillableAt == nil ||
		v.Attempt != 1 {
		t.Fatalf("after the payment: %+v", v)
	}
	return died
}
