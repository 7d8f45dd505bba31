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
	maxProcesses  = 4  // concurrent processes of the order
	maxCalls      = 80 // of a process; one that has made more waits for a suspended process
)

// TestOrdersModel interleaves the actions of backends, customers, Stripe and the worker on one order, between
// any two calls to Redis and Stripe. There are crashes, lost responses, faults, and late, repeated and
// dropped events. It checks every returned payment, and the order in the end.
//
// A failing run prints its seed. `go test ./service -run TestOrdersModel -rapid.seed=N` replays it, and
// -rapid.checks=N makes N runs instead of a hundred.
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
			"go on":        m.resume,
			"go on too":    m.resume,
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
	then      map[*process]func() // checks the result of a process when it has ended
	tokens    []payment.CreateRequest
	prices    []price
	returned  []payment.ID
	pending   [][]byte // events that are not delivered yet
	died      bool     // a process has died or lost a response
}

// price is an amount set by a backend. Its rev is between two bounds. Once it is accepted, no older price may be
// returned.
type price struct {
	terms    payment.Terms
	lo, hi   int64 // Unix milliseconds
	accepted bool
}

const always = int64(1) << 60

// set records a price that is about to be sent, and returns its index.
func (m *model) set(terms payment.Terms, lo, hi int64) (at int) {
	m.prices = append(m.prices, price{terms: terms, lo: lo, hi: hi})
	return len(m.prices) - 1
}

// floor returns the rev of the newest accepted price.
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
	if len(m.processes) >= maxProcesses {
		m.Skip("enough processes are running")
	}
	p := begin(name, m.serviceEnv, work)
	m.then[p] = then
	m.processes = append(m.processes, p)
	m.Logf("%s begins", name)
	m.drive(p)
}

// drive executes some calls of a process, the last of which may fail.
func (m *model) drive(p *process) {
	m.collect(p)
	calls, last := maxCalls, succeeds
	switch rapid.SampledFrom([]string{"through", "through", "part", "part", "part", "loses", "dies"}).Draw(m.T, "how") {
	case "part":
		calls = rapid.IntRange(1, 14).Draw(m.T, "calls")
	case "loses":
		calls = rapid.IntRange(0, 14).Draw(m.T, "calls")
		last = rapid.SampledFrom([]outcome{lostBefore, lostAfter}).Draw(m.T, "lost")
	case "dies":
		calls = rapid.IntRange(0, 14).Draw(m.T, "calls")
		last = rapid.SampledFrom([]outcome{diesBefore, diesAfter}).Draw(m.T, "dies")
	}
	m.steps(p, calls)
	if last != succeeds && !p.ended {
		m.Logf("  %s: %s has the outcome %d", p.name, p.call, last)
		m.died = true
		p.step(last)
		m.steps(p, maxCalls)
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
		p.step(succeeds)
	}
	m.Logf("  %s: %s", p.name, strings.Join(slices.Compact(made), " "))
	m.collect(p)
}

// collect checks the result of a process if it has ended.
func (m *model) collect(p *process) {
	if at := slices.Index(m.processes, p); p.ended && at >= 0 {
		m.processes = slices.Delete(m.processes, at, at+1)
		m.then[p]()
		if o := m.order(); o.Winner == "" && o.Rev < m.floor() {
			m.Fatalf("the order has forgotten a price: %+v", o)
		}
	}
}

// resume executes some calls of a suspended process.
func (m *model) resume(*rapid.T) {
	if len(m.processes) == 0 {
		m.Skip("no process is running")
	}
	m.drive(rapid.SampledFrom(m.processes).Draw(m.T, "process"))
}

// kill ends a process before its next call.
func (m *model) kill(p *process) {
	m.died = true
	p.kill()
	m.collect(p)
}

// end stops the running requests.
func (m *model) end() {
	for _, p := range m.processes {
		p.kill()
	}
}

// order returns the stored order.
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
		m.Fatalf("got %v, want a retryable error or one of %s", err,
			strings.Join(strings.Fields(fmt.Sprint(codes)), ", "))
	}
}
