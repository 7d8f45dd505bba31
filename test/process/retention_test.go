package process_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"kasse/test/wait"
)

// lateReturns are the ways in which an order is restored after retention or a loss has removed it. Retention
// removes orders whose charge is older than 30 days here. A restored order with a refund or dispute cannot be
// fulfilled, so no order.paid is sent.
var lateReturns = map[string]struct {
	age      time.Duration // of the charge, when the order is gone
	pointers bool          // they are still there
	paid     int           // how often order.paid is announced after that, always as restored
	back     func(*lossCase)
	state    string
}{
	"an old order is disputed":                 {aged, true, 0, (*lossCase).dispute, "disputed"},
	"an old order is disputed, no pointer":     {older, false, 0, (*lossCase).dispute, "disputed"},
	"an old order wins a dispute":              {aged, true, 0, (*lossCase).winDispute, "paid"},
	"an old order is refunded":                 {aged, true, 0, (*lossCase).giveBack, "partially_refunded"},
	"an old order is refunded, no pointer":     {older, false, 0, (*lossCase).giveBack, "partially_refunded"},
	"an old order is looked up":                {older, false, 0, (*lossCase).lookUpAgain, "paid"},
	"a young lost order is disputed":           {month / 3, true, 0, (*lossCase).dispute, "disputed"},
	"a young lost order wins a dispute":        {month / 3, true, 1, (*lossCase).winDispute, "paid"},
	"a young lost order is partly refunded":    {month / 3, true, 0, (*lossCase).giveBack, "partially_refunded"},
	"a young lost order is looked up":          {month / 3, true, 1, (*lossCase).lookUpAgain, "paid"},
	"a young lost order without its pointer":   {month / 3, false, 1, (*lossCase).lookUpAgain, "paid"},
	"a young lost order refunded, no pointers": {month / 3, false, 0, (*lossCase).giveBack, "partially_refunded"},
}

func (c *lossCase) giveBack() {
	_, err := c.w.sim.Refund(c.newest().PaymentIntent, 1000)
	c.w.no(err)
}

// lookUpAgain looks the payment up until its order is there: the process may have the view in
// memory for a moment.
func (c *lossCase) lookUpAgain() {
	wait.Until(c.w.t, "the order again", func() error {
		c.lookUp()
		a, err := c.process().ask(backendKey, http.MethodGet, "/v1/orders/"+c.order, "")
		if err == nil && a.status != http.StatusOK {
			err = fmt.Errorf("%d %s", a.status, a.body)
		}
		return err
	})
}

func (c *lossCase) dispute() {
	_, err := c.w.sim.OpenDispute(c.newest().PaymentIntent, "", false)
	c.w.no(err)
}

// winDispute lets a dispute be opened and won; Kasse gets the events of both.
func (c *lossCase) winDispute() {
	id, err := c.w.sim.OpenDispute(c.newest().PaymentIntent, "", false)
	c.w.no(err)
	c.w.no(c.w.sim.MoveDispute(id, "won"))
}

// TestRetentionAndLoss: an order that retention has taken was announced as paid, and comes back
// without a second announcement; one that is younger was lost, and is announced once, as restored.
func TestRetentionAndLoss(t *testing.T) {
	t.Parallel()
	for name, test := range lateReturns {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newLossEnv(t, test.age)
			// The read that verifies the success would be the first news of a lost order.
			w.own = map[string]string{
				"PAYMENT_RETENTION": "720h", "PAYMENT_ABANDON_AFTER": "off", "SUCCESS_VERIFICATION": "off",
			}
			w.serve()
			c := &lossCase{w: w, order: "late", price: 4200}
			c.step("open")
			c.step("paid")
			w.settled()
			w.forget(test.age, test.pointers)
			test.back(c)
			if len(c.problems) > 0 {
				t.Fatal(c.problems)
			}
			c.awaitOrder(test.state)
			w.settled()
			c.checkLate(test.paid)
			w.mend("reconcile")
			w.settled()
			c.checkLate(test.paid)
			w.report([]*lossCase{c})
		})
	}
}

// forget lets the time pass. An old order and its events expire by themselves, a young one is
// deleted.
func (w *lossEnv) forget(age time.Duration, pointers bool) {
	w.t.Helper()
	ctx := w.t.Context()
	for _, key := range w.client.Keys(ctx, "kasse:{p*}:events").Val() {
		w.no(w.client.XTrimMaxLen(ctx, key, 0).Err())
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
		w.no(w.client.Set(ctx, key, now, 0).Err()) // catch-up has run all the time
	}
	expect(w.t, "stored orders", len(w.client.Keys(ctx, "kasse:{p*}:order:*").Val()), 0)
	expect(w.t, "a pointer", len(w.client.Keys(ctx, "kasse:{p*}:pi:*").Val()) > 0, pointers)
}

const (
	month = 30 * 24 * time.Hour
	aged  = month + 10*24*time.Hour   // the pointer is still there
	older = 2*month + 15*24*time.Hour // the pointer is not
)

// awaitOrder waits until the order's payment is in the state.
func (c *lossCase) awaitOrder(state string) {
	wait.Until(c.w.t, "the order as "+state, func() error {
		a, err := c.process().ask(backendKey, http.MethodGet, "/v1/orders/"+c.order, "")
		if err != nil {
			return err
		}
		if a.status != http.StatusOK {
			return fmt.Errorf("%d %s", a.status, a.body)
		}
		var order struct{ Payment lossView }
		a.decode(c.w.t, &order)
		if order.Payment.State != state {
			return fmt.Errorf("it is %s", a.body)
		}
		return nil
	})
}

// checkLate checks the events of a restored order, and its fulfillable_at: the time of its charge.
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
		c.problem("order.paid was sent %d times, want %d: %v", got, want, kinds)
	}
	var pi struct {
		Charge struct{ Created int64 } `json:"latest_charge"`
	}
	path := "/v1/payment_intents/" + c.newest().PaymentIntent + "?expand[]=latest_charge"
	c.w.askStripe(http.MethodGet, path, stripeKey, nil, &pi)
	at := time.Unix(pi.Charge.Created, 0).UTC().Format(time.RFC3339)
	if shown := c.shown(c.newest().PaymentIntent); shown.FulfillableAt != nil && *shown.FulfillableAt != at {
		c.problem("fulfillable_at is %s, the charge is of %s", *shown.FulfillableAt, at)
	} else if shown.FulfillableAt == nil && want > 0 {
		c.problem("fulfillable_at is not set")
	}
}
