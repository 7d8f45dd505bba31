package sim_test

import (
	"context"
	"fmt"
	"slices"
	"testing/synctest"
	"time"

	"kasse/service"
)

// mostSteps bounds how long the world may take to come to rest.
const mostSteps = 20_000

// quieten ends the faults, lets everybody go on, brings every event, and judges what is left.
func (w *world) quieten() {
	w.calm = true
	w.note("the faults stop")
	w.until("every request ends", func() bool { return len(w.begun) == 0 })
	w.until("every event is acknowledged", w.delivered)
	w.until("nothing is to be read", func() bool { return len(w.redis.reads) == 0 })
	for _, p := range w.stripe.intents {
		w.judgeRest(p)
	}
	for _, p := range w.stripe.intents {
		p.asked = false
	}
	w.until("every payment is swept", w.swept)
	for _, o := range w.orders {
		w.judgeEnd(o)
	}
	for _, o := range w.orders {
		w.createLast(o)
	}
}

// until lets calls go until something is so.
func (w *world) until(what string, so func() bool) {
	for range mostSteps {
		if w.failure != nil || so() {
			return
		}
		w.steps++
		w.elapse(w.upTo(20 * time.Millisecond))
		if !w.letGo() {
			w.elapse(w.upTo(redisTimeout))
		}
		w.finish()
	}
	w.broke("it never happens that %s: reads %v, sweeps %v, requests %v", what, w.redis.reads, w.redis.sweeps, len(w.begun))
}

func (w *world) delivered() bool {
	all := true
	for _, e := range w.stripe.events {
		if !e.acked {
			all = false
			if !e.flying && len(w.begun) < mostAtOnce {
				w.bring(e)
			}
		}
	}
	return all
}

// judgeRest: what has events is known without anybody asking. Only a change of the amount has none.
func (w *world) judgeRest(p *intent) {
	if w.failure != nil || p.silent {
		return
	}
	v := w.viewOf(w.redis.payments[p.id].view)
	if v.Status != p.Status || v.AmountReceived != p.AmountReceived {
		w.broke("every event has come, %s is shown as %+v, and is %+v", p.id, v, p.Snapshot)
	}
}

// swept reports whether Stripe was asked about every payment that is not final, and what it said is written. How long a
// payment waits for that by itself has tests of its own; here it is at once, unless somebody has taken it.
func (w *world) swept() bool {
	synctest.Wait() // until everybody stands before a call, or sleeps
	all := true
	for _, p := range w.stripe.intents {
		due, running := w.redis.sweeps[p.id]
		if !running || p.asked {
			continue
		}
		if all = false; due > w.redis.now().Add(time.Minute).UnixMilli() {
			w.redis.sweeps.put(p.id, w.redis.now())
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return all && len(w.redis.reads) == 0 && !slices.ContainsFunc(w.standing, func(c *call) bool { return !c.looks() })
}

// judgeEnd compares an order with the truth.
func (w *world) judgeEnd(o *order) {
	if w.failure != nil {
		return
	}
	stored, paid := w.stored(o.id), 0
	for _, p := range w.stripe.of(o.id) {
		if w.redis.payments[p.id] == nil && p.silent && !p.handed {
			continue // nobody has heard of it, and nobody can pay it
		}
		v := w.viewOf(w.redis.payments[p.id].view)
		if v.Status != p.Status || v.Amount != p.Amount || v.AmountReceived != p.AmountReceived || v.AmountRefunded != w.stripe.given(p) || v.State != w.stateOf(p) {
			w.broke("all is quiet, %s is shown as %+v, and is %+v", p.id, v, p.Snapshot)
			return
		}
		if p.strange {
			continue
		}
		if p.Status == service.Succeeded {
			paid++
		}
		wanted := stored.Winner == "" && stored.Closed == "" && stored.Current() == p.id
		awaited := stored.Winner == "" && stored.Closed == "" && stored.Attempts[p.origin.Attempt-1].Payment == "" && !stored.Attempts[p.origin.Attempt-1].Refused
		if p.payable() && !wanted && !awaited {
			w.broke("all is quiet, %s can be paid, and %+v has no use for it", p.id, stored)
			return
		}
	}
	if (paid > 0) != (stored.Winner != "") || paid > 1 {
		w.broke("%s was paid %d times, and won by %q", o.id, paid, stored.Winner)
	}
}

// stateOf is how a payment is to be shown.
func (w *world) stateOf(p *intent) service.State {
	given := w.stripe.given(p)
	switch {
	case p.Status == service.Succeeded && given >= p.AmountReceived:
		return service.Refunded
	case p.Status == service.Succeeded && given > 0:
		return service.PartiallyRefunded
	case p.Status == service.RequiresPaymentMethod && p.Failure != nil:
		return service.Failed
	}
	return map[service.Status]service.State{
		service.RequiresPaymentMethod: service.Pending, service.RequiresAction: service.ActionRequired, service.Processing: service.InProgress,
		service.RequiresCapture: service.Authorized, service.Succeeded: service.Paid, service.Canceled: service.CanceledState,
	}[p.Status]
}

// createLast: nothing is stuck. A create by a key that may reopen hands out the one payment of the order that can be
// paid, or says why not.
func (w *world) createLast(o *order) {
	if w.failure != nil {
		return
	}
	stored := w.stored(o.id)
	if stored.Proposed.Rev > stored.Rev && stored.Winner == "" && stored.Closed == "" {
		stored.Terms.Amount, stored.Rev = stored.Proposed.Amount, stored.Proposed.Rev // nobody knows whether Stripe has set it: it counts
	}
	r := service.CreateRequest{Order: o.id, Terms: stored.Terms, Reopen: true}
	switch {
	case stored.Terms == service.Terms{}:
		r.Terms = service.Terms{Amount: 7000, Currency: "eur", CaptureMethod: service.CaptureAutomaticAsync}
	case stored.Terms.Amount < tooSmall && stored.Closed == "" && stored.Winner == "":
		r.Rev, r.Terms.Amount = stored.Rev+1, 7000
	case stored.Terms.Amount < tooSmall:
		return
	}
	var opened service.Opened
	var last error
	for range 4 {
		w.begin(fmt.Sprintf("last create of %s over %d", o.id, r.Terms.Amount), func(ctx context.Context, at *replica) (err error) {
			opened, err = at.Create(ctx, r)
			return err
		}, func(err error) { last = err })
		w.until("the last create ends", func() bool { return len(w.begun) == 0 })
		if code := codeOf(last); code != service.CodeStripeUnavailable && code != service.CodeStripeError && code != service.CodeIdempotencyInProgress {
			break
		}
		w.elapse(2 * time.Minute) // until what was tried last can be forgotten
	}
	w.until("every event is acknowledged", w.delivered)
	w.until("nothing is to be read", func() bool { return len(w.redis.reads) == 0 })
	if w.failure == nil {
		w.judgeLast(o, opened, last, r.Terms.Amount)
	}
}

func (w *world) judgeLast(o *order, opened service.Opened, err error, amount int64) {
	var payable []*intent
	want := service.Code("")
	for _, p := range w.stripe.of(o.id) {
		switch {
		case p.strange, p.Status == service.Canceled:
		case p.payable():
			payable = append(payable, p)
		case p.Status == service.Succeeded:
			want = service.CodeOrderAlreadyPaid
		default:
			want = service.CodePaymentInProgress
		}
	}
	switch {
	case codeOf(err) != want || (want == "" && err != nil):
		w.broke("the last create of %s: %v, not %q", o.id, err, want)
	case want == "" && (len(payable) != 1 || payable[0].id != opened.ID || payable[0].Amount != amount):
		w.broke("the last create of %s hands out %s over %d, and %d can be paid", o.id, opened.ID, amount, len(payable))
	case want != "" && len(payable) != 0:
		w.broke("the last create of %s: %s, and %s can be paid", o.id, want, payable[0].id)
	}
}
