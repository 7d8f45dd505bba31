package sim_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"kasse/service"
	"kasse/service/payment"
)

// checkOrder: the winner and its terms do not change, the winner was paid, and no other payment of the order was paid
// before it.
func (w *simulation) checkOrder(id payment.OrderID, before, after payment.Order) {
	if before.Winner != "" && after.Winner != before.Winner {
		w.violated("the winner of %s changes from %s to %q", id, before.Winner, after.Winner)
	}
	if before.Winner != "" && before.Terms != after.Terms && (w.losses == 0 || !w.showsTerms(after)) {
		w.violated("the terms of %s change after the order was won", id)
	}
	for _, a := range after.Attempts {
		if p := w.stripe.intent(a.Payment); p != nil && (p.origin.Order != id || p.origin.Attempt != a.Number) {
			w.violated(
				"%s is attempt %d of %s, and its metadata has attempt %d of %s", a.Payment, a.Number, id,
				p.origin.Attempt, p.origin.Order,
			)
		}
	}
	if after.Winner == "" {
		return
	}
	winner := w.stripe.intent(after.Winner)
	for _, p := range w.stripe.of(id) {
		if winner.paid == 0 || (p.paid > 0 && p.paid < winner.paid && !p.isCopy) {
			w.violated("%s is won by %s, which was not paid first: %+v", id, after.Winner, winner.Snapshot)
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
			w.violated("one write has two events of %s", v.Payment)
		}
		announced[v.Payment] = true
		if stored := after.views[v.Payment]; string(stored.View) != string(e.Data) ||
			e.ID != fmt.Sprintf("%s.%d", v.Payment, stored.Version) {
			w.violated("the event %s has the view %s, and the stored view is %s", e.ID, e.Data, stored.View)
		}
		if superseded := isSuperseded(e.Type); superseded && ofOrder {
			w.violated("the event %s of a superseded payment comes after an event of the order", e.ID)
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
			w.violated("a change of %s has no event: %s", v.Payment, v.JSON)
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
			w.violated("%s has an event of version %d after %d", e.view.Payment, e.view.Version, newest[e.view.Payment])
		}
		newest[e.view.Payment] = e.view.Version
	}
	if paid := w.paidEvents(id); paid > 1 {
		w.violated("%s has %d order.paid", id, paid)
	}
}

// paidEvents counts the surviving order.paid events of an order.
func (w *simulation) paidEvents(id payment.OrderID) (count int) {
	for _, e := range w.redis.ofOrder(id).stream {
		if e.view.Order == id && e.Type == "order.paid" {
			count++
		}
	}
	return count
}

// checkID: an id belongs to one event permanently, even if Redis has lost the event since. Two events may have the same
// version only if Redis's clock has also gone back.
func (w *simulation) checkID(e payment.Announcement) {
	if w.settings.clockJumps > 0 {
		return
	}
	text := e.Type + " " + string(e.Data)
	id, version, _ := strings.Cut(e.ID, ".")
	if newest := w.newest[id]; newest != "" && version < newest {
		w.violated("%s is announced at version %s after %s, which Redis has lost", id, version, newest)
	}
	w.newest[id] = version
	if other, known := w.announced[e.ID]; known && other != text {
		w.violated("two events have the id %s:\n%s\n%s", e.ID, other, text)
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
	// A create that fails releases its lease. If Redis's clock has jumped forward since, the grace period is over.
	failed := w.settings.clockJumps > 0 && write.saved.Lease == payment.Lease{}
	if p.withdrawnBy != nil && w.running(p.withdrawnBy) && p.withdrawnBy.create && !failed &&
		before.Lease.Held(write.changes.Now) {
		w.violated("order.canceled is sent for %s while %s still runs", v.Payment, p.withdrawnBy.name)
	}
	for _, later := range w.stripe.of(write.ref.Order) {
		if later.handedOut && !later.isCopy && later.origin.Attempt > p.origin.Attempt &&
			later.Status != payment.Canceled {
			w.violated("order.canceled is sent for %s, and %s can be paid", v.Payment, later.id)
		}
	}
}

// checkLastEvent: payment, state and fulfillable of the order's last order.* event are those of its current payment.
// Without such an event the payment is pending. They may differ while the payment is being withdrawn, or while an
// attempt is unknown.
func (w *simulation) checkLastEvent(id payment.OrderID, stored *storedOrder) {
	o := w.decode(stored)
	current := o.Attempt(o.Current())
	unknown := slices.ContainsFunc(o.Attempts, func(a payment.Attempt) bool { return a.Unknown })
	if current == nil || current.Superseded || unknown {
		return
	}
	w.compareLastEvent(id, w.viewIn(stored, o.Current()))
}

// compareLastEvent compares an order's last order.* event with the view of its current payment.
func (w *simulation) compareLastEvent(id payment.OrderID, v payment.View) {
	var last *entry
	for i, e := range w.redis.ofOrder(id).stream {
		if e.view.Order == id && !isSuperseded(e.Type) && e.Type != "order.duplicate_payment" {
			last = &w.redis.ofOrder(id).stream[i]
		}
	}
	switch {
	case last == nil && v.State != payment.Pending && v.State != "":
		w.violated("%s is %s, and its order has no event", v.Payment, v.State)
	case last == nil:
	case last.view.Payment != v.Payment, last.view.State != v.State, last.view.Fulfillable != v.Fulfillable:
		w.violated("the last event of %s is %s of %s, %s, fulfillable %t; want %s, %s, fulfillable %t",
			id, last.Type, last.view.Payment, last.view.State, last.view.Fulfillable, v.Payment, v.State, v.Fulfillable)
	}
}

// checkOpened: a returned payment belongs to its order and has its own secret, a pointer leads to the order,
// and the price is not older than one applied before the create began.
func (w *simulation) checkOpened(o *order, opened service.Opened, floor int64, losses int) {
	p := w.stripe.intent(opened.ID)
	if p == nil || p.origin.Order != o.id || p.isCopy || opened.ClientSecret.Reveal() != string(p.id)+"_secret_x" {
		w.violated("the create of %s returns %q", o.id, opened.ID)
		return
	}
	p.handedOut = true
	w.checkOnePayable(p)
	if losses != w.losses {
		return
	}
	p.shownAge = max(p.shownAge, o.age(p.Amount))
	shared := w.losses > 0 && time.Since(w.lostAt) < stripeTimeout // the pointer may have been read before the loss
	if w.redis.ofPayment(p.id).pointers[p.id] != o.id && !shared {
		w.violated("%s is handed out without a pointer to its order", p.id)
	}
	if !p.payable() {
		return // the customer has paid meanwhile
	}
	amount := func(s *price) bool { return s.hi >= floor && s.terms.Amount == p.Amount }
	customer := func(s *price) bool { return s.hi >= floor && s.terms.Customer == p.Customer }
	if !slices.ContainsFunc(o.prices, amount) || !slices.ContainsFunc(o.prices, customer) {
		w.violated(
			"%s is handed out with amount %d for %q, and a newer price was applied, of rev %d", p.id, p.Amount,
			p.Customer, floor,
		)
	}
	if (opened.Session == nil) != (p.Customer == "") {
		w.violated("the session of customer %q is %v", p.Customer, opened.Session)
	}
}

// checkPrice: a payment that was handed out with a price never gets an older price.
func (w *simulation) checkPrice(p *intent) {
	o := w.order(p.origin.Order)
	if w.losses > 0 && w.settings.clockJumps > 0 {
		return // the rev of a lost price may be above those of newer prices, if Redis's clock has gone back
	}
	if age := o.age(p.Amount); age > 0 && age < p.shownAge {
		w.violated("%s was handed out with a price of rev %d, and goes back to %d of rev %d",
			p.id, p.shownAge, p.Amount, age)
	}
}

// checkRefunds: a call refunds once, and never more than was received.
func (w *simulation) checkRefunds() {
	made := map[string]payment.RefundID{}
	for _, r := range w.stripe.refunds {
		if other, twice := made[r.Call]; twice && r.Call != "" {
			w.violated("one call has made the refunds %s and %s", other, r.ID)
		}
		made[r.Call] = r.ID
		if w.stripe.refunded(r.payment) > r.payment.AmountReceived {
			w.violated("more of %s is refunded than was received", r.payment.id)
		}
	}
}
