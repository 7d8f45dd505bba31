package process_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"kasse/test/wait"
)

// mixPatience is how long Kasse's views may differ from Stripe after the last change. A worker
// completes the withdrawal of a killed process only after a minute.
const mixPatience = 3 * time.Minute

// compareWithStripe waits until every order matches Stripe. With alone, no caller repeats a change
// with an unknown outcome. The workers must find the outcomes, which takes them a minute.
func (m *mix) compareWithStripe(orders []*mixedOrder, alone bool) {
	m.t.Helper()
	m.noError(m.sim.Drain(m.t.Context()))
	for _, o := range orders {
		if !alone {
			o.repeatLastChange()
		}
	}
	wrong, remaining := map[*mixedOrder]error{}, orders
	for end := time.Now().Add(mixPatience); time.Now().Before(end); time.Sleep(time.Second) {
		m.noError(m.sim.Drain(m.t.Context()))
		wrong = m.compareOrders(remaining)
		switch {
		case len(wrong) > 0:
			remaining = slices.Collect(maps.Keys(wrong))
		case len(remaining) == len(orders):
			return
		default: // every order has matched once: compare all at the same time
			remaining = orders
		}
	}
	m.t.Errorf("%d of %d orders differ from Stripe after %s", len(wrong), len(orders), mixPatience)
	for o, err := range wrong {
		m.t.Errorf("%s: %v; its actions:\n%s", o.id, err, strings.Join(o.log, "\n"))
	}
}

// compareOrders compares orders with Stripe's current state, and returns those that differ.
func (m *mix) compareOrders(orders []*mixedOrder) map[*mixedOrder]error {
	m.t.Helper()
	wrong, truth := map[*mixedOrder]error{}, m.readAll()
	m.payments = 0
	for _, all := range truth.payments {
		m.payments += len(all)
	}
	for _, o := range orders {
		if err := m.compareOrder(o, truth); err != nil {
			wrong[o] = err
		}
	}
	return wrong
}

// repeatLastChange sends creates until there is an answer, if the outcome of the last change is
// unknown. A customer does the same whose payment was superseded by one that was not returned.
func (o *mixedOrder) repeatLastChange() {
	shown, _ := o.show(0)
	if !o.lastUnknown && (shown.Payment == nil || !shown.Payment.Superseded) {
		return
	}
	wait.UntilTrue(o.t, "an answer to the last change of "+o.id, func() bool {
		o.reprice(drawnAction{"new price", 4300, 1})
		return !o.lastUnknown
	})
}

// show requests the order from a replica.
func (o *mixedOrder) show(replica uint64) (shown orderShown, err error) {
	a, known := o.send(replica, readerKey, http.MethodGet, "/v1/orders/"+o.id, "", nil)
	switch {
	case a.status == http.StatusNotFound:
		return shown, nil
	case !known || a.status != http.StatusOK:
		return shown, fmt.Errorf("GET of the order: got %d %s, want 200 or 404", a.status, a.body)
	}
	return shown, json.Unmarshal(a.body, &shown)
}

// readAll reads all payments, refunds and events of Stripe, and Kasse's whole feed.
func (m *mix) readAll() mixTruth {
	m.t.Helper()
	all := mixTruth{map[string][]pricedTruth{}, map[string][]reversal{}, map[string]string{}, map[string][]mixEvent{}}
	for _, pi := range listAll(m, "/v1/payment_intents", func(pi pricedTruth) string { return pi.ID }) {
		all.payments[pi.Metadata["kasse_order_id"]] = append(all.payments[pi.Metadata["kasse_order_id"]], pi)
	}
	type refund struct {
		reversal
		Payment string `json:"payment_intent"`
	}
	for _, r := range listAll(m, "/v1/refunds", func(r refund) string { return r.ID }) {
		all.refunds[r.Payment] = append([]reversal{r.reversal}, all.refunds[r.Payment]...)
	}
	m.findOverlaps(all.overlaps)
	m.events = map[string]int{}
	for after := ""; ; {
		var page struct {
			Events []mixEvent
			Next   string
		}
		a, _ := m.send(0, backendKey, http.MethodGet, "/v1/events?limit=500&after="+after, "", nil)
		a.decode(m.t, &page)
		for _, e := range page.Events {
			m.events[e.Type]++
			all.feed[e.Data.OrderID] = append(all.feed[e.Data.OrderID], e)
		}
		if after = page.Next; len(page.Events) == 0 {
			return all
		}
	}
}

// findOverlaps finds orders with a new payment whose previous payment was not cancelled before. It
// goes through Stripe's events from the first to the last.
func (m *mix) findOverlaps(overlaps map[string]string) {
	type event struct {
		ID, Type string
		Data     struct{ Object intent }
	}
	events := listAll(m, "/v1/events", func(e event) string { return e.ID })
	created, running := map[string]bool{}, map[string]string{}
	for i := range events {
		e := events[len(events)-1-i]
		pi := e.Data.Object
		order := pi.Metadata["kasse_order_id"]
		switch {
		case e.Type == "payment_intent.created" && !created[pi.ID]:
			if before := running[order]; before != "" {
				overlaps[order] = before + " was not cancelled when " + pi.ID + " was created"
			}
			created[pi.ID], running[order] = true, pi.ID
		case e.Type == "payment_intent.canceled" && running[order] == pi.ID:
			delete(running, order)
		}
	}
}

// compareOrder compares both replicas' views of an order with Stripe.
func (m *mix) compareOrder(o *mixedOrder, all mixTruth) error {
	if overlap := all.overlaps[o.id]; overlap != "" {
		return errors.New(overlap)
	}
	canceled := func(e mixEvent) bool { return e.Type == "order.canceled" }
	if o.cannotEnd() && slices.ContainsFunc(all.feed[o.id], canceled) {
		return errors.New("the feed has order.canceled, but nothing has cancelled the order")
	}
	for replica := range uint64(2) {
		shown, err := o.show(replica)
		if err == nil {
			err = shown.compare(all, o.id)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// compare compares a view of an order with Stripe's payments, and with the feed.
func (shown orderShown) compare(all mixTruth, order string) error {
	views := map[string]*mixView{}
	if shown.Payment != nil {
		views[shown.Payment.PaymentIntent] = shown.Payment
	}
	for _, v := range shown.Superseded {
		views[v.PaymentIntent] = v
	}
	winners, payable := 0, 0
	for _, pi := range all.payments[order] {
		v := views[pi.ID]
		s := story{truth: pi.truth, refunds: all.refunds[pi.ID]}
		if v == nil {
			return fmt.Errorf("the order does not show %s", pi.ID)
		}
		want := fmt.Sprintln(
			pi.Status, s.state(), pi.Amount, pi.Currency, pi.AmountReceived, pi.AmountCapturable, s.refunded(),
		)
		got := fmt.Sprintln(
			v.Status, v.State, v.Amount, v.Currency, v.AmountReceived, v.AmountCapturable, v.AmountRefunded,
		)
		if got != want {
			return fmt.Errorf("%s is shown as %s, want %s", pi.ID, got, want)
		}
		if pi.Status == "succeeded" {
			winners++
		}
		if strings.HasPrefix(pi.Status, "requires_") && pi.Status != "requires_capture" {
			payable++
		}
		if v.Fulfillable && pi.Status != "succeeded" {
			return fmt.Errorf("%s is fulfillable but was not paid", pi.ID)
		}
	}
	switch {
	case len(views) != len(all.payments[order]):
		return fmt.Errorf("the order shows %d payments, want %d", len(views), len(all.payments[order]))
	case winners > 1:
		return fmt.Errorf("%d payments have succeeded, want at most 1", winners)
	case payable > 1, payable == 1 && (shown.Closed || shown.Payment.Superseded):
		return fmt.Errorf(
			"%d payments are payable, want at most 1, and none if the order is closed (%t)", payable, shown.Closed,
		)
	}
	return shown.compareLastEvent(all.feed[order])
}

// compareLastEvent compares the last order.* event with the view, and checks the order of the
// events.
func (shown orderShown) compareLastEvent(events []mixEvent) error {
	var last *mixEvent
	paid, version := 0, int64(0)
	for i, e := range events {
		if e.Type == "order.paid" {
			paid++
		}
		if e.Data.Version < version {
			return fmt.Errorf("the feed has version %d after %d", e.Data.Version, version)
		}
		version = e.Data.Version
		if !strings.HasPrefix(e.Type, "order.") || e.Type == "order.duplicate_payment" {
			continue
		}
		if last != nil && last.Data.PaymentIntent != e.Data.PaymentIntent && e.Data.State == "pending" &&
			e.Type != "order.reopened" {
			return fmt.Errorf("the first event of %s is %s, want order.reopened", e.Data.PaymentIntent, e.Type)
		}
		last = &events[i]
	}
	v := shown.Payment
	switch {
	case paid > 1:
		return fmt.Errorf("the feed has order.paid %d times, want at most once", paid)
	case v != nil && v.Fulfillable && paid == 0:
		return errors.New("the order is fulfillable, but the feed has no order.paid")
	case last == nil && v != nil && v.State != "pending":
		return fmt.Errorf("%s is %s, but the feed has no event about it", v.PaymentIntent, v.State)
	case last == nil:
		return nil
	case v == nil:
		return fmt.Errorf("the order shows no payment, but the feed has %s", last.Type)
	}
	got := fmt.Sprintln(last.Data.PaymentIntent, last.Data.State, last.Data.Fulfillable)
	if want := fmt.Sprintln(v.PaymentIntent, v.State, v.Fulfillable); got != want {
		return fmt.Errorf("the last event, %s, has %s, want %s", last.Type, got, want)
	}
	return nil
}
