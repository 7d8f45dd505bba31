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

// mortal is one process's connection to Redis and Stripe. The process dies at its n-th call: before the call
// is made, or after it was executed and before the response arrives. Later calls fail.
type mortal struct {
	service.Store
	service.Stripe
	mu    sync.Mutex
	left  int
	after bool // the last call is executed and its response lost
}

// step reports whether the call is sent, and whether its response arrives.
func (m *mortal) step() (out, back bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.left--
	return m.left > 0 || (m.left == 0 && m.after), m.left > 0
}

func through[T any](m *mortal, call func() (T, error)) (T, error) {
	var none T
	out, back := m.step()
	if !out {
		return none, errDead
	}
	result, err := call()
	if !back {
		return none, errDead
	}
	return result, err
}

func (m *mortal) SaveOrder(
	ctx context.Context, o payment.Order, c payment.Changes, ids ...payment.ID,
) (payment.Saved, error) {
	return through(m, func() (payment.Saved, error) { return m.Store.SaveOrder(ctx, o, c, ids...) })
}

func (m *mortal) SavePointer(ctx context.Context, id payment.ID, order payment.OrderID, until time.Time) error {
	_, err := through(m, func() (any, error) { return nil, m.Store.SavePointer(ctx, id, order, until) })
	return err
}

func (m *mortal) LoadOrder(ctx context.Context, ref payment.Ref, ids ...payment.ID) (payment.Order, time.Time, error) {
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

func (m *mortal) OpenPayment(ctx context.Context, key, form string) (payment.Answer, error) {
	return through(m, func() (payment.Answer, error) { return m.Stripe.OpenPayment(ctx, key, form) })
}

func (m *mortal) RetrievePayment(ctx context.Context, id payment.ID) (payment.Answer, error) {
	return through(m, func() (payment.Answer, error) { return m.Stripe.RetrievePayment(ctx, id) })
}

// TestCreateHealsAfterACrashAnywhere kills a create before and after each of its calls. The next try, after
// the lease's end, returns the order's single payable PaymentIntent, and paying it makes the order paid.
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
	m := &mortal{Store: w.store, Stripe: w.gateway(), left: step, after: after}
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
		t.Fatalf("payable at Stripe: %v; handed out: %v", payable, opened.ID)
	}
	if opened.ClientSecret == "" || opened.Session == nil {
		t.Fatal("a secret is missing")
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
		t.Fatalf("after paying: %+v", v)
	}
	return died
}
