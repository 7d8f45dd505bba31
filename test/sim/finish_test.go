package sim_test

import (
	"slices"
	"testing/synctest"
	"time"

	"kasse/service/payment"
)

// maxSteps limits the steps until the simulation is at rest.
const maxSteps = 20_000

// finish ends the faults, finishes all requests, delivers every event, restores the data that Redis has lost, and
// checks the result.
func (w *simulation) finish() {
	w.faultsEnded = true
	w.tracef("the faults end")
	w.until("every request ends", func() bool { return len(w.begun) == 0 })
	w.until("every event is acknowledged", w.delivered)
	w.recover()
	w.until("every event is acknowledged", w.delivered)
	w.until("all is settled", w.settled)
	for _, p := range w.stripe.intents {
		w.checkWithoutSweep(p)
	}
	for _, p := range w.stripe.intents {
		p.read = false
	}
	w.until("every payment is swept", w.swept)
	for _, o := range w.orders {
		w.checkEnd(o)
	}
	for _, o := range w.orders {
		w.createLast(o)
	}
}

// until executes calls until a condition holds.
func (w *simulation) until(what string, holds func() bool) {
	for range maxSteps {
		if w.failure != nil || holds() {
			return
		}
		w.steps++
		w.elapse(w.upTo(20 * time.Millisecond))
		if !w.advanceCall() {
			w.elapse(w.upTo(redisTimeout))
		}
		w.conclude()
	}
	w.violated("after %d steps not reached: %s; %d requests, queues %v", maxSteps, what, len(w.begun), w.queued())
}

// queued lists the queues' content, for reports.
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
				w.deliverEvent(e)
			}
		}
	}
	return all
}

// settled reports whether no read is due, no attempt of an order is unknown, and every attempt without a
// response was searched at Stripe after it was tried.
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

// checkWithoutSweep: the view of a payment is right without a sweep if every change had an event. A change of the
// amount has none, so the amount is not compared.
func (w *simulation) checkWithoutSweep(p *intent) {
	if w.failure != nil || p.eventOmitted {
		return
	}
	v := w.viewIn(w.holder(p.id), p.id)
	if v.Status != p.Status || v.AmountReceived != p.AmountReceived {
		w.violated("every event has arrived; %s is shown as %+v, want %+v", p.id, v, p.Snapshot)
	}
}

// swept reports whether each payment in a non-final state was read at Stripe and its result written. The
// waiting times of the sweep have other tests; here a payment is due at once, unless a worker has claimed it.
func (w *simulation) swept() bool {
	synctest.Wait()
	all := true
	for _, p := range w.stripe.intents {
		for _, part := range w.redis.parts {
			due, running := part.sweeps[p.id]
			if !running || p.read {
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

// checkEnd compares an order with Stripe's state.
func (w *simulation) checkEnd(o *order) {
	if w.failure != nil {
		return
	}
	stored, paid := w.stored(o.id), 0
	for _, p := range w.stripe.of(o.id) {
		w.checkShown(p)
		if p.isCopy || (p.eventOmitted && !p.handedOut && w.holder(p.id) == nil) {
			continue // a payment of another user, or one without an event and without a caller that has its secret
		}
		if p.Status == payment.Succeeded {
			paid++
		}
		wanted := stored.Winner == "" && stored.Closed == "" && stored.Current() == p.id
		a := stored.Attempt(p.id)
		unproven := w.losses > 0 && stored.Closed != "" && a != nil && !a.Ours // Kasse cancels only what it has made
		if p.payable() && !wanted && !unproven {
			w.violated("at rest: %s can be paid, and is not the current payment of %+v", p.id, stored)
		}
	}
	if (paid > 0) != (stored.Winner != "") || paid > 1 {
		w.violated("%s was paid %d times, and its winner is %q", o.id, paid, stored.Winner)
	}
	w.checkTerms(stored)
	current := w.viewIn(w.redis.find(payment.Ref{Order: o.id}), stored.Current())
	if paid := w.paidEvents(o.id); (current.FulfillableAt != nil) != (paid == 1) {
		w.violated("%s has fulfillable_at %v, and %d order.paid", o.id, current.FulfillableAt, paid)
	}
	if current.Superseded {
		w.violated("at rest: the current payment %s of %s is superseded", stored.Current(), o.id)
	}
	w.compareLastEvent(o.id, current)
}

// checkTerms: the terms of a won order are not older than those of its winner. The rev on a PaymentIntent is
// that of its amount, since only the amount can change. After Redis's clock jumps by minutes, an earlier rev
// may lie in the future; it is then not used.
func (w *simulation) checkTerms(o payment.Order) {
	if o.Winner == "" || w.settings.clockJumps > time.Minute/2 {
		return
	}
	p := w.stripe.intent(o.Winner)
	rev := payment.OriginOf(p.Metadata).Rev
	if o.Rev < rev || (o.Rev == rev && o.Terms.Amount != p.Amount) {
		w.violated("%s was won by %s of rev %d, and has older terms: %+v of rev %d", o.ID, p.id, rev, o.Terms, o.Rev)
	}
}

// checkShown: the stored view of a payment equals its state at Stripe.
func (w *simulation) checkShown(p *intent) {
	holder := w.holder(p.id)
	switch {
	case holder == nil && p.eventOmitted && !p.handedOut:
		return
	case holder == nil:
		w.violated("at rest: Redis has no record of %s: %+v", p.id, p.Snapshot)
		return
	}
	v := w.viewIn(holder, p.id)
	if v.Status != p.Status || v.Amount != p.Amount || v.Currency != p.Currency ||
		v.AmountReceived != p.AmountReceived || v.AmountRefunded != w.stripe.refunded(p) || v.State != w.stateOf(p) {
		w.violated("at rest: %s is shown as %+v, want %+v", p.id, v, p.Snapshot)
	}
	if !w.pointersLost && string(w.storedView(p.id).View) != string(holder.views[p.id].View) {
		w.violated("at rest: %s has no pointer to its order", p.id)
	}
}

// stateOf returns Kasse's state for a PaymentIntent.
func (w *simulation) stateOf(p *intent) payment.State {
	refunded := w.stripe.refunded(p)
	switch {
	case p.Status == payment.Succeeded && refunded >= p.AmountReceived:
		return payment.Refunded
	case p.Status == payment.Succeeded && refunded > 0:
		return payment.PartiallyRefunded
	case p.Status == payment.RequiresPaymentMethod && p.Failure != nil:
		return payment.Failed
	}
	return map[payment.Status]payment.State{
		payment.RequiresPaymentMethod: payment.Pending, payment.RequiresAction: payment.ActionRequired,
		payment.Processing: payment.InProgress, payment.RequiresCapture: payment.Authorized,
		payment.Succeeded: payment.Paid, payment.Canceled: payment.CanceledState,
	}[p.Status]
}
