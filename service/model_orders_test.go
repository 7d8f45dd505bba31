package service_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"kasse/service"
	"kasse/service/payment"
)

const (
	modelFailures = 1  // failed attempts after which the order is closed
	mostAtOnce    = 4  // concurrent processes of the order
	longWay       = 80 // calls; a process that has made more waits for another, suspended one
)

// TestOrdersModel interleaves the actions of backends, customers, Stripe and the worker on one order, between
// any two calls to Redis and Stripe. There are crashes, lost responses, faults, and late, repeated and
// dropped events. It checks every returned payment and the order's end.
//
// A failing run prints its seed. `go test ./service -run TestOrdersModel -rapid.seed=N` replays it, and
// -rapid.checks=N makes more runs than a hundred.
func TestOrdersModel(t *testing.T) {
	w := newFrozenEnv(t)
	rapid.Check(t, func(t *rapid.T) {
		w.begin()
		m := &model{T: t, frozenEnv: w, then: map[*process]func(){}}
		defer m.end()
		if rapid.IntRange(0, 9).Draw(t, "begins empty") > 0 {
			m.presentToken(t)
		}
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

// model is one order with its processes.
type model struct {
	*rapid.T
	*frozenEnv
	processes []*process
	then      map[*process]func() // checks the result of a process
	tokens    []payment.CreateRequest
	prices    []price
	handed    []payment.ID
	flying    [][]byte // pending events
	died      bool     // a process has died or lost a response
}

// price is an amount set by a backend. Its rev lies between two bounds. Once it is applied, no older price
// may be shown.
type price struct {
	terms    payment.Terms
	lo, hi   int64 // Unix milliseconds
	accepted bool
}

const always = int64(1) << 60

// set records a price that is about to be sent.
func (m *model) set(terms payment.Terms, lo, hi int64) (at int) {
	m.prices = append(m.prices, price{terms: terms, lo: lo, hi: hi})
	return len(m.prices) - 1
}

// floor is the rev of the newest applied price.
func (m *model) floor() int64 {
	floor := int64(0)
	for _, p := range m.prices {
		if p.accepted {
			floor = max(floor, p.lo)
		}
	}
	return floor
}

// start starts a process and checks its result when it has ended.
func (m *model) start(name string, work func(*service.Service), then func()) {
	if len(m.processes) >= mostAtOnce {
		m.Skip("enough are at work")
	}
	p := begin(name, m.serviceEnv, work)
	m.then[p] = then
	m.processes = append(m.processes, p)
	m.Logf("%s begins", name)
	m.drive(p)
}

// drive executes some calls of a process.
func (m *model) drive(p *process) {
	m.settled(p)
	calls, last := longWay, goes
	switch rapid.SampledFrom([]string{"through", "through", "part", "part", "part", "loses", "dies"}).Draw(m.T, "how") {
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
		m.died = true
		p.step(last)
		m.steps(p, longWay)
	}
}

// steps executes a number of calls of a process.
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

// settled takes the result of a process.
func (m *model) settled(p *process) {
	if at := slices.Index(m.processes, p); p.ended && at >= 0 {
		m.processes = slices.Delete(m.processes, at, at+1)
		m.then[p]()
		if o := m.order(); o.Winner == "" && o.Rev < m.floor() {
			m.Fatalf("the order has forgotten a price: %+v", o)
		}
	}
}

func (m *model) goOn(*rapid.T) {
	if len(m.processes) == 0 {
		m.Skip("no process is at work")
	}
	m.drive(rapid.SampledFrom(m.processes).Draw(m.T, "process"))
}

// kill ends a process before its next call.
func (m *model) kill(p *process) {
	m.died = true
	p.kill()
	m.settled(p)
}

// end stops the running requests.
func (m *model) end() {
	for _, p := range m.processes {
		p.kill()
	}
}

// order is the stored order.
func (m *model) order() payment.Order {
	o, _, err := m.store.LoadOrder(context.Background(), payment.Ref{Order: "order-1"})
	if err != nil {
		m.Fatal(err)
	}
	return o
}

// expect accepts no error, a retryable error, or one of these codes.
func (m *model) expect(err error, codes ...payment.Code) {
	var e *payment.Error
	again := []payment.Code{
		payment.CodeStoreUnavailable, payment.CodeStripeTimeout, payment.CodeStripeUnavailable,
		payment.CodeStripeRateLimited, payment.CodeStripeError,
	}
	switch {
	case err == nil, errors.Is(err, errDead):
	case errors.As(err, &e) && slices.Contains(append(again, codes...), e.Code):
	default:
		m.Fatalf("%v, which is none of %s", err, strings.Join(strings.Fields(fmt.Sprint(codes)), ", "))
	}
}
