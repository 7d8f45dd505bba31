package service_test

import (
	"context"
	"fmt"
	"slices"
	"time"

	"pgregory.net/rapid"

	"kasse/service"
	"kasse/service/payment"
	"kasse/service/stripe/stripesim"
)

// terms draws terms. Each amount is drawn once, so that it identifies its price.
func (m *model) terms() payment.Terms {
	t := payment.Terms{
		Amount: int64(1000 + 10*len(m.prices)), Currency: "eur", Customer: m.customers[1],
		CaptureMethod: payment.CaptureAutomaticAsync,
	}
	switch rapid.IntRange(0, 15).Draw(m.T, "terms") {
	case 0:
		t.Currency = "chf"
	case 1:
		t.Customer = m.customers[2]
	case 2:
		t.Customer = m.customers[0]
	case 3:
		t.CaptureMethod = payment.CaptureManual
	case 4:
		t.Amount = int64(1 + len(m.prices)) // less than Stripe's minimum
	case 5, 6:
		t.Amount = int64(9000 - 10*len(m.prices))
	}
	return t
}

// presentToken creates with a token: a new one, or one that the backend has signed before.
func (m *model) presentToken(*rapid.T) {
	if len(m.tokens) == 0 || rapid.Bool().Draw(m.T, "new token") {
		rev := m.now().UnixMilli() + 1000*rapid.Int64Range(-3, 3).Draw(m.T, "rev")
		m.tokens = append(m.tokens, payment.CreateRequest{Order: "order-1", Terms: m.terms(), Rev: rev})
	}
	r := rapid.SampledFrom(m.tokens).Draw(m.T, "token")
	at := m.set(r.Terms, r.Rev, r.Rev)
	m.create(fmt.Sprintf("token %d of %d", r.Rev-noon.UnixMilli(), r.Terms.Amount), r, func(err error) {
		inProgress := code(err) == payment.CodePaymentInProgress && m.order().Closed == ""
		m.prices[at].accepted = err == nil || inProgress
	})
}

// createByKey creates with a service key, mostly with the order's own terms.
func (m *model) createByKey(*rapid.T) {
	r := payment.CreateRequest{Order: "order-1", Terms: m.order().Terms, Reopen: rapid.Bool().Draw(m.T, "reopen")}
	if (r.Terms == payment.Terms{}) || rapid.IntRange(0, 9).Draw(m.T, "other terms") == 0 {
		r.Terms = m.terms()
	}
	m.set(r.Terms, m.now().UnixMilli(), always)
	m.create(fmt.Sprintf("key of %d, reopen %v", r.Terms.Amount, r.Reopen), r, func(error) {})
}

func (m *model) create(name string, r payment.CreateRequest, then func(error)) {
	floor := m.floor()
	var opened service.Opened
	var err error
	m.start("create by "+name, func(svc *service.Service) {
		opened, err = svc.Create(context.Background(), r)
	}, func() {
		m.Logf("create by %s: %s %v", name, opened.ID, err)
		m.expect(err, payment.CodeOrderConflict, payment.CodeOrderAlreadyPaid, payment.CodeOrderClosed,
			payment.CodePaymentInProgress, payment.CodeIdempotencyInProgress,
			payment.CodeAmountOutOfRange, payment.CodeAttemptsExhausted)
		if err == nil {
			m.checkReturned(opened, floor)
		}
		then(err)
	})
}

// mint records the terms of a token that the service signs.
func (m *model) mint(*rapid.T) {
	r := payment.CreateRequest{Order: "order-1", Terms: m.terms()}
	at := m.set(r.Terms, 0, always)
	var err error
	m.start(fmt.Sprintf("mint of %d", r.Terms.Amount), func(svc *service.Service) {
		r.Rev, err = svc.RecordTerms(context.Background(), r)
	}, func() {
		m.expect(err)
		if err == nil {
			m.tokens = append(m.tokens, r)
			m.prices[at].lo, m.prices[at].hi = r.Rev, r.Rev
			m.prices[at].accepted = m.order().Rev >= r.Rev // a won or closed order accepts no terms
		}
	})
}

func (m *model) changeAmount(*rapid.T) {
	id := m.anyReturned()
	stored, err := m.store.LoadView(context.Background(), id)
	if err != nil {
		m.Fatal(err)
	}
	terms := m.order().Terms
	terms.Amount = m.terms().Amount
	at := m.set(terms, m.now().UnixMilli(), always)
	m.start(fmt.Sprintf("change of %s to %d", id, terms.Amount), func(svc *service.Service) {
		_, err = svc.ChangeAmount(context.Background(), id, stored.Version, terms.Amount)
	}, func() {
		m.Logf("change to %d: %v", terms.Amount, err)
		m.expect(
			err, payment.CodeVersionMismatch, payment.CodeInvalidState, payment.CodeIdempotencyInProgress,
			payment.CodeAmountOutOfRange,
		)
		m.prices[at].accepted = err == nil && m.order().Winner == "" &&
			m.order().Closed == "" // otherwise it may have been too late
	})
}

func (m *model) cancel(*rapid.T) {
	id := m.anyReturned()
	var err error
	m.start("cancel of "+string(id), func(svc *service.Service) {
		_, err = svc.Cancel(context.Background(), id, "")
	}, func() {
		m.Logf("cancel: %v", err)
		m.expect(err, payment.CodeInvalidState, payment.CodeIdempotencyInProgress)
	})
}

// customerActs draws an action of a customer, who keeps the secrets of all returned payments.
func (m *model) customerActs(*rapid.T) {
	id := m.anyReturned()
	what := rapid.SampledFrom([]string{
		"pm_card_chargeDeclined", "pm_card_chargeDeclined", "pm_card_authenticationRequired", "pm_sepaDebit",
		"pm_card_visa", "agrees", "fails to agree", "bank pays", "bank refuses", "Stripe cancels",
	}).Draw(m.T, "what")
	m.Logf("%s: %s", id, what)
	m.customerDoes(id, what)
}

// anyReturned draws one of the returned payments.
func (m *model) anyReturned() payment.ID {
	if len(m.returned) == 0 {
		m.Skip("no payment was returned yet")
	}
	return rapid.SampledFrom(m.returned).Draw(m.T, "payment")
}

// deliver delivers one of the pending events, or drops it. A delivered event may stay pending.
func (m *model) deliver(*rapid.T) {
	m.pending = append(m.pending, m.newEvents()...)
	if len(m.pending) == 0 {
		m.Skip("no event is pending")
	}
	at := rapid.IntRange(0, len(m.pending)-1).Draw(m.T, "event")
	event := m.pending[at]
	again := rapid.IntRange(0, 9).Draw(m.T, "again")
	if again > 1 {
		m.pending = slices.Delete(m.pending, at, at+1)
	}
	if again == 9 {
		return
	}
	m.deliverEvent(event)
}

func (m *model) deliverEvent(event []byte) {
	signature := signed(event, m.now())
	var err error
	m.start("webhook", func(svc *service.Service) {
		_, err = svc.Webhook(context.Background(), event, signature)
	}, func() {
		m.expect(err)
		if err != nil {
			m.pending = append(m.pending, event) // Stripe delivers it again
		}
	})
}

// work reads one due payment, as the worker does.
func (m *model) work(*rapid.T) {
	ids, err := m.store.ClaimReads(context.Background(), 1, time.Second)
	if err != nil {
		m.Fatal(err)
	}
	if len(ids) == 0 {
		m.Skip("no read is due")
	}
	m.read(ids[0])
}

func (m *model) read(id payment.ID) {
	var err error
	m.start(
		"read of "+string(id), func(svc *service.Service) { err = svc.Read(context.Background(), id) },
		func() { m.expect(err) },
	)
}

// letTimePass moves the clocks.
func (m *model) letTimePass(*rapid.T) {
	d := rapid.SampledFrom([]time.Duration{
		300 * time.Millisecond, time.Second, 3 * time.Second, 15 * time.Second, time.Minute, 10 * time.Minute,
		24 * time.Hour,
	}).Draw(m.T, "time")
	m.Logf("%v pass", d)
	if d >= 24*time.Hour {
		m.endTheDay()
	}
	m.pass(d)
}

// endTheDay ends the running requests: none lasts as long as Stripe keeps its idempotency key.
func (m *model) endTheDay() {
	for len(m.processes) > 0 {
		m.kill(m.processes[0])
	}
}

// fault makes the next calls of an endpoint of Stripe fail.
func (m *model) fault(*rapid.T) {
	f := stripesim.Fault{
		Endpoint: rapid.SampledFrom(
			[]string{makesPayment, makesPayment, listsPayments, setsAmount, cancelsPayment},
		).Draw(m.T, "endpoint"),
		Kind: rapid.SampledFrom(
			[]stripesim.FaultKind{stripesim.RateLimited, stripesim.ServerError},
		).Draw(m.T, "kind"),
		After: rapid.Bool().Draw(m.T, "after"),
		Times: rapid.IntRange(1, 2).Draw(m.T, "times"),
	}
	m.Logf("fault: %+v", f)
	if err := m.sim.AddFault(f); err != nil {
		m.Fatal(err)
	}
}
