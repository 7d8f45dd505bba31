package sim_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"kasse/service"
	"kasse/service/payment"
)

// stored is an order as it lies in Redis.
func (w *simulation) stored(id payment.OrderID) payment.Order {
	o, err := w.redis.loadOrder(payment.Ref{Order: id}, nil)
	if err != nil {
		w.broke("%s cannot be read: %v", id, err)
	}
	return o
}

// storedView is the view of a payment as callers get it; zero where there is none.
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
		w.broke("a view cannot be read: %v in %s", err, text)
	}
	return v
}

// viewIn is the view of a payment in an order; zero where there is none.
func (w *simulation) viewIn(o *storedOrder, id payment.ID) payment.View {
	if o == nil {
		return payment.View{}
	}
	return w.viewOf(o.views[id].View)
}

// row decodes the order itself; a zero one where there is none.
func (w *simulation) row(o *storedOrder) (row payment.Order) {
	if o == nil {
		return row
	}
	if err := json.Unmarshal(o.order, &row); err != nil {
		w.broke("an order cannot be read: %v", err)
	}
	return row
}

// judgeTruth looks at Stripe after each change there: of all PaymentIntents of an order that were handed out, one
// at most is not cancelled.
func (w *simulation) judgeTruth(p *intent) {
	var alive []payment.ID
	for _, other := range w.stripe.of(p.origin.Order) {
		if other.handed && other.Status != payment.Canceled {
			alive = append(alive, other.id)
		}
	}
	if len(alive) > 1 {
		w.broke("customers can pay %v, all of them for %s", alive, p.origin.Order)
	}
}

// judgeSave looks at an order, or a foreign payment, after each write.
func (w *simulation) judgeSave(write orderWrite, before, after *storedOrder) {
	was, is := w.row(before), w.row(after)
	w.noteOrder(write, is)
	w.judgeViews(write, before, after)
	w.judgeEvents(write, before, after)
	if write.ref.Foreign != "" {
		return
	}
	w.judgeOrder(write.ref.Order, was, is)
	w.judgeLastWord(write.ref.Order, after)
	for _, id := range is.Payments() {
		w.judgeFacts(id, after)
	}
}

// noteOrder writes a line of the trace for what a write has made of an order.
func (w *simulation) noteOrder(write orderWrite, o payment.Order) {
	text := fmt.Sprintf("  %s %s over %d rev %d", write.ref.Order, write.ref.Foreign, o.Terms.Amount, o.Rev)
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
	w.note("%s", text)
}

// judgeViews: a view changes only with its version. All changed views get one version, which is newer than every other
// version of the order. Each is true, or was.
func (w *simulation) judgeViews(write orderWrite, before, after *storedOrder) {
	var version, newest int64
	for id, v := range after.views {
		var known payment.StoredView
		if before != nil {
			known = before.views[id]
		}
		newest = max(newest, known.Version)
		switch {
		case known.Version != v.Version && version != 0 && version != v.Version:
			w.broke("one write of %s gives two versions", write.ref.Order)
		case known.Version != v.Version:
			version = v.Version
		case !bytes.Equal(known.View, v.View):
			w.broke("the view of %s changes without its version", id)
		}
	}
	if version > 0 && version <= newest {
		w.broke("%s goes from version %d to %d", write.ref.Order, newest, version)
	}
	for _, rendered := range write.changes.Views {
		w.judgeView(write, before, after, rendered)
	}
}

func (w *simulation) judgeView(write orderWrite, before, after *storedOrder, rendered payment.RenderedView) {
	was, v := w.viewIn(before, rendered.Payment), w.viewIn(after, rendered.Payment)
	truth := w.stripe.intent(rendered.Payment)
	if truth == nil {
		w.broke("%s is stored, and Stripe does not know it", rendered.Payment)
		return
	}
	if !slices.ContainsFunc(truth.was, func(s payment.Snapshot) bool {
		return s.Status == v.Status && s.Amount == v.Amount && s.AmountCapturable == v.AmountCapturable &&
			s.AmountReceived <= v.AmountReceived
	}) {
		w.broke("%s is shown as it never was: %s", v.Payment, rendered.JSON)
	}
	if v.AmountReceived > truth.AmountReceived {
		w.broke("%s has received %d, and shows %d", v.Payment, truth.AmountReceived, v.AmountReceived)
	}
	if was.AmountReceived > 0 && v.AmountReceived < was.AmountReceived {
		w.broke("%s was paid, and is shown as %s", v.Payment, v.State)
	}
	if was.FulfillableAt != nil && (v.FulfillableAt == nil || !was.FulfillableAt.Equal(*v.FulfillableAt)) {
		w.broke("%s could be fulfilled at %v, and now at %v", v.Payment, was.FulfillableAt, v.FulfillableAt)
	}
	w.judgeHistory(v, after)
	if write.ref.Foreign == "" {
		w.judgeFulfillable(v, w.row(after))
	} else if v.Fulfillable || v.FulfillableAt != nil {
		w.broke("%s is none of the order's payments, and may be fulfilled", v.Payment)
	}
}

// judgeHistory: the newest entry of the history is the change, unless only an event needed an id of its own.
func (w *simulation) judgeHistory(v payment.View, after *storedOrder) {
	var p payment.Payment
	if err := json.Unmarshal(after.records[v.Payment], &p); err != nil {
		w.broke("the record of %s cannot be read: %v", v.Payment, err)
		return
	}
	if len(p.History) == 0 {
		w.broke("%s has no history", v.Payment)
		return
	}
	last := p.History[len(p.History)-1]
	if last.To != v.State || last.Version > v.Version {
		w.broke("%s is %s at %d, and its history ends with %+v", v.Payment, v.State, v.Version, last)
	}
}

// judgeFulfillable: a payment that may be fulfilled has been paid, in full, at the order's price.
func (w *simulation) judgeFulfillable(v payment.View, o payment.Order) {
	truth := w.stripe.intent(v.Payment)
	paidInFull := truth.AmountReceived == v.Amount || truth.CaptureMethod == payment.CaptureManual
	atPrice := o.Terms.Amount == v.Amount && o.Terms.Currency == v.Currency
	if v.Fulfillable && (truth.Status != payment.Succeeded || !paidInFull || !atPrice || o.Winner != v.Payment) {
		w.broke("%+v may be fulfilled, and at Stripe it is %+v, of %+v", v, truth.Snapshot, o)
	}
	if v.Fulfillable && truth.copied {
		w.broke("%s may be fulfilled, and somebody else has made it", v.Payment)
	}
}

// judgeFacts: every event that was acknowledged is in the record, so that merging it once more changes nothing.
func (w *simulation) judgeFacts(id payment.ID, o *storedOrder) {
	for _, e := range w.stripe.events {
		if e.payment.id == id && e.acked && !e.ignored && e.losses == w.losses {
			w.judgeFact(e, o)
		}
	}
}

func (w *simulation) judgeFact(e *event, o *storedOrder) {
	id := e.payment.id
	if o == nil || o.records[id] == nil {
		w.broke("%s was acknowledged, and there is no record of %s", e.ID, id)
		return
	}
	var p payment.Payment
	if err := json.Unmarshal(o.records[id], &p); err != nil {
		w.broke("the record of %s cannot be read: %v", id, err)
		return
	}
	before, _ := json.Marshal(p.Record)
	for _, fact := range e.facts() {
		p.Record = payment.Merge(p.Record, fact)
	}
	after, _ := json.Marshal(p.Record)
	if !bytes.Equal(before, after) {
		w.broke("%s was acknowledged, and is not in the record:\n%s\n%s", e.ID, before, after)
	}
}

// judgeAcknowledged: an event is acknowledged once it is stored, and a pointer leads to its order.
func (w *simulation) judgeAcknowledged(e *event, result service.Outcome) {
	unlocated := w.holder(e.payment.id) == nil || w.losses > 0 // there may be no pointer
	_, waits := w.redis.ofPayment(e.payment.id).reads[e.payment.id]
	unproven := waits && e.Intent != nil && e.Key == "" // it may claim a forgotten attempt, as a copy could
	if e.ignored = result == service.Unchanged && (e.Intent == nil && unlocated || unproven); e.ignored {
		return // a read will show it
	}
	if result != service.Applied && result != service.Unchanged {
		w.broke("%s of %s is %s", e.ID, e.payment.id, result)
		return
	}
	if e.losses != w.losses {
		return
	}
	w.judgeFact(e, w.holder(e.payment.id))
	if _, found := w.redis.ofPayment(e.payment.id).pointers[e.payment.id]; !found {
		w.broke("%s was acknowledged, and no pointer leads from %s", e.ID, e.payment.id)
	}
}

// holder is the order, or the foreign payment, that has the record of a payment; nil where there is none.
func (w *simulation) holder(id payment.ID) *storedOrder {
	order := w.stripe.intent(id).origin.Order
	for _, ref := range []payment.Ref{{Order: order}, {Order: order, Foreign: id}} {
		if o := w.redis.find(ref); o != nil && o.records[id] != nil {
			return o
		}
	}
	return nil
}
