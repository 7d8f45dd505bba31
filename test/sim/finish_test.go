package sim_test

import (
	"slices"
	"testing/synctest"
	"time"

	"kasse/service/payment"
)

// maxSteps bounds how long the simulation may take to come to rest.
const maxSteps = 20_000

// finishWorld ends the faults, lets all requests end, brings every event, brings back what Redis has lost, and
// judges the result.
func (w *simulation) finishWorld() {
	w.calm = true
	w.note("the faults end")
	w.until("every request ends", func() bool { return len(w.begun) == 0 })
	w.until("every event is acknowledged", w.delivered)
	w.recover()
	w.until("every event is acknowledged", w.delivered)
	w.until("all is settled", w.settled)
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

// until lets calls go until a condition holds.
func (w *simulation) until(what string, holds func() bool) {
	for range maxSteps {
		if w.failure != nil || holds() {
			return
		}
		w.steps++
		w.elapse(w.upTo(20 * time.Millisecond))
		if !w.letGo() {
			w.elapse(w.upTo(redisTimeout))
		}
		w.conclude()
	}
	w.broke("it never happens that %s: %d requests, %v", what, len(w.begun), w.queued())
}

// queued describes the queues, for reports.
func (w *simulation) queued() (queues []any) {
	for _, p := range w.redis.parts {
		queues = append(queues, p.reads, p.sweeps, p.attention)
	}
	return queues
}

func (w *simulation) delivered() bool {
	all := true
	for _, e := range w.stripe.events {
		if !e.acked {
			all = false
			if !e.inFlight && len(w.begun) < maxOperations {
				w.bring(e)
			}
		}
	}
	return all
}

// settled reports whether nothing is to be read, no attempt of an order is unknown, and every attempt without an
// answer was searched since it was tried.
func (w *simulation) settled() bool {
	if slices.ContainsFunc(w.redis.parts, func(p *partition) bool { return len(p.reads) > 0 }) {
		return false
	}
	return !slices.ContainsFunc(w.orders, func(o *order) bool {
		stored := w.stored(o.id)
		a, unknown := stored.Unsettled()
		return unknown || (a != nil && a.Searched < a.Tried)
	})
}

// judgeRest: what has events is known without a sweep. Only a change of the amount has none.
func (w *simulation) judgeRest(p *intent) {
	if w.failure != nil || p.silent {
		return
	}
	v := w.viewIn(w.holder(p.id), p.id)
	if v.Status != p.Status || v.AmountReceived != p.AmountReceived {
		w.broke("every event has come, %s is shown as %+v, and is %+v", p.id, v, p.Snapshot)
	}
}

// swept reports whether Stripe was asked about every payment that is not final, and its answer is written. How long a
// payment waits for that has tests of its own; here it is at once, unless a worker has taken it.
func (w *simulation) swept() bool {
	synctest.Wait()
	all := true
	for _, p := range w.stripe.intents {
		for _, part := range w.redis.parts {
			due, running := part.sweeps[p.id]
			if !running || p.asked {
				continue
			}
			if all = false; due > w.redis.now().Add(time.Minute).UnixMilli() {
				part.sweeps.put(p.id, w.redis.now())
			}
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return all && w.settled() && !slices.ContainsFunc(w.pending, func(c *call) bool { return !c.polls() })
}

// judgeEnd compares an order with the truth.
func (w *simulation) judgeEnd(o *order) {
	if w.failure != nil {
		return
	}
	stored, paid := w.stored(o.id), 0
	for _, p := range w.stripe.of(o.id) {
		w.judgeShown(p)
		if p.copied || (p.silent && !p.handed && w.holder(
			p.id,
		) == nil) { // no event names it, and no caller has its secret
			continue
		}
		if p.Status == payment.Succeeded {
			paid++
		}
		wanted := stored.Winner == "" && stored.Closed == "" && stored.Current() == p.id
		if p.payable() && !wanted {
			w.broke("all is quiet, %s can be paid, and %+v has no use for it", p.id, stored)
		}
	}
	if (paid > 0) != (stored.Winner != "") || paid > 1 {
		w.broke("%s was paid %d times, and won by %q", o.id, paid, stored.Winner)
	}
	w.judgeTerms(stored)
	current := w.viewIn(w.redis.find(payment.Ref{Order: o.id}), stored.Current())
	if paid := w.paidEvents(o.id); (current.FulfillableAt != nil) != (paid == 1) {
		w.broke("%s could be fulfilled at %v, and order.paid was sent %d times", o.id, current.FulfillableAt, paid)
	}
	if current.Superseded {
		w.broke("all is quiet, and %s of %s is still being withdrawn", stored.Current(), o.id)
	}
	w.judgeWord(o.id, current)
}

// judgeTerms: the terms of a won order are not older than those that its winner shows. The age on a PaymentIntent
// is that of its amount: only the amount can be changed. Where the clock of Redis jumps by minutes, an age of
// before may lie in the future, and is not believed.
func (w *simulation) judgeTerms(o payment.Order) {
	if o.Winner == "" || w.settings.clockJumps > time.Minute/2 {
		return
	}
	p := w.stripe.intent(o.Winner)
	rev := payment.OriginOf(p.Metadata).Rev
	if o.Rev < rev || (o.Rev == rev && o.Terms.Amount != p.Amount) {
		w.broke("%s was won by %s at rev %d, and has older terms: %+v of rev %d", o.ID, p.id, rev, o.Terms, o.Rev)
	}
}

// judgeShown: what is shown of a payment is what Stripe knows of it.
func (w *simulation) judgeShown(p *intent) {
	holder := w.holder(p.id)
	switch {
	case holder == nil && p.silent && !p.handed:
		return
	case holder == nil:
		w.broke("all is quiet, and %s is not known: %+v", p.id, p.Snapshot)
		return
	}
	v := w.viewIn(holder, p.id)
	if v.Status != p.Status || v.Amount != p.Amount || v.Currency != p.Currency ||
		v.AmountReceived != p.AmountReceived ||
		v.AmountRefunded != w.stripe.given(p) || v.State != w.stateOf(p) {
		w.broke("all is quiet, %s is shown as %+v, and is %+v", p.id, v, p.Snapshot)
	}
	if !w.pointersLost && string(w.storedView(p.id).View) != string(holder.views[p.id].View) {
		w.broke("all is quiet, and no pointer leads from %s", p.id)
	}
}

// stateOf is how a PaymentIntent is to be shown.
func (w *simulation) stateOf(p *intent) payment.State {
	given := w.stripe.given(p)
	switch {
	case p.Status == payment.Succeeded && given >= p.AmountReceived:
		return payment.Refunded
	case p.Status == payment.Succeeded && given > 0:
		return payment.PartiallyRefunded
	case p.Status == payment.RequiresPaymentMethod && p.Failure != nil:
		return payment.Failed
	}
	return map[payment.Status]payment.State{
		payment.RequiresPaymentMethod: payment.Pending, payment.RequiresAction: payment.ActionRequired,
		payment.Processing: payment.InProgress, payment.RequiresCapture: payment.Authorized,
		payment.Succeeded: payment.Paid,
		payment.Canceled:  payment.CanceledState,
	}[p.Status]
}
