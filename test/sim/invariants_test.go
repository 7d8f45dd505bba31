package sim_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"kasse/service"
	"kasse/service/payment"
)

// stored returns an order as stored in Redis.
func (w *simulation) stored(id payment.OrderID) payment.Order {
	o, err := w.redis.loadOrder(payment.Ref{Order: id}, nil)
	if err != nil {
		w.violated("%s cannot be read: %v", id, err)
	}
	return o
}

// storedView returns a payment's view as callers get it; zero if there is none.
func (w *simulation) storedView(id payment.ID) payment.StoredView {
	v, _ := w.redis.loadView(id)
	return v
}

func (w *simulation) viewOf(text []byte) payment.View {
	if text == nil {
		return payment.View{}
	}
	v, err := payment.DecodeView(text)
	if err != nil {
		w.violated("a view cannot be read: %v in %s", err, text)
	}
	return v
}

// viewIn returns a payment's view in an order; zero if there is none.
func (w *simulation) viewIn(o *storedOrder, id payment.ID) payment.View {
	if o == nil {
		return payment.View{}
	}
	return w.viewOf(o.views[id].View)
}

// decode decodes an order; zero if there is none.
func (w *simulation) decode(o *storedOrder) (row payment.Order) {
	if o == nil {
		return row
	}
	if err := json.Unmarshal(o.order, &row); err != nil {
		w.violated("an order cannot be read: %v", err)
	}
	return row
}

// checkOnePayable runs after each change at Stripe: at most one of an order's handed-out PaymentIntents is not
// canceled.
func (w *simulation) checkOnePayable(p *intent) {
	var alive []payment.ID
	for _, other := range w.stripe.of(p.origin.Order) {
		if other.handedOut && other.Status != payment.Canceled {
			alive = append(alive, other.id)
		}
	}
	if len(alive) > 1 {
		w.violated("customers have several payments of %s that are not canceled: %v", p.origin.Order, alive)
	}
}

// checkSave checks an order, or a foreign payment, after each write.
func (w *simulation) checkSave(write orderWrite, before, after *storedOrder) {
	was, is := w.decode(before), w.decode(after)
	w.traceOrder(write, is)
	w.checkViews(write, before, after)
	w.checkEvents(write, before, after)
	if write.ref.Foreign != "" {
		return
	}
	w.checkOrder(write.ref.Order, was, is)
	w.checkLastEvent(write.ref.Order, after)
	for _, id := range is.Payments() {
		w.checkFacts(id, after)
	}
}

// traceOrder writes a line of the trace about a write of an order.
func (w *simulation) traceOrder(write orderWrite, o payment.Order) {
	text := fmt.Sprintf("  %s %s amount %d rev %d", write.ref.Order, write.ref.Foreign, o.Terms.Amount, o.Rev)
	for _, a := range o.Attempts {
		text += fmt.Sprintf(" [%d %s %s", a.Number, a.Payment, a.State)
		for _, mark := range []struct {
			name string
			is   bool
		}{
			{"superseded", a.Superseded},
			{"unknown", a.Unknown},
			{"refused", a.Refused},
			{"mismatch", a.Mismatch},
			{"unclear", a.Unclear},
		} {
			if mark.is {
				text += " " + mark.name
			}
		}
		text += "]"
	}
	if o.Winner != "" || o.Closed != "" {
		text += fmt.Sprintf(" won by %q, closed %q", o.Winner, o.Closed)
	}
	for _, e := range write.changes.Events {
		text += " " + e.Type + " of " + e.ID
	}
	w.tracef("%s", text)
}

// checkViews: a view changes only with its version. All changed views get the same version, which is newer
// than every other version of the order. Each view is or was true at Stripe.
func (w *simulation) checkViews(write orderWrite, before, after *storedOrder) {
	var version, newest int64
	for id, v := range after.views {
		var known payment.StoredView
		if before != nil {
			known = before.views[id]
		}
		newest = max(newest, known.Version)
		switch {
		case known.Version != v.Version && version != 0 && version != v.Version:
			w.violated("one write of %s gives views different versions", write.ref.Order)
		case known.Version != v.Version:
			version = v.Version
		case !bytes.Equal(known.View, v.View):
			w.violated("the view of %s changes without its version", id)
		}
	}
	if version > 0 && version <= newest {
		w.violated("%s goes from version %d to %d", write.ref.Order, newest, version)
	}
	for _, rendered := range write.changes.Views {
		w.checkView(write, before, after, rendered)
	}
}

func (w *simulation) checkView(write orderWrite, before, after *storedOrder, rendered payment.RenderedView) {
	was, v := w.viewIn(before, rendered.Payment), w.viewIn(after, rendered.Payment)
	truth := w.stripe.intent(rendered.Payment)
	if truth == nil {
		w.violated("%s is stored, and Stripe does not have it", rendered.Payment)
		return
	}
	if !slices.ContainsFunc(truth.was, func(s payment.Snapshot) bool {
		return s.Status == v.Status && s.Amount == v.Amount && s.AmountCapturable == v.AmountCapturable &&
			s.AmountReceived <= v.AmountReceived
	}) {
		w.violated("%s never had the shown state at Stripe: %s", v.Payment, rendered.JSON)
	}
	if v.AmountReceived > truth.AmountReceived {
		w.violated("%s shows %d as received, want at most %d", v.Payment, v.AmountReceived, truth.AmountReceived)
	}
	if was.AmountReceived > 0 && v.AmountReceived < was.AmountReceived {
		w.violated("%s was paid, and is shown as %s", v.Payment, v.State)
	}
	if was.FulfillableAt != nil && (v.FulfillableAt == nil || !was.FulfillableAt.Equal(*v.FulfillableAt)) {
		w.violated("fulfillable_at of %s changes from %v to %v", v.Payment, was.FulfillableAt, v.FulfillableAt)
	}
	w.checkHistory(v, after)
	if write.ref.Foreign == "" {
		w.checkFulfillable(v, w.decode(after))
	} else if v.Fulfillable || v.FulfillableAt != nil {
		w.violated("%s is a foreign payment, and fulfillable", v.Payment)
	}
}

// checkHistory: the last history entry has the view's state. It may have an older version if the view got a new one
// only for the id of an event.
func (w *simulation) checkHistory(v payment.View, after *storedOrder) {
	var p payment.Payment
	if err := json.Unmarshal(after.records[v.Payment], &p); err != nil {
		w.violated("the record of %s cannot be read: %v", v.Payment, err)
		return
	}
	if len(p.History) == 0 {
		w.violated("%s has no history", v.Payment)
		return
	}
	last := p.History[len(p.History)-1]
	if last.To != v.State || last.Version > v.Version {
		w.violated("%s is %s at %d, and its history ends with %+v", v.Payment, v.State, v.Version, last)
	}
}

// checkFulfillable: a fulfillable payment has been paid in full, at the order's price.
func (w *simulation) checkFulfillable(v payment.View, o payment.Order) {
	truth := w.stripe.intent(v.Payment)
	paidInFull := truth.AmountReceived == v.Amount || truth.CaptureMethod == payment.CaptureManual
	atPrice := o.Terms.Amount == v.Amount && o.Terms.Currency == v.Currency
	if v.Fulfillable && (truth.Status != payment.Succeeded || !paidInFull || !atPrice || o.Winner != v.Payment) {
		w.violated("%+v is fulfillable; at Stripe it is %+v, and the order is %+v", v, truth.Snapshot, o)
	}
	if v.Fulfillable && truth.isCopy {
		w.violated("%s is fulfillable, and another user has made it", v.Payment)
	}
}

// checkFacts: every acknowledged event is in the record, so merging it again changes nothing.
func (w *simulation) checkFacts(id payment.ID, o *storedOrder) {
	for _, e := range w.stripe.events {
		if e.payment.id == id && e.acked && !e.ignored && e.losses == w.losses {
			w.checkFact(e, o)
		}
	}
}

func (w *simulation) checkFact(e *event, o *storedOrder) {
	id := e.payment.id
	if o == nil || o.records[id] == nil {
		w.violated("%s was acknowledged, and %s has no record", e.ID, id)
		return
	}
	var p payment.Payment
	if err := json.Unmarshal(o.records[id], &p); err != nil {
		w.violated("the record of %s cannot be read: %v", id, err)
		return
	}
	before, _ := json.Marshal(p.Record)
	for _, fact := range e.facts() {
		p.Record = payment.Merge(p.Record, fact)
	}
	after, _ := json.Marshal(p.Record)
	if !bytes.Equal(before, after) {
		w.violated("%s was acknowledged, and is not in the record:\n%s\n%s", e.ID, before, after)
	}
}

// checkAcknowledged: an acknowledged event is stored, and a pointer leads to its order. readQueued reports whether
// a read of its payment was queued since the delivery began.
func (w *simulation) checkAcknowledged(e *event, result service.Outcome, readQueued bool) {
	unlocated := w.holder(e.payment.id) == nil || w.losses > 0 // there may be no pointer
	left := unlocated                                          // whether it may be left to the read
	if e.Intent != nil {
		left = e.Key == "" // it may name a lost attempt, as a copy of our metadata could
	}
	e.ignored = result == service.Unchanged && readQueued && left
	if e.ignored {
		return // the read shows it
	}
	if result != service.Applied && result != service.Unchanged {
		w.violated("%s of %s has the outcome %s", e.ID, e.payment.id, result)
		return
	}
	if e.losses != w.losses {
		return
	}
	w.checkFact(e, w.holder(e.payment.id))
	if _, found := w.redis.ofPayment(e.payment.id).pointers[e.payment.id]; !found {
		w.violated("%s was acknowledged, and %s has no pointer to its order", e.ID, e.payment.id)
	}
}

// holder returns the order, or foreign payment, with the payment's record; nil if there is none.
func (w *simulation) holder(id payment.ID) *storedOrder {
	order := w.stripe.intent(id).origin.Order
	for _, ref := range []payment.Ref{{Order: order}, {Order: order, Foreign: id}} {
		if o := w.redis.find(ref); o != nil && o.records[id] != nil {
			return o
		}
	}
	return nil
}
