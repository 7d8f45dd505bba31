package sim_test

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"kasse/service"
)

// order is what the world outside knows of an order.
type order struct {
	id     service.OrderID
	prices []*price
	tokens []service.CreateRequest // that a backend has signed

	refunds []service.RefundRequest // that it has asked for
}

func newOrder(id service.OrderID) *order { return &order{id: id} }

// price is one that a backend has set. Its age lies between two bounds; once it is heard, no older price may be shown.
type price struct {
	terms  service.Terms
	lo, hi int64 // Unix milliseconds
	heard  bool
}

const always = int64(1) << 60

// floor is the age of the youngest price that has been heard.
func (o *order) floor() int64 {
	floor := int64(0)
	for _, p := range o.prices {
		if p.heard {
			floor = max(floor, p.lo)
		}
	}
	return floor
}

// age is that of an amount, 0 where it is not known for certain.
func (o *order) age(amount int64) int64 {
	age := int64(0)
	for _, p := range o.prices {
		if p.terms.Amount == amount && p.lo == p.hi {
			age = max(age, p.lo)
		}
	}
	return age
}

func (w *world) order(id service.OrderID) *order {
	at := slices.IndexFunc(w.orders, func(o *order) bool { return o.id == id })
	return w.orders[at]
}

func (o *order) set(terms service.Terms, lo, hi int64) *price {
	p := &price{terms: terms, lo: lo, hi: hi}
	o.prices = append(o.prices, p)
	return p
}

// operation is a request or a delivery under way at a replica.
type operation struct {
	*actor
	replica *replica
	err     error
	ended   chan struct{}
	then    func(err error) // judges what came of it; never for a replica that crashed
}

// mostAtOnce bounds the operations under way.
const mostAtOnce = 5

// begin sends an operation to a replica.
func (w *world) begin(name string, work func(context.Context, *replica) error, then func(error)) {
	r := pick(w, w.replicas...)
	a := w.newActor("")
	a.name = fmt.Sprintf("%s #%d", name, a.number)
	op := &operation{actor: a, replica: r, ended: make(chan struct{}), then: then}
	w.begun = append(w.begun, op)
	w.note("%s begins at %s", a.name, r.name)
	ctx := as(r.ctx, a)
	go func() {
		op.err = work(ctx, r)
		close(op.ended)
	}()
	w.last = a
}

// finish hears what operations have come to.
func (w *world) finish() {
	w.begun = slices.DeleteFunc(w.begun, func(op *operation) bool {
		select {
		case <-op.ended:
		default:
			return false
		}
		if op.replica.dead {
			w.note("%s dies", op.name)
			op.then(errDead)
			return true
		}
		w.note("%s ends: %s", op.name, outcome(op.err))
		op.then(op.err)
		return true
	})
}

// backendAsks begins one request. It reports whether it has.
func (w *world) backendAsks() bool {
	if len(w.begun) >= mostAtOnce {
		return false
	}
	o := w.anOrder()
	if w.handed(o) == nil {
		pick(w, w.presentToken, w.createByKey)(o)
		return true
	}
	pick(w,
		w.presentToken, w.presentToken, w.presentToken, w.createByKey, w.createByKey, w.mint, w.changeAmount, w.cancelPayment, w.ask, w.captureOrRefund, w.captureOrRefund,
	)(o)
	return true
}

// anOrder draws an order; one that was paid mostly makes way for a new one.
func (w *world) anOrder() *order {
	running := w.orders[len(w.orders)-w.mood.orders:]
	at := w.draw.IntN(len(running))
	if o := running[at]; !slices.ContainsFunc(w.stripe.of(o.id), func(p *intent) bool { return p.paid > 0 }) || w.happens(0.7) {
		return o
	}
	next := newOrder(service.OrderID(fmt.Sprintf("order-%d", len(w.orders)+1)))
	w.orders = append(w.orders, next)
	return next
}

// terms draws what an order may cost; each amount is drawn once, so that it names its price.
func (w *world) terms(o *order) service.Terms {
	n := len(o.prices)
	t := service.Terms{Amount: int64(1000 + 10*n), Currency: "eur", Customer: "cus_1", CaptureMethod: service.CaptureAutomaticAsync}
	switch w.draw.IntN(16) {
	case 0:
		t.Currency = "chf"
	case 1:
		t.Customer = "cus_2"
	case 2:
		t.Customer = ""
	case 3:
		t.CaptureMethod = service.CaptureManual
	case 4:
		t.Amount = int64(1 + n%tooSmall)
	case 5, 6:
		t.Amount = int64(90000 - 10*n)
	}
	return t
}

// presentToken creates by a token, a new one or one that the backend has signed before.
func (w *world) presentToken(o *order) {
	if len(o.tokens) == 0 || w.happens(0.3) {
		rev := w.redis.now().UnixMilli() + 1000*(w.draw.Int64N(7)-3)
		o.tokens = append(o.tokens, service.CreateRequest{Order: o.id, Terms: w.terms(o), Rev: rev})
	}
	r := pick(w, o.tokens...)
	w.create(o, "token", r, o.set(r.Terms, r.Rev, r.Rev))
}

// createByKey creates by a service key, mostly on the order's own terms.
func (w *world) createByKey(o *order) {
	stored := w.stored(o.id)
	r := service.CreateRequest{Order: o.id, Terms: stored.Terms, Reopen: w.happens(0.5)}
	if (r.Terms == service.Terms{}) || w.happens(0.1) {
		r.Terms = w.terms(o)
	}
	w.create(o, "key", r, o.set(r.Terms, w.redis.now().UnixMilli()-clockJumps, always))
}

// clockJumps is by how much Redis's clock may go back, in milliseconds.
const clockJumps = 60_000

func (w *world) create(o *order, name string, r service.CreateRequest, p *price) {
	floor := o.floor()
	var opened service.Opened
	w.begin(fmt.Sprintf("create of %s by %s over %d rev %d", r.Order, name, r.Terms.Amount, r.Rev), func(ctx context.Context, at *replica) (err error) {
		opened, err = at.Create(ctx, r)
		return err
	}, func(err error) {
		w.expect(err, service.CodeOrderConflict, service.CodeOrderAlreadyPaid, service.CodeOrderClosed, service.CodePaymentInProgress,
			service.CodeIdempotencyInProgress, service.CodeAmountOutOfRange, service.CodeAttemptsExhausted)
		p.heard = name == "token" && (err == nil || (codeOf(err) == service.CodePaymentInProgress && w.stored(o.id).Closed == ""))
		if err == nil {
			w.judgeOpened(o, opened, floor)
		}
	})
}

// mint records the terms of a token that the service signs.
func (w *world) mint(o *order) {
	r := service.CreateRequest{Order: o.id, Terms: w.terms(o)}
	p := o.set(r.Terms, 0, always)
	w.begin(fmt.Sprintf("mint for %s over %d", o.id, r.Terms.Amount), func(ctx context.Context, at *replica) (err error) {
		r.Rev, err = at.RecordTerms(ctx, r)
		return err
	}, func(err error) {
		if w.expect(err); err == nil {
			o.tokens = append(o.tokens, r)
			p.lo, p.hi = r.Rev, r.Rev
			p.heard = w.stored(o.id).Rev >= r.Rev // one that is won or closed hears nothing
		}
	})
}

// handed draws one of the order's payments whose secret a customer has.
func (w *world) handed(o *order) *intent {
	held := slices.DeleteFunc(w.stripe.of(o.id), func(p *intent) bool { return !p.handed })
	if len(held) == 0 {
		return nil
	}
	return pick(w, held...)
}

func (w *world) changeAmount(o *order) {
	p := w.handed(o)
	if p == nil {
		return
	}
	version := w.redis.payments[p.id].version
	terms := w.stored(o.id).Terms
	terms.Amount = w.terms(o).Amount
	set := o.set(terms, w.redis.now().UnixMilli()-clockJumps, always)
	w.begin(fmt.Sprintf("change of %s to %d", p.id, terms.Amount), func(ctx context.Context, at *replica) error {
		_, err := at.ChangeAmount(ctx, p.id, version, terms.Amount)
		return err
	}, func(err error) {
		w.expect(err, service.CodeVersionMismatch, service.CodeInvalidState, service.CodeIdempotencyInProgress, service.CodeAmountOutOfRange)
		set.heard = err == nil && w.stored(o.id).Winner == "" && w.stored(o.id).Closed == ""
	})
}

func (w *world) cancelPayment(o *order) {
	p := w.handed(o)
	if p == nil || w.happens(0.5) {
		return
	}
	w.begin("cancel of "+string(p.id), func(ctx context.Context, at *replica) error {
		_, err := at.Cancel(ctx, p.id, "")
		return err
	}, func(err error) {
		w.expect(err, service.CodeInvalidState, service.CodeIdempotencyInProgress)
		if err == nil && p.Status != service.Canceled {
			w.broke("%s was answered as cancelled, and is %s", p.id, p.Status)
		}
	})
}

// captureOrRefund takes money that was authorised, or gives back some that has come; a call is repeated now and then.
func (w *world) captureOrRefund(o *order) {
	p := w.handed(o)
	switch {
	case p == nil:
	case p.Status == service.RequiresCapture:
		amount := w.partOf(p.AmountCapturable)
		w.begin(fmt.Sprintf("capture of %d of %s", amount, p.id), func(ctx context.Context, at *replica) error {
			_, err := at.Capture(ctx, p.id, &amount)
			return err
		}, func(err error) { w.expect(err, service.CodeInvalidState, service.CodeAmountOutOfRange) })
	case p.Status == service.Succeeded:
		w.refund(o, p)
	}
}

func (w *world) refund(o *order, p *intent) {
	if len(o.refunds) == 0 || w.happens(0.5) {
		amount := w.partOf(p.AmountReceived)
		o.refunds = append(o.refunds, service.RefundRequest{Payment: p.id, Caller: "shop", Key: fmt.Sprintf("key-%d", len(o.refunds)+1), Amount: &amount})
	}
	r := pick(w, o.refunds...)
	w.begin(fmt.Sprintf("refund %s of %d of %s", r.Key, *r.Amount, r.Payment), func(ctx context.Context, at *replica) error {
		_, err := at.Refund(ctx, r)
		return err
	}, func(err error) {
		w.expect(err, service.CodeInvalidState, service.CodeRefundExceedsPayment)
		w.judgeRefunds()
	})
}

// partOf is all of an amount, or a part of it.
func (w *world) partOf(amount int64) int64 {
	if w.happens(0.5) {
		return amount
	}
	return 1 + w.draw.Int64N(amount)
}

// ask reads what backends and pages read, and compares it with what was.
func (w *world) ask(o *order) {
	p := w.handed(o)
	if p == nil {
		return
	}
	known := w.redis.payments[p.id].version
	w.begin("question about "+string(p.id), func(ctx context.Context, at *replica) error {
		stored, err := at.Status(ctx, service.Caller{Key: "shop"}, p.id)
		if err == nil && stored.Version < known {
			return fmt.Errorf("version %d after %d", stored.Version, known)
		}
		return err
	}, func(err error) { w.expect(err) })
}

// customerActs: a customer has the secret of whatever was handed out, for good. It reports whether there was one who
// could do anything.
func (w *world) customerActs() bool {
	var alive []*intent
	for _, p := range w.stripe.intents {
		if p.handed && p.Status != service.Canceled && p.Status != service.Succeeded {
			alive = append(alive, p)
		}
	}
	if len(alive) == 0 {
		return false
	}
	p := pick(w, alive...)
	a := pick(w, slices.DeleteFunc(slices.Clone(acts), func(a act) bool { return !slices.Contains(a.from, p.Status) })...)
	w.note("the customer of %s %s", p.id, a.name)
	a.do(w.stripe, p)
	return true
}

// deliver brings an event, in any order, perhaps one that was acknowledged before.
func (w *world) deliver() bool {
	due := slices.DeleteFunc(slices.Clone(w.stripe.events), func(e *event) bool { return e.flying || e.acked })
	if w.fault(0.05) {
		due = slices.DeleteFunc(slices.Clone(w.stripe.events), func(e *event) bool { return e.flying })
	}
	if len(due) == 0 || len(w.begun) >= mostAtOnce {
		return false
	}
	w.bring(pick(w, due...))
	return true
}

func (w *world) bring(e *event) {
	e.flying = true
	var result service.Outcome
	w.begin(fmt.Sprintf("%s %s of %s", e.Type, e.ID, e.payment.id), func(ctx context.Context, at *replica) (err error) {
		result, err = at.Webhook(ctx, []byte(e.ID), "")
		return err
	}, func(err error) {
		e.flying = false
		w.expect(err)
		if err == nil {
			e.acked = true
			w.judgeAcknowledged(e, result)
		}
	})
}

// expect is satisfied with no error, one that asks to try again, or one of these.
func (w *world) expect(err error, codes ...service.Code) {
	again := []service.Code{
		service.CodeStoreUnavailable, service.CodeStripeTimeout, service.CodeStripeUnavailable, service.CodeStripeRateLimited, service.CodeStripeError,
		service.CodeIdempotencyInProgress,
	}
	if err != nil && !errors.Is(err, errDead) && !slices.Contains(append(again, codes...), codeOf(err)) {
		w.broke("a caller is answered %v", err)
	}
}

func codeOf(err error) service.Code {
	if e, ok := errors.AsType[*service.Error](err); ok {
		return e.Code
	}
	return ""
}
