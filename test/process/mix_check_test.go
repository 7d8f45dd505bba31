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

// mixPatience is how long what is shown may differ from the truth once all is quiet. A withdrawal whose process died is
// looked at after a minute.
const mixPatience = 3 * time.Minute

// compareWithStripe waits until all work is done, and compares every order with Stripe. With alone, no caller returns,
// and the workers must find the outcomes, which takes them a minute.
func (m *mix) compareWithStripe(orders []*mixedOrder, alone bool) {
	m.t.Helper()
	m.no(m.sim.Drain(m.t.Context()))
	for _, o := range orders {
		if !alone {
			o.repeatLastChange()
		}
	}
	wrong, left := map[*mixedOrder]error{}, orders
	for end := time.Now().Add(mixPatience); time.Now().Before(end); time.Sleep(time.Second) {
		m.no(m.sim.Drain(m.t.Context()))
		wrong = m.compareOrders(left)
		switch {
		case len(wrong) > 0:
			left = slices.Collect(maps.Keys(wrong))
		case len(left) == len(orders):
			return
		default: // all have been right: are they still?
			left = orders
		}
	}
	m.t.Errorf("%d of %d orders differ from the truth after %s", len(wrong), len(orders), mixPatience)
	for o, err := range wrong {
		m.t.Errorf("%s: %v\n%s", o.id, err, strings.Join(o.log, "\n"))
	}
}

// compareOrders compares orders with the truth of this moment, and returns those that differ.
func (m *mix) compareOrders(orders []*mixedOrder) map[*mixedOrder]error {
	m.t.Helper()
	wrong, truth := map[*mixedOrder]error{}, m.lookAtAll()
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

// repeatLastChange repeats a caller's last change without a response: it creates until there is one. So does a
// customer whose payment was withdrawn for another that was not returned.
func (o *mixedOrder) repeatLastChange() {
	shown, _ := o.show(0)
	if !o.open && (shown.Payment == nil || !shown.Payment.Superseded) {
		return
	}
	wait.Until(o.t, "the answer to the last change of "+o.id, func() error {
		o.reprice(drawnAct{"new price", 4300, 1})
		return yet(!o.open)
	})
}

// show asks a replica for the order.
func (o *mixedOrder) show(replica uint64) (shown orderShown, err error) {
	a, known := o.send(replica, readerKey, http.MethodGet, "/v1/orders/"+o.id, "", nil)
	switch {
	case a.status == http.StatusNotFound:
		return shown, nil
	case !known || a.status != http.StatusOK:
		return shown, fmt.Errorf("GET answered %d %s", a.status, a.body)
	}
	return shown, json.Unmarshal(a.body, &shown)
}

// lookAtAll asks Stripe for all that it has, and Kasse for all its events.
func (m *mix) lookAtAll() mixTruth {
	m.t.Helper()
	all := mixTruth{map[string][]pricedTruth{}, map[string][]returned{}, map[string]string{}, map[string][]mixEvent{}}
	for _, pi := range listAll(m, "/v1/payment_intents", func(pi pricedTruth) string { return pi.ID }) {
		all.payments[pi.Metadata["kasse_order_id"]] = append(all.payments[pi.Metadata["kasse_order_id"]], pi)
	}
	type refund struct {
		returned
		Payment string `json:"payment_intent"`
	}
	for _, r := range listAll(m, "/v1/refunds", func(r refund) string { return r.ID }) {
		all.refunds[r.Payment] = append([]returned{r.returned}, all.refunds[r.Payment]...)
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

// findOverlaps goes through Stripe's events from the first to the last: before another payment of an order is made, the
// one before was cancelled.
func (m *mix) findOverlaps(overlaps map[string]string) {
	type event struct {
		ID, Type string
		Data     struct{ Object intent }
	}
	events := listAll(m, "/v1/events", func(e event) string { return e.ID })
	made, running := map[string]bool{}, map[string]string{}
	for i := range events {
		e := events[len(events)-1-i]
		pi := e.Data.Object
		order := pi.Metadata["kasse_order_id"]
		switch {
		case e.Type == "payment_intent.created" && !made[pi.ID]:
			if before := running[order]; before != "" {
				overlaps[order] = before + " was not cancelled when " + pi.ID + " was made"
			}
			made[pi.ID], running[order] = true, pi.ID
		case e.Type == "payment_intent.canceled" && running[order] == pi.ID:
			delete(running, order)
		}
	}
}

// compareOrder holds an order, as both replicas show it, against the truth.
func (m *mix) compareOrder(o *mixedOrder, all mixTruth) error {
	if overlap := all.overlaps[o.id]; overlap != "" {
		return errors.New(overlap)
	}
	canceled := func(e mixEvent) bool { return e.Type == "order.canceled" }
	if o.goesOn() && slices.ContainsFunc(all.feed[o.id], canceled) {
		return errors.New("order.canceled was sent, and the order goes on")
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
			return fmt.Errorf("%s is not shown", pi.ID)
		}
		is := fmt.Sprintln(
			pi.Status, s.state(), pi.Amount, pi.Currency, pi.AmountReceived, pi.AmountCapturable, s.refunded(),
		)
		looks := fmt.Sprintln(
			v.Status, v.State, v.Amount, v.Currency, v.AmountReceived, v.AmountCapturable, v.AmountRefunded,
		)
		if is != looks {
			return fmt.Errorf("%s is shown as %s and is %s", pi.ID, looks, is)
		}
		if pi.Status == "succeeded" {
			winners++
		}
		if strings.HasPrefix(pi.Status, "requires_") && pi.Status != "requires_capture" {
			payable++
		}
		if v.Fulfillable && pi.Status != "succeeded" {
			return fmt.Errorf("%s is fulfillable and was not paid", pi.ID)
		}
	}
	switch {
	case len(views) != len(all.payments[order]):
		return fmt.Errorf("%d payments are shown, Stripe has %d", len(views), len(all.payments[order]))
	case winners > 1:
		return fmt.Errorf("%d payments have succeeded", winners)
	case payable > 1, payable == 1 && (shown.Closed || shown.Payment.Superseded):
		return fmt.Errorf("%d payments can be paid; closed %t", payable, shown.Closed)
	}
	return shown.compareWord(all.feed[order])
}

// compareWord holds the last order.* event against what is shown.
func (shown orderShown) compareWord(events []mixEvent) error {
	var last *mixEvent
	paid, version := 0, int64(0)
	for i, e := range events {
		if e.Type == "order.paid" {
			paid++
		}
		if e.Data.Version < version {
			return fmt.Errorf("version %d comes after %d", e.Data.Version, version)
		}
		version = e.Data.Version
		if !strings.HasPrefix(e.Type, "order.") || e.Type == "order.duplicate_payment" {
			continue
		}
		if last != nil && last.Data.PaymentIntent != e.Data.PaymentIntent && e.Data.State == "pending" &&
			e.Type != "order.reopened" {
			return fmt.Errorf("%s begins with %s", e.Data.PaymentIntent, e.Type)
		}
		last = &events[i]
	}
	v := shown.Payment
	switch {
	case paid > 1:
		return fmt.Errorf("order.paid was sent %d times", paid)
	case v != nil && v.Fulfillable && paid == 0:
		return errors.New("it is fulfillable and order.paid was not sent")
	case last == nil && v != nil && v.State != "pending":
		return fmt.Errorf("%s is %s, and no event says so", v.PaymentIntent, v.State)
	case last == nil:
		return nil
	case v == nil:
		return fmt.Errorf("no payment is shown after %s", last.Type)
	}
	word := fmt.Sprintln(last.Data.PaymentIntent, last.Data.State, last.Data.Fulfillable)
	if is := fmt.Sprintln(v.PaymentIntent, v.State, v.Fulfillable); word != is {
		return fmt.Errorf("the last word, %s, is %s and shown is %s", last.Type, word, is)
	}
	return nil
}
