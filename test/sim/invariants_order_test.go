package sim_test

import (
	"fmt"
	"slices"
	"time"

	"kasse/service"
	"kasse/service/payment"
)

// checkOrder: the winner stays, its terms are frozen, it has paid, and no other payment of the order has paid
// before it.
func (w *simulation) checkOrder(id payment.OrderID, before, after payment.Order) {
	if before.Winner != "" && after.Winner != before.Winner {
		w.violated("%s was won by %s, and now by %q", id, before.Winner, after.Winner)
	}
	if before.Winner != "" && before.Terms != after.Terms && (w.losses == 0 || !w.showsTerms(after)) {
		w.violated("the terms of %s change after it was won", id)
	}
	for _, a := range after.Attempts {
		if p := w.stripe.intent(a.Payment); p != nil && (p.origin.Order != id || p.origin.Attempt != a.Number) {
			w.violated(
				"%s is attempt %d of %s, and claims to be %d of %s", a.Payment, a.Number, id, p.origin.Attempt,
				p.origin.Order,
			)
		}
	}
	if after.Winner == "" {
		return
	}
	winner := w.stripe.intent(after.Winner)
	for _, p := range w.stripe.of(id) {
		if winner.paid == 0 || (p.paid > 0 && p.paid < winner.paid && !p.isCopy) {
			w.violated("%s is won by %s: %+v", id, after.Winner, winner.Snapshot)
		}
	}
}

// showsTerms reports whether the winner has the order's terms at Stripe, so that lost terms were found again.
func (w *simulation) showsTerms(o payment.Order) bool {
	p := w.stripe.intent(o.Winner)
	return p.Amount == o.Terms.Amount && p.Currency == o.Terms.Currency && p.Customer == o.Terms.Customer
}

// checkEvents: every visible change has one event, in the same write, with the stored view. An opening has
// none. While an attempt is unknown, only successes have events. Events about superseded payments come first.
// An order has at most one order.paid.
func (w *simulation) checkEvents(write orderWrite, before, after *storedOrder) {
	announced := map[payment.ID]bool{}
	ofOrder := false
	for _, e := range write.changes.Events {
		v := w.viewOf(e.Data)
		if announced[v.Payment] {
			w.violated("one write announces %s twice", v.Payment)
		}
		announced[v.Payment] = true
		if stored := after.views[v.Payment]; string(stored.View) != string(e.Data) ||
			e.ID != fmt.Sprintf("%s.%d", v.Payment, stored.Version) {
			w.violated("%s is announced as %s, and stored is %s", e.ID, e.Data, stored.View)
		}
		if superseded := isSuperseded(e.Type); superseded && ofOrder {
			w.violated("%s is announced after an event of the order", e.ID)
		} else {
			ofOrder = ofOrder || !superseded
		}
		w.checkCanceled(write, e, v, w.decode(before))
		w.checkID(e)
	}
	unknown := slices.ContainsFunc(w.decode(after).Attempts, func(a payment.Attempt) bool { return a.Unknown })
	for _, v := range write.changes.Views {
		opening := w.viewIn(before, v.Payment).State == "" && v.To == payment.Pending
		if !announced[v.Payment] && !opening && (!unknown || v.To.Won()) {
			w.violated("a change of %s is not announced: %s", v.Payment, v.JSON)
		}
	}
	w.checkStream(write.ref.Order)
}

func isSuperseded(kind string) bool { return len(kind) > 11 && kind[:11] == "superseded." }

// checkStream: in an order's surviving events the versions of each payment grow, and order.paid appears at
// most once.
func (w *simulation) checkStream(id payment.OrderID) {
	newest := map[payment.ID]int64{}
	for _, e := range w.redis.ofOrder(id).stream {
		if e.view.Order != id {
			continue
		}
		if e.view.Version <= newest[e.view.Payment] {
			w.violated("%s is announced at version %d after %d", e.view.Payment, e.view.Version, newest[e.view.Payment])
		}
		newest[e.view.Payment] = e.view.Version
	}
	if paid := w.paidEvents(id); paid > 1 {
		w.violated("order.paid is sent %d times for %s", paid, id)
	}
}

// paidEvents counts the surviving order.paid of an order.
func (w *simulation) paidEvents(id payment.OrderID) (count int) {
	for _, e := range w.redis.ofOrder(id).stream {
		if e.view.Order == id && e.Type == "order.paid" {
			count++
		}
	}
	return count
}

// checkID: an id belongs to one event permanently, even if Redis has lost it since. A version may come twice
// only if Redis's clock went back as well.
func (w *simulation) checkID(e payment.Announcement) {
	if w.settings.clockJumps > 0 {
		return
	}
	text := e.Type + " " + string(e.Data)
	if other, known := w.announced[e.ID]; known && other != text {
		w.violated("the id %s names two events:\n%s\n%s", e.ID, other, text)
	}
	w.announced[e.ID] = text
}

// checkCanceled: order.canceled is not sent for an order that continues: while the create that canceled the
// payment opens the next attempt, or after a later attempt was handed out.
func (w *simulation) checkCanceled(write orderWrite, e payment.Announcement, v payment.View, before payment.Order) {
	if e.Type != "order.canceled" || w.losses > 0 {
		return
	}
	p := w.stripe.intent(v.Payment)
	// A create that fails releases its lease. If Redis's clock has gone forward since, the grace is over.
	failed := w.settings.clockJumps > 0 && write.saved.Lease == payment.Lease{}
	if p.withdrawnBy != nil && w.running(p.withdrawnBy) && p.withdrawnBy.create && !failed &&
		before.Lease.Held(write.changes.Now) {
		w.violated("order.canceled is sent of %s while %s goes on", v.Payment, p.withdrawnBy.name)
	}
	for _, later := range w.stripe.of(write.ref.Order) {
		if later.handedOut && !later.isCopy && later.origin.Attempt > p.origin.Attempt &&
			later.Status != payment.Canceled {
			w.violated("order.canceled is sent of %s, and %s can be paid", v.Payment, later.id)
		}
	}
}

// checkLastWord: payment, state and fulfillable of the order's last order.* event are those of its current
// payment. Without any event it is pending. They may differ while the payment is being withdrawn, or while an
// attempt is unknown.
func (w *simulation) checkLastWord(id payment.OrderID, stored *storedOrder) {
	o := w.decode(stored)
	current := o.Attempt(o.Current())
	unknown := slices.ContainsFunc(o.Attempts, func(a payment.Attempt) bool { return a.Unknown })
	if current == nil || current.Superseded || unknown {
		return
	}
	w.checkWord(id, w.viewIn(stored, o.Current()))
}

func (w *simulation) checkWord(id payment.OrderID, v payment.View) {
	var last *entry
	for i, e := range w.redis.ofOrder(id).stream {
		if e.view.Order == id && !isSuperseded(e.Type) && e.Type != "order.duplicate_payment" {
			last = &w.redis.ofOrder(id).stream[i]
		}
	}
	switch {
	case last == nil && v.State != payment.Pending && v.State != "":
		w.violated("%s is %s, and no event says so", v.Payment, v.State)
	case last == nil:
	case last.view.Payment != v.Payment, last.view.State != v.State, last.view.Fulfillable != v.Fulfillable:
		w.violated("the last event of %s is %s of %s, %s, fulfillable %t; %s is %s, fulfillable %t",
			id, last.Type, last.view.Payment, last.view.State, last.view.Fulfillable, v.Payment, v.State, v.Fulfillable)
	}
}

// checkOpened: a returned payment belongs to its order and has its own secret, a pointer leads to the order,
// and the price is not older than one applied before the create began.
func (w *simulation) checkOpened(o *order, opened service.Opened, floor int64, losses int) {
	p := w.stripe.intent(opened.ID)
	if p == nil || p.origin.Order != o.id || p.isCopy || opened.ClientSecret.Reveal() != string(p.id)+"_secret_x" {
		w.violated("%s is answered with %q", o.id, opened.ID)
		return
	}
	p.handedOut = true
	w.checkTruth(p)
	if losses != w.losses {
		return
	}
	p.shownAge = max(p.shownAge, o.age(p.Amount))
	shared := w.losses > 0 && time.Since(w.lostAt) < stripeTimeout // the pointer may have been read before the loss
	if w.redis.ofPayment(p.id).pointers[p.id] != o.id && !shared {
		w.violated("%s is handed out, and no pointer leads from it", p.id)
	}
	if !p.payable() {
		return // the customer was faster
	}
	amount := func(s *price) bool { return s.hi >= floor && s.terms.Amount == p.Amount }
	customer := func(s *price) bool { return s.hi >= floor && s.terms.Customer == p.Customer }
	if !slices.ContainsFunc(o.prices, amount) || !slices.ContainsFunc(o.prices, customer) {
		w.violated(
			"%s is handed out at %d for %q, and a newer price than %d was applied", p.id, p.Amount, p.Customer,
			floor,
		)
	}
	if (opened.Session == nil) != (p.Customer == "") {
		w.violated("the session of %q is %v", p.Customer, opened.Session)
	}
}

// checkPrice: a customer who has seen a price is never asked for an older one.
func (w *simulation) checkPrice(p *intent) {
	o := w.order(p.origin.Order)
	if age := o.age(p.Amount); age > 0 && age < p.shownAge {
		w.violated("%s was handed out at a price of %d, and goes back to %d of %d", p.id, p.shownAge, p.Amount, age)
	}
}

// checkRefunds: a call refunds once, and never more than was received.
func (w *simulation) checkRefunds() {
	made := map[string]payment.RefundID{}
	for _, r := range w.stripe.refunds {
		if other, twice := made[r.Call]; twice && r.Call != "" {
			w.violated("%s and %s are one call", other, r.ID)
		}
		made[r.Call] = r.ID
		if w.stripe.given(r.payment) > r.payment.AmountReceived {
			w.violated("more of %s is given back than has come", r.payment.id)
		}
	}
}
