package sim_test

import (
	"bytes"
	"encoding/json"
	"slices"

	"kasse/service"
)

// stored is an order as it lies in Redis.
func (w *world) stored(id service.OrderID) service.Order {
	o, err := w.redis.loadOrder(id)
	if err != nil {
		w.broke("%s cannot be read: %v", id, err)
	}
	return o
}

func (w *world) viewOf(text []byte) (v service.View) {
	if err := json.Unmarshal(text, &v); err != nil {
		w.broke("a view cannot be read: %v in %s", err, text)
	}
	return v
}

// judgeTruth looks at Stripe after each change there: of all the payments of an order that customers have the secret of,
// one at most is not cancelled.
func (w *world) judgeTruth(p *intent) {
	var alive []service.PaymentID
	for _, other := range w.stripe.of(p.origin.Order) {
		if other.handed && other.Status != service.Canceled {
			alive = append(alive, other.id)
		}
	}
	if len(alive) > 1 {
		w.broke("customers can pay %v, all of them for %s", alive, p.origin.Order)
	}
}

// judgeWrite looks at a payment after each write.
func (w *world) judgeWrite(before, after storedPayment, write service.PaymentWrite) {
	w.judgeStream(before, after, write)
	v := w.viewOf(after.view)
	truth := w.stripe.intent(write.ID)
	if truth == nil {
		w.broke("%s is stored, and Stripe knows nothing of it", write.ID)
		return
	}
	if !slices.ContainsFunc(truth.was, func(s service.Snapshot) bool {
		return s.Status == v.Status && s.Amount == v.Amount && s.AmountCapturable == v.AmountCapturable && s.AmountReceived <= v.AmountReceived
	}) {
		w.broke("%s is shown as it never was: %s", write.ID, after.view)
	}
	if v.AmountReceived > truth.AmountReceived {
		w.broke("%s has received %d, and shows %d", write.ID, truth.AmountReceived, v.AmountReceived)
	}
	w.judgeFulfillable(before, v)
	w.judgeFacts(write.ID)
}

// judgeStream: versions only grow, each visible change has one, and the newest entry of the stream is the view as it is
// stored; only an opening is not told.
func (w *world) judgeStream(before, after storedPayment, write service.PaymentWrite) {
	if (write.History == nil) != (before.version == after.version) || after.version < before.version {
		w.broke("%s goes from version %d to %d", write.ID, before.version, after.version)
	}
	if write.History == nil && !bytes.Equal(before.view, after.view) {
		w.broke("the view of %s changes silently", write.ID)
	}
	var newest *service.FeedEvent
	told, seen := 0, int64(0)
	for i, e := range w.redis.stream {
		v := w.viewOf(e.Data)
		if v.Order == write.Standing.Order && e.Type == "order.paid" {
			told++
		}
		if v.Payment != write.ID {
			continue
		}
		if newest = &w.redis.stream[i]; v.Version <= seen {
			w.broke("%s is told of version %d after %d", write.ID, v.Version, seen)
		}
		seen = v.Version
	}
	switch v := w.viewOf(after.view); {
	case told > 1:
		w.broke("order.paid is told %d times of %s", told, write.Standing.Order)
	case newest == nil && (v.State != service.Pending || bytes.Count(after.history, []byte(`"version"`)) > 1):
		w.broke("nobody is told of %s", after.view)
	case newest != nil && !bytes.Equal(newest.Data, after.view):
		w.broke("stored is %s, told was %s", after.view, newest.Data)
	}
}

// judgeFulfillable: what may be fulfilled has been paid, in full, at the price that stood when the order was won, and the
// moment is set once.
func (w *world) judgeFulfillable(before storedPayment, v service.View) {
	truth, o := w.stripe.intent(v.Payment), w.stored(v.Order)
	if v.Fulfillable && (truth.Status != service.Succeeded || (truth.AmountReceived != v.Amount && truth.CaptureMethod != service.CaptureManual) || o.Terms.Amount != v.Amount || o.Terms.Currency != v.Currency || o.Winner != v.Payment) {
		w.broke("%+v may be fulfilled, and at Stripe it is %+v, of %+v", v, truth.Snapshot, o)
	}
	if before.view == nil {
		return
	}
	was := w.viewOf(before.view)
	if was.FulfillableAt != nil && (v.FulfillableAt == nil || !was.FulfillableAt.Equal(*v.FulfillableAt)) {
		w.broke("%s could be fulfilled at %v, and now at %v", v.Payment, was.FulfillableAt, v.FulfillableAt)
	}
	if was.AmountReceived > 0 && v.AmountReceived < was.AmountReceived {
		w.broke("%s was paid, and is shown as %s", v.Payment, v.State)
	}
}

// judgeFacts: what was acknowledged is in the record, so that merging it once more changes nothing.
func (w *world) judgeFacts(id service.PaymentID) {
	for _, e := range w.stripe.events {
		if e.payment.id == id && e.acked && !e.ignored {
			w.judgeFact(e)
		}
	}
}

func (w *world) judgeFact(e *event) {
	p, err := w.redis.loadPayment(e.payment.id)
	if err != nil || p.Revision == 0 {
		w.broke("%s was acknowledged, and there is no %s: %v", e.ID, e.payment.id, err)
		return
	}
	before, _ := json.Marshal(p.Record)
	for _, fact := range e.facts() {
		p.Record = service.Merge(p.Record, fact)
	}
	after, _ := json.Marshal(p.Record)
	if !bytes.Equal(before, after) {
		w.broke("%s was acknowledged, and is not in the record:\n%s\n%s", e.ID, before, after)
	}
}

func (w *world) judgeAcknowledged(e *event, result service.Outcome) {
	if e.ignored = result == service.Ignored && e.Intent == nil; e.ignored {
		return // a read will list it
	}
	if result != service.Applied && result != service.Unchanged {
		w.broke("%s of %s is %s", e.ID, e.payment.id, result)
		return
	}
	w.judgeFact(e)
}

// judgeOrder: there is one winner, it has paid, and nobody has paid before it.
func (w *world) judgeOrder(before, after service.Order) {
	if before.Winner != "" && after.Winner != before.Winner {
		w.broke("%s was won by %s, and now by %q", after.ID, before.Winner, after.Winner)
	}
	if before.Winner != "" && before.Terms != after.Terms {
		w.broke("the terms of %s change after it was won", after.ID)
	}
	if after.Winner == "" {
		return
	}
	winner := w.stripe.intent(after.Winner)
	for _, p := range w.stripe.of(after.ID) {
		if winner.paid == 0 || (p.paid > 0 && p.paid < winner.paid && !p.strange) {
			w.broke("%s is won by %s: %+v", after.ID, after.Winner, winner.Snapshot)
		}
	}
}

// judgeOpened: a payment that is handed out is of its order, its secret is its own, and its price is not older than what
// was heard before it was asked for.
func (w *world) judgeOpened(o *order, opened service.Opened, floor int64) {
	p := w.stripe.intent(opened.ID)
	if p == nil || p.origin.Order != o.id || opened.ClientSecret.Reveal() != string(p.id)+"_secret_x" {
		w.broke("%s is answered with %q", o.id, opened.ID)
		return
	}
	p.handed, p.shown = true, max(p.shown, o.age(p.Amount))
	w.judgeTruth(p)
	if !p.payable() {
		return // the customer was faster
	}
	amount := func(s *price) bool { return s.hi >= floor && s.terms.Amount == p.Amount }
	customer := func(s *price) bool { return s.hi >= floor && s.terms.Customer == p.Customer }
	if !slices.ContainsFunc(o.prices, amount) || !slices.ContainsFunc(o.prices, customer) {
		w.broke("%s is handed out at %d for %q, and a younger price than %d was heard", p.id, p.Amount, p.Customer, floor)
	}
	if (opened.Session == nil) != (p.Customer == "") {
		w.broke("the session of %q is %v", p.Customer, opened.Session)
	}
}

// judgePrice: whoever has seen a price is never asked for an older one.
func (w *world) judgePrice(p *intent) {
	o := w.order(p.origin.Order)
	if age := o.age(p.Amount); age > 0 && age < p.shown {
		w.broke("%s was handed out at a price of %d, and goes back to %d of %d", p.id, p.shown, p.Amount, age)
	}
}

// judgeRefunds: a call gives money back once, and never more than has come.
func (w *world) judgeRefunds() {
	made := map[string]service.RefundID{}
	for _, r := range w.stripe.refunds {
		if other, twice := made[r.Call]; twice && r.Call != "" {
			w.broke("%s and %s are one call", other, r.ID)
		}
		made[r.Call] = r.ID
		if w.stripe.given(r.payment) > r.payment.AmountReceived {
			w.broke("more of %s is given back than has come", r.payment.id)
		}
	}
}
