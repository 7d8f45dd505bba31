package service_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"kasse/service"
	"kasse/service/stripe/stripesim"
)

const (
	modelFailures = 2  // failed attempts of an order; past it the order is closed
	mostAtOnce    = 4  // processes that work on the order at once
	longWay       = 80 // calls; who has made so many waits for another, who stands still
)

// TestOrdersModel interleaves all that backends, customers, Stripe and the worker may do to one order, between any two
// calls to Redis and Stripe, with crashes, lost answers, faults, late, repeated and dropped events. It judges every
// payment that is handed out, and how the order ends.
//
// A failing run prints its seed; `go test ./service -run TestOrdersModel -rapid.seed=N` replays it, and -rapid.checks=N
// makes more runs than a hundred.
func TestOrdersModel(t *testing.T) {
	w := newStillWorld(t)
	rapid.Check(t, func(t *rapid.T) {
		w.begin()
		m := &model{T: t, stillWorld: w, then: map[*process]func(){}}
		defer m.end()
		t.Repeat(map[string]func(*rapid.T){
			"token":        m.presentToken,
			"token again":  m.presentToken,
			"key":          m.createByKey,
			"mint":         m.mint,
			"amount":       m.changeAmount,
			"cancel":       m.cancel,
			"customer":     m.customerActs,
			"customer too": m.customerActs,
			"webhook":      m.deliver,
			"webhook too":  m.deliver,
			"worker":       m.work,
			"go on":        m.goOn,
			"go on too":    m.goOn,
			"clock":        m.letTimePass,
			"fault":        m.fault,
		})
		m.finish()
	})
}

// model is one order, and who is at work on it.
type model struct {
	*rapid.T
	*stillWorld
	processes []*process
	then      map[*process]func() // judges what a process has come to
	tokens    []service.CreateRequest
	prices    []price
	handed    []service.PaymentID
	flying    [][]byte // events on their way
}

// price is one that a backend has set. Its age lies between two bounds; once it is heard, no older price may be shown.
type price struct {
	terms  service.Terms
	lo, hi int64 // Unix milliseconds
	heard  bool
}

const always = int64(1) << 60

// set notes a price that is about to be said.
func (m *model) set(terms service.Terms, lo, hi int64) (at int) {
	m.prices = append(m.prices, price{terms: terms, lo: lo, hi: hi})
	return len(m.prices) - 1
}

// floor is the age of the youngest price that has been heard.
func (m *model) floor() int64 {
	floor := int64(0)
	for _, p := range m.prices {
		if p.heard {
			floor = max(floor, p.lo)
		}
	}
	return floor
}

// begin sends a process on its way, and judges it once it has ended.
func (m *model) start(name string, work func(*service.Service), then func()) {
	if len(m.processes) >= mostAtOnce {
		m.Skip("enough are at work")
	}
	p := begin(name, m.world, work)
	m.then[p] = then
	m.processes = append(m.processes, p)
	m.Logf("%s begins", name)
	m.drive(p)
}

// drive lets a process make some of its calls.
func (m *model) drive(p *process) {
	m.settled(p)
	calls, last := longWay, goes
	switch rapid.SampledFrom([]string{"through", "through", "through", "part", "part", "loses", "dies"}).Draw(m.T, "how") {
	case "part":
		calls = rapid.IntRange(1, 14).Draw(m.T, "calls")
	case "loses":
		calls = rapid.IntRange(0, 14).Draw(m.T, "calls")
		last = rapid.SampledFrom([]fate{lostBefore, lostAfter}).Draw(m.T, "lost")
	case "dies":
		calls = rapid.IntRange(0, 14).Draw(m.T, "calls")
		last = rapid.SampledFrom([]fate{diesBefore, diesAfter}).Draw(m.T, "dies")
	}
	m.steps(p, calls)
	if last != goes && !p.ended {
		m.Logf("  %s: %s meets fate %d", p.name, p.call, last)
		p.step(last)
		m.steps(p, longWay)
	}
}

// steps lets a process make so many calls.
func (m *model) steps(p *process, calls int) {
	var made []string
	for range calls {
		if p.ended {
			break
		}
		made = append(made, p.call)
		p.step(goes)
	}
	m.Logf("  %s: %s", p.name, strings.Join(slices.Compact(made), " "))
	m.settled(p)
}

// settled hears what a process has come to.
func (m *model) settled(p *process) {
	if at := slices.Index(m.processes, p); p.ended && at >= 0 {
		m.processes = slices.Delete(m.processes, at, at+1)
		m.then[p]()
	}
	m.flying = append(m.flying, m.newEvents()...)
}

func (m *model) goOn(*rapid.T) {
	if len(m.processes) == 0 {
		m.Skip("nobody is at work")
	}
	m.drive(rapid.SampledFrom(m.processes).Draw(m.T, "process"))
}

// end stops whoever is still at work.
func (m *model) end() {
	for _, p := range m.processes {
		p.kill()
	}
}

// terms draws what an order may cost; each amount is drawn once, so that it names its price.
func (m *model) terms() service.Terms {
	t := service.Terms{Amount: int64(1000 + 10*len(m.prices)), Currency: "eur", Customer: m.customers[1], CaptureMethod: service.CaptureAutomaticAsync}
	switch rapid.IntRange(0, 15).Draw(m.T, "terms") {
	case 0:
		t.Currency = "chf"
	case 1:
		t.Customer = m.customers[2]
	case 2:
		t.Customer = m.customers[0]
	case 3:
		t.CaptureMethod = service.CaptureManual
	case 4:
		t.Amount = int64(1 + len(m.prices)) // too small for Stripe
	case 5, 6:
		t.Amount = int64(9000 - 10*len(m.prices))
	}
	return t
}

// presentToken creates by a token, a new one or one that the backend has signed before.
func (m *model) presentToken(*rapid.T) {
	if len(m.tokens) == 0 || rapid.Bool().Draw(m.T, "new token") {
		rev := m.now().UnixMilli() + 1000*rapid.Int64Range(-3, 3).Draw(m.T, "rev")
		m.tokens = append(m.tokens, service.CreateRequest{Order: "order-1", Terms: m.terms(), Rev: rev})
	}
	r := rapid.SampledFrom(m.tokens).Draw(m.T, "token")
	at := m.set(r.Terms, r.Rev, r.Rev)
	m.create(fmt.Sprintf("token %d of %d", r.Rev-noon.UnixMilli(), r.Terms.Amount), r, func(err error) {
		m.prices[at].heard = err == nil
	})
}

// createByKey creates by a service key, mostly on the order's own terms.
func (m *model) createByKey(*rapid.T) {
	r := service.CreateRequest{Order: "order-1", Terms: m.order().Terms, Reopen: rapid.Bool().Draw(m.T, "reopen")}
	if (r.Terms == service.Terms{}) || rapid.IntRange(0, 9).Draw(m.T, "other terms") == 0 {
		r.Terms = m.terms()
	}
	m.set(r.Terms, m.now().UnixMilli(), always)
	m.create(fmt.Sprintf("key of %d, reopen %v", r.Terms.Amount, r.Reopen), r, func(error) {})
}

func (m *model) create(name string, r service.CreateRequest, then func(error)) {
	floor := m.floor()
	var opened service.Opened
	var err error
	m.start("create by "+name, func(svc *service.Service) { opened, err = svc.Create(context.Background(), r) }, func() {
		m.Logf("create by %s: %s %v", name, opened.ID, err)
		m.expect(err, service.CodeOrderConflict, service.CodeOrderAlreadyPaid, service.CodeOrderClosed, service.CodePaymentInProgress,
			service.CodeIdempotencyInProgress, service.CodeAmountOutOfRange, service.CodeAttemptsExhausted)
		if err == nil {
			m.handOut(opened, floor)
		}
		then(err)
	})
}

// mint records the terms of a token that is signed by the service.
func (m *model) mint(*rapid.T) {
	r := service.CreateRequest{Order: "order-1", Terms: m.terms()}
	at := m.set(r.Terms, 0, always)
	var err error
	m.start(fmt.Sprintf("mint of %d", r.Terms.Amount), func(svc *service.Service) { r.Rev, err = svc.RecordTerms(context.Background(), r) }, func() {
		m.expect(err)
		if err == nil {
			m.tokens = append(m.tokens, r)
			m.prices[at].lo, m.prices[at].hi = r.Rev, r.Rev
			m.prices[at].heard = m.order().Rev >= r.Rev // one that is won or closed hears nothing
		}
	})
}

func (m *model) changeAmount(*rapid.T) {
	id := m.anyHanded()
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
		m.expect(err, service.CodeVersionMismatch, service.CodeInvalidState, service.CodeIdempotencyInProgress, service.CodeAmountOutOfRange)
		m.prices[at].heard = err == nil
	})
}

func (m *model) cancel(*rapid.T) {
	id := m.anyHanded()
	var err error
	m.start("cancel of "+string(id), func(svc *service.Service) { _, err = svc.Cancel(context.Background(), id, "") }, func() {
		m.Logf("cancel: %v", err)
		m.expect(err, service.CodeInvalidState, service.CodeIdempotencyInProgress)
	})
}

// customerActs: the customer has the secret of whatever was handed out, for good.
func (m *model) customerActs(*rapid.T) {
	id := m.anyHanded()
	what := rapid.SampledFrom([]string{
		"pm_card_chargeDeclined", "pm_card_chargeDeclined", "pm_card_authenticationRequired", "pm_sepaDebit", "pm_card_visa",
		"agrees", "fails to agree", "bank pays", "bank refuses", "Stripe cancels",
	}).Draw(m.T, "what")
	m.Logf("%s: %s", id, what)
	m.customerDoes(id, what)
	m.flying = append(m.flying, m.newEvents()...)
}

func (m *model) anyHanded() service.PaymentID {
	if len(m.handed) == 0 {
		m.Skip("nothing was handed out yet")
	}
	return rapid.SampledFrom(m.handed).Draw(m.T, "payment")
}

// deliver brings an event, in any order, perhaps once more later; or drops it.
func (m *model) deliver(*rapid.T) {
	if len(m.flying) == 0 {
		m.Skip("no event is on its way")
	}
	at := rapid.IntRange(0, len(m.flying)-1).Draw(m.T, "event")
	event := m.flying[at]
	again := rapid.IntRange(0, 9).Draw(m.T, "again")
	if again > 1 {
		m.flying = slices.Delete(m.flying, at, at+1)
	}
	if again == 9 {
		return
	}
	m.bring(event)
}

func (m *model) bring(event []byte) {
	signature := signed(event, m.now())
	var err error
	m.start("webhook", func(svc *service.Service) { _, err = svc.Webhook(context.Background(), event, signature) }, func() {
		m.expect(err)
		if err != nil {
			m.flying = append(m.flying, event) // Stripe delivers again
		}
	})
}

// work is the worker's: it asks about one payment that is due.
func (m *model) work(*rapid.T) {
	ids, err := m.store.TakeReads(context.Background(), 1, time.Second)
	if err != nil {
		m.Fatal(err)
	}
	if len(ids) == 0 {
		m.Skip("nothing is due")
	}
	m.read(ids[0])
}

func (m *model) read(id service.PaymentID) {
	var err error
	m.start("read of "+string(id), func(svc *service.Service) { err = svc.Read(context.Background(), id) }, func() { m.expect(err) })
}

func (m *model) letTimePass(*rapid.T) {
	d := rapid.SampledFrom([]time.Duration{
		300 * time.Millisecond, time.Second, 3 * time.Second, 15 * time.Second, time.Minute, 10 * time.Minute, 24 * time.Hour,
	}).Draw(m.T, "time")
	m.Logf("%v pass", d)
	m.pass(d)
}

func (m *model) fault(*rapid.T) {
	f := stripesim.Fault{
		Endpoint: rapid.SampledFrom([]string{makesPayment, makesPayment, listsPayments, setsAmount, cancelsPayment}).Draw(m.T, "endpoint"),
		Kind:     rapid.SampledFrom([]stripesim.FaultKind{stripesim.RateLimited, stripesim.ServerError}).Draw(m.T, "kind"),
		After:    rapid.Bool().Draw(m.T, "after"),
		Times:    rapid.IntRange(1, 2).Draw(m.T, "times"),
	}
	m.Logf("fault: %+v", f)
	if err := m.sim.AddFault(f); err != nil {
		m.Fatal(err)
	}
}

// order is the order as it is stored.
func (m *model) order() service.Order {
	o, _, err := m.store.LoadOrder(context.Background(), "order-1")
	if err != nil {
		m.Fatal(err)
	}
	return o
}

// expect is satisfied with no error, one that asks to try again, or one of these.
func (m *model) expect(err error, codes ...service.Code) {
	var e *service.Error
	again := []service.Code{
		service.CodeStoreUnavailable, service.CodeStripeTimeout, service.CodeStripeUnavailable, service.CodeStripeRateLimited, service.CodeStripeError,
	}
	switch {
	case err == nil, errors.Is(err, errDead):
	case errors.As(err, &e) && slices.Contains(append(again, codes...), e.Code):
	default:
		m.Fatalf("%v, which is none of %s", err, strings.Join(strings.Fields(fmt.Sprint(codes)), ", "))
	}
}
