package process_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"kasse/test/wait"
)

// restoreCases are ways in which Kasse restores an order that retention or a loss has removed.
// Retention removes orders whose charge is older than 30 days in this test. A restored order with a
// refund or a dispute is not fulfillable, so the stream has no order.paid of it.
var restoreCases = map[string]struct {
	age      time.Duration // of the charge at the removal
	pointers bool          // Redis still has the payment's pointer
	paid     int           // number of later events order.paid, all of them restored
	restore  func(*lossCase)
	state    string // after that
}{
	"an old order is disputed":              {aged, true, 0, (*lossCase).dispute, "disputed"},
	"an old order is disputed, no pointer":  {older, false, 0, (*lossCase).dispute, "disputed"},
	"an old order wins a dispute":           {aged, true, 0, (*lossCase).winDispute, "paid"},
	"an old order is refunded":              {aged, true, 0, (*lossCase).refundAtStripe, "partially_refunded"},
	"an old order is refunded, no pointer":  {older, false, 0, (*lossCase).refundAtStripe, "partially_refunded"},
	"an old order is looked up, no pointer": {older, false, 0, (*lossCase).lookUpAgain, "paid"},
	"a young lost order is disputed":        {month / 3, true, 0, (*lossCase).dispute, "disputed"},
	"a young lost order wins a dispute":     {month / 3, true, 1, (*lossCase).winDispute, "paid"},
	"a young lost order is partly refunded": {month / 3, true, 0, (*lossCase).refundAtStripe, "partially_refunded"},
	"a young lost order is looked up":       {month / 3, true, 1, (*lossCase).lookUpAgain, "paid"},
	"a lost order is looked up, no pointer": {month / 3, false, 1, (*lossCase).lookUpAgain, "paid"},
	"a lost order is refunded, no pointer":  {month / 3, false, 0, (*lossCase).refundAtStripe, "partially_refunded"},
}

func (c *lossCase) refundAtStripe() {
	_, err := c.w.sim.Refund(c.newest().PaymentIntent, 1000)
	c.w.noError(err)
}

// lookUpAgain requests the payment until Kasse has restored its order. The process may still have a
// cached view.
func (c *lossCase) lookUpAgain() {
	wait.Until(c.w.t, "the restored order", func() error {
		c.lookUp()
		a, err := c.process().request(backendKey, http.MethodGet, "/v1/orders/"+c.order, "")
		if err == nil && a.status != http.StatusOK {
			err = fmt.Errorf("got %d %s", a.status, a.body)
		}
		return err
	})
}

func (c *lossCase) dispute() {
	_, err := c.w.sim.OpenDispute(c.newest().PaymentIntent, "", false)
	c.w.noError(err)
}

// winDispute opens and wins a dispute. Kasse gets the events of both.
func (c *lossCase) winDispute() {
	id, err := c.w.sim.OpenDispute(c.newest().PaymentIntent, "", false)
	c.w.noError(err)
	c.w.noError(c.w.sim.MoveDispute(id, "won"))
}

// TestRetentionAndLoss: Kasse restores an order that retention has removed without a second
// order.paid. It restores a younger order, which was lost, with one order.paid, marked as restored.
func TestRetentionAndLoss(t *testing.T) {
	t.Parallel()
	for name, test := range restoreCases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newLossEnv(t, test.age)
			// Without this setting, the read that verifies the success would restore a lost order.
			w.extra = map[string]string{
				"PAYMENT_RETENTION": "720h", "PAYMENT_ABANDON_AFTER": "off", "SUCCESS_VERIFICATION": "off",
			}
			w.serve()
			c := &lossCase{w: w, order: "late", price: 4200}
			c.step("open")
			c.step("paid")
			w.awaitSettled()
			w.removeOrder(test.age, test.pointers)
			test.restore(c)
			if len(c.problems) > 0 {
				t.Fatal(c.problems)
			}
			c.awaitOrder(test.state)
			w.awaitSettled()
			c.checkLate(test.paid)
			w.runExclusive("reconcile")
			w.awaitSettled()
			c.checkLate(test.paid)
			w.report([]*lossCase{c})
		})
	}
}

// removeOrder advances the clocks by the age. An old order and its events expire; a younger one is
// deleted.
func (w *lossEnv) removeOrder(age time.Duration, pointers bool) {
	w.t.Helper()
	ctx := w.t.Context()
	for _, key := range w.client.Keys(ctx, "kasse:{p*}:events").Val() {
		w.noError(w.client.XTrimMaxLen(ctx, key, 0).Err())
	}
	if age < month {
		w.deleteKeys("kasse:{p*}:order:*")
	}
	if age < month && !pointers {
		w.deleteKeys("kasse:{p*}:pi:*")
	}
	w.advance(age)
	now := w.client.Time(ctx).Val().Unix()
	for _, meta := range w.client.Keys(ctx, "kasse:{p*}:meta").Val() {
		key := strings.TrimSuffix(meta, "meta") + "catchup"
		w.noError(w.client.Set(ctx, key, now, 0).Err()) // as if the catch-up had always run
	}
	expect(w.t, "number of stored orders", len(w.client.Keys(ctx, "kasse:{p*}:order:*").Val()), 0)
	expect(w.t, "Redis has a pointer", len(w.client.Keys(ctx, "kasse:{p*}:pi:*").Val()) > 0, pointers)
}

const (
	month = 30 * 24 * time.Hour
	aged  = month + 10*24*time.Hour   // the order has expired, and its pointer has not
	older = 2*month + 15*24*time.Hour // the order and its pointer have expired
)

// awaitOrder waits until the order's payment is in the state.
func (c *lossCase) awaitOrder(state string) {
	wait.Until(c.w.t, "the order as "+state, func() error {
		a, err := c.process().request(backendKey, http.MethodGet, "/v1/orders/"+c.order, "")
		if err != nil {
			return err
		}
		if a.status != http.StatusOK {
			return fmt.Errorf("got %d %s", a.status, a.body)
		}
		var order struct{ Payment lossView }
		a.decode(c.w.t, &order)
		if order.Payment.State != state {
			return fmt.Errorf("the order is %s", a.body)
		}
		return nil
	})
}

// checkLate checks that a restored order has this many events order.paid, all marked as restored,
// and that its fulfillable_at is the time of its charge.
func (c *lossCase) checkLate(want int) {
	got := 0
	var kinds []string
	for _, e := range c.w.stream()[c.order] {
		kinds = append(kinds, e.kind)
		if e.kind == "order.paid" {
			got++
			if !e.restored {
				c.problem("order.paid is not marked as restored")
			}
		}
	}
	if got != want {
		c.problem("the stream has order.paid %d times, want %d: %v", got, want, kinds)
	}
	var pi struct {
		Charge struct{ Created int64 } `json:"latest_charge"`
	}
	path := "/v1/payment_intents/" + c.newest().PaymentIntent + "?expand[]=latest_charge"
	c.w.requestStripe(http.MethodGet, path, stripeKey, nil, &pi)
	at := time.Unix(pi.Charge.Created, 0).UTC().Format(time.RFC3339)
	if shown := c.shown(c.newest().PaymentIntent); shown.FulfillableAt != nil && *shown.FulfillableAt != at {
		c.problem("fulfillable_at is %s, want the charge's time %s", *shown.FulfillableAt, at)
	} else if shown.FulfillableAt == nil && want > 0 {
		c.problem("fulfillable_at is not set, want %s", at)
	}
}
