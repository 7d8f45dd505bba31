package service_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"kasse/service"
	"kasse/service/payment"
)

// counted counts the calls of the write path. A call that begins while no other is running counts as one in series.
type counted struct {
	service.Store
	mu          sync.Mutex
	all, series int
	running     int
}

// reset restarts the counts and returns the old ones.
func (c *counted) reset() (all, series int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	all, series = c.all, c.series
	c.all, c.series = 0, 0
	return all, series
}

// call counts one call, and returns a function that ends it. That waits a moment, so that concurrent calls overlap.
func (c *counted) call() func() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all++
	if c.running == 0 {
		c.series++
	}
	c.running++
	return func() {
		time.Sleep(20 * time.Millisecond)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.running--
	}
}

func (c *counted) LoadOrder(ctx context.Context, ref payment.Ref, ids ...payment.ID) (payment.Order, time.Time, error) {
	defer c.call()()
	return c.Store.LoadOrder(ctx, ref, ids...)
}

func (c *counted) SaveOrder(
	ctx context.Context, o payment.Order, changes payment.Changes, ids ...payment.ID,
) (payment.Saved, error) {
	defer c.call()()
	return c.Store.SaveOrder(ctx, o, changes, ids...)
}

func (c *counted) FindOrder(ctx context.Context, id payment.ID) (payment.OrderID, bool, error) {
	defer c.call()()
	return c.Store.FindOrder(ctx, id)
}

func (c *counted) SavePointer(ctx context.Context, id payment.ID, order payment.OrderID, until time.Time) error {
	defer c.call()()
	return c.Store.SavePointer(ctx, id, order, until)
}

// shows returns a signed event of a payment with the status, at a Unix second.
func (w *serviceEnv) shows(id payment.ID, status payment.Status, at int64) (body []byte, signature string) {
	w.t.Helper()
	intent := w.ask(http.MethodGet, "/v1/payment_intents/"+string(id), nil)
	intent["status"], intent["latest_charge"] = status, "ch_1"
	if status == payment.Succeeded {
		intent["amount_received"] = intent["amount"]
	}
	body, err := json.Marshal(map[string]any{
		"id": fmt.Sprint("evt_", at, status), "object": "event", "type": "payment_intent." + status, "created": at,
		"livemode": false, "api_version": "2024-06-20", "data": map[string]any{"object": intent},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return body, signed(body, time.Now())
}

// TestCallsOfRedis counts the calls of a create and a webhook on the write path. A create loads, takes the
// lease with the form, and saves in parallel with the pointer. A webhook about an order that this process
// saved last saves it in parallel with a read of the pointer. Other webhooks load first.
func TestCallsOfRedis(t *testing.T) {
	w := newServiceEnv(t)
	own, other := &counted{Store: w.store}, &counted{Store: w.store}
	svc, elsewhere := w.replica(own, w.gateway()), w.replica(other, w.gateway())
	check := func(what string, c *counted, wantAll, wantSeries int) {
		t.Helper()
		if all, series := c.reset(); all != wantAll || series != wantSeries {
			t.Errorf("%s: %d calls, %d in series, want %d and %d", what, all, series, wantAll, wantSeries)
		}
	}
	opened, err := svc.Create(t.Context(), order("order-1", w.customer(), 4200))
	if err != nil {
		t.Fatal(err)
	}
	check("a create", own, 4, 3)
	deliver := func(s *service.Service, status payment.Status, at int64) {
		t.Helper()
		body, signature := w.shows(opened.ID, status, at)
		if outcome, err := s.Webhook(t.Context(), body, signature); err != nil || outcome != service.Applied {
			t.Fatalf("got outcome %s, %v", outcome, err)
		}
	}
	now := time.Now().Unix()
	deliver(svc, payment.Processing, now+10)
	check("processing, of an order that this process has saved last", own, 2, 1)
	deliver(elsewhere, payment.RequiresAction, now+20)
	check("of an order that another process has saved last", other, 3, 2)
	deliver(svc, payment.Processing, now+30)
	check("of an order that another process has saved since", own, 3, 2)
	deliver(svc, payment.Succeeded, now+40)
	check("succeeded, of an order that this process has saved last", own, 2, 1)
	stored, err := w.store.LoadView(t.Context(), opened.ID)
	if err != nil {
		t.Fatal(err)
	}
	if v := view(t, stored.View); v.State != payment.Paid || !v.Fulfillable {
		t.Errorf("the view is %+v", v)
	}
	body, signature := w.shows(opened.ID, payment.Succeeded, now+40)
	if outcome, err := svc.Webhook(t.Context(), body, signature); err != nil || outcome != service.Unchanged {
		t.Errorf("a repeated event: %s, %v", outcome, err)
	}
}
