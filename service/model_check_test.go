package service_test

import (
	"context"
	"slices"
	"time"

	"pgregory.net/rapid"

	"kasse/service"
	"kasse/service/payment"
)

// checkReturned checks a returned payment: no other returned payment can still be paid, and its price is not older
// than one that was accepted before the request.
func (m *model) checkReturned(opened service.Opened, floor int64) {
	if !slices.Contains(m.returned, opened.ID) {
		m.returned = append(m.returned, opened.ID)
	}
	open := 0
	for _, at := range m.truths() {
		if slices.Contains(m.returned, at.ID) && at.Status != payment.Canceled {
			open++
		}
		if at.ID == opened.ID && at.payable() {
			m.checkPrice(at, floor)
		}
		if at.ID == opened.ID && (opened.Session == nil) != (at.Customer == "") {
			m.Fatalf("a payment of customer %q has the session %v", at.Customer, opened.Session)
		}
	}
	if open > 1 {
		m.Fatalf("%d returned payments are not cancelled: %+v", open, m.truths())
	}
}

// checkPrice: the amount and the customer are those of prices not older than floor.
func (m *model) checkPrice(at truth, floor int64) {
	amount := func(p price) bool { return p.hi >= floor && p.terms.Amount == at.Amount }
	customer := func(p price) bool { return p.hi >= floor && p.terms.Customer == at.Customer }
	if !slices.ContainsFunc(m.prices, amount) || !slices.ContainsFunc(m.prices, customer) {
		m.Fatalf("returned %+v, although a price with rev %d was accepted", at, floor)
	}
}

// finish ends the faults, lets every process end or die, delivers every event, runs the worker, and checks
// the result.
func (m *model) finish() {
	m.sim.ClearFaults()
	m.pass(time.Minute)
	for len(m.processes) > 0 {
		p := m.processes[0]
		if rapid.Bool().Draw(m.T, "dies in the end") {
			m.kill(p)
			continue
		}
		m.steps(p, 4*maxCalls)
		if !p.ended {
			m.Fatalf("%s does not end", p.name)
		}
	}
	for m.pending = append(m.pending, m.newEvents()...); len(m.pending) > 0; m.pending = m.newEvents() {
		events := rapid.Permutation(m.pending).Draw(m.T, "order")
		for _, event := range events {
			m.withoutFaults(func(svc *service.Service) error {
				_, err := svc.Webhook(context.Background(), event, signed(event, m.now()))
				return err
			})
		}
	}
	m.runWorker()
	m.checkCanceled()
	for _, at := range m.truths() {
		m.withoutFaults(func(svc *service.Service) error { return svc.Read(context.Background(), at.ID) })
	}
	m.runWorker()
	m.check()
	m.checkLast()
}

// withoutFaults runs work on a service without faults, and requires that it succeeds.
func (m *model) withoutFaults(work func(*service.Service) error) {
	if err := work(m.faultless()); err != nil {
		m.Fatal(err)
	}
}

// faultless returns a service without faults.
func (m *model) faultless() *service.Service {
	svc := m.replica(m.store, m.gateway())
	svc.MaxFailures = modelFailures
	return svc
}

// runWorker runs the worker until nothing is due.
func (m *model) runWorker() {
	for range 10 {
		m.pass(time.Minute)
		ids, err := m.store.ClaimReads(context.Background(), 100, time.Second)
		if err != nil {
			m.Fatal(err)
		}
		if len(ids) == 0 {
			return
		}
		for _, id := range ids {
			m.withoutFaults(func(svc *service.Service) error { return svc.ReadWithinBudget(context.Background(), id) })
		}
	}
	m.Fatal("the worker does not end: reads are always due")
}

// checkCanceled: without a crash, a payment that its order no longer needs is cancelled without another
// request.
func (m *model) checkCanceled() {
	o := m.order()
	for _, at := range m.truths() {
		if at.payable() && !m.died && slices.Contains(m.returned, at.ID) && !m.wanted(o, at.ID) {
			m.Fatalf("the order %+v does not need the payment, which was not cancelled: %+v", o, at)
		}
	}
}

// wanted reports whether an order needs a payment: it is the current one of an open order.
func (m *model) wanted(o payment.Order, id payment.ID) bool {
	return o.Winner == "" && o.Closed == "" && o.Current() == id
}

// check compares the order with Stripe.
func (m *model) check() {
	o, paid := m.order(), []truth{}
	for _, at := range m.truths() {
		v := m.view(at.ID)
		if v.Status != at.Status || v.Amount != at.Amount ||
			(v.State == payment.Paid) != (at.Status == payment.Succeeded) {
			m.Fatalf("the view is %+v, and Stripe has %+v", v, at)
		}
		if at.Status == payment.Succeeded {
			paid = append(paid, at)
		}
		awaited := o.Attempts[v.Attempt-1].Payment == "" && !o.Attempts[v.Attempt-1].Refused
		if at.payable() && !m.wanted(o, at.ID) && (!awaited || o.Closed != "" || o.Winner != "") {
			m.Fatalf("the order %+v does not need the payment, which is still open: %+v", o, at)
		}
	}
	if len(paid) > 1 {
		m.Fatalf("paid more than once: %+v", paid)
	}
	if len(paid) == 1 {
		m.checkWinner(o, paid[0])
	} else if o.Winner != "" {
		m.Fatalf("the order is won by %s, and no payment has succeeded", o.Winner)
	}
	m.checkFeed(len(paid) == 1 && m.view(paid[0].ID).Fulfillable)
}

func (m *model) view(id payment.ID) payment.View {
	stored, err := m.store.LoadView(context.Background(), id)
	if err != nil {
		m.Fatalf("the view of %s: %v", id, err)
	}
	return view(m.t, stored.View)
}

// checkWinner: the winner was paid at a price that a backend has set, and is held unless that price is the latest.
func (m *model) checkWinner(o payment.Order, at truth) {
	v := m.view(at.ID)
	if o.Winner != at.ID || v.Superseded {
		m.Fatalf("%s has succeeded, the order is won by %s: %+v", at.ID, o.Winner, v)
	}
	if !slices.ContainsFunc(m.prices, func(p price) bool { return p.terms.Amount == at.Amount }) {
		m.Fatalf("the price was set by no caller: %+v", at)
	}
	latest := v.Amount == o.Terms.Amount && v.Currency == o.Terms.Currency
	if v.Fulfillable != latest || (v.HoldReason == nil) != latest {
		m.Fatalf("the winner is %+v, the terms are %+v", v, o.Terms)
	}
}

// checkFeed: versions grow, a fulfillable payment is paid, and order.paid is sent once.
func (m *model) checkFeed(fulfillable bool) {
	page, err := m.store.LoadEvents(context.Background(), payment.FeedQuery{Limit: 500})
	if err != nil {
		m.Fatal(err)
	}
	versions, paid, since := map[payment.ID]int64{}, 0, time.Time{}
	for _, e := range page.Events {
		v := view(m.t, e.Data)
		if v.Version <= versions[v.Payment] {
			m.Fatalf("version %d of %s after %d", v.Version, v.Payment, versions[v.Payment])
		}
		versions[v.Payment] = v.Version
		if e.Type == "order.paid" {
			paid++
		}
		if v.Fulfillable && v.State != payment.Paid {
			m.Fatalf("fulfillable but not paid: %+v", v)
		}
		if v.FulfillableAt != nil && !since.IsZero() && !v.FulfillableAt.Equal(since) {
			m.Fatalf("fulfillable_at was %v and is %v", since, v.FulfillableAt)
		} else if v.FulfillableAt != nil {
			since = *v.FulfillableAt
		}
	}
	if paid > 1 || (paid == 1) != fulfillable {
		m.Fatalf("order.paid was announced %d times; fulfillable: %v", paid, fulfillable)
	}
}

// checkLast: no order is stuck. A last create, with a key and reopen, returns the order's single payable
// payment, or a reason.
func (m *model) checkLast() {
	o := m.order()
	if o.Proposed.Rev > o.Rev && o.Winner == "" && o.Closed == "" { // Stripe may have applied it, so it counts
		o.Terms.Amount, o.Rev = o.Proposed.Amount, o.Proposed.Rev
	}
	r := payment.CreateRequest{Order: "order-1", Terms: o.Terms, Reopen: true}
	switch {
	case o.Terms == payment.Terms{}: // the order has no terms
		r.Terms = m.terms()
		r.Terms.Amount = 7000
	// Stripe never accepts this amount, so a newer token is needed.
	case o.Terms.Amount < 50 && o.Closed == "" && o.Winner == "":
		r.Rev, r.Terms.Amount = o.Rev+1, 7000
	case o.Terms.Amount < 50:
		return
	}
	var opened service.Opened
	var err error
	for range 3 {
		if opened, err = m.faultless().Create(context.Background(), r); code(err) != payment.CodeStripeUnavailable &&
			code(err) != payment.CodeStripeError {
			break
		}
		m.pass(2 * time.Minute) // until the last attempt can be abandoned
	}
	m.runWorker()
	var payable []truth
	want := payment.Code("")
	for _, at := range m.truths() {
		switch {
		case at.payable():
			payable = append(payable, at)
		case at.Status == payment.Succeeded:
			want = payment.CodeOrderAlreadyPaid
		case at.Status != payment.Canceled:
			want = payment.CodePaymentInProgress
		}
	}
	if code(err) != want || (want == "" && err != nil) {
		m.Fatalf("the last create: %v, want %q: %+v of %+v", err, want, m.order(), m.truths())
	}
	if want == "" && (len(payable) != 1 || payable[0].ID != opened.ID || payable[0].Amount != r.Terms.Amount) {
		m.Fatalf("returned %s over %d, payable are %+v", opened.ID, r.Terms.Amount, payable)
	}
	if want != "" && len(payable) != 0 {
		m.Fatalf("the last create failed with %s, payable are %+v", want, payable)
	}
}
