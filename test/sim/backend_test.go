package sim_test

import (
	"context"
	"fmt"
	"slices"

	"kasse/service"
	"kasse/service/payment"
)

// order is an order as the shop knows it.
type order struct {
	id     payment.OrderID
	prices []*price
	tokens []payment.CreateRequest // the claims of its signed tokens

	refunds []payment.RefundRequest // requested refunds
}

func newOrder(id payment.OrderID) *order { return &order{id: id} }

// price is an amount set by a backend. Its rev lies between two bounds. Once it is applied, no older price
// may be shown.
type price struct {
	terms   payment.Terms
	lo, hi  int64 // Unix milliseconds
	applied bool
}

const always = int64(1) << 60

// floor returns the rev of the newest applied price.
func (o *order) floor() int64 {
	floor := int64(0)
	for _, p := range o.prices {
		if p.applied {
			floor = max(floor, p.lo)
		}
	}
	return floor
}

// age returns the rev of an amount, or 0 if it is not known for certain.
func (o *order) age(amount int64) int64 {
	age := int64(0)
	for _, p := range o.prices {
		if p.terms.Amount == amount && p.lo == p.hi {
			age = max(age, p.lo)
		}
	}
	return age
}

func (w *simulation) order(id payment.OrderID) *order {
	return w.orders[slices.IndexFunc(w.orders, func(o *order) bool { return o.id == id })]
}

func (o *order) set(terms payment.Terms, lo, hi int64) *price {
	p := &price{terms: terms, lo: lo, hi: hi}
	o.prices = append(o.prices, p)
	return p
}

// backendRequests starts one request. It returns false if it started none.
func (w *simulation) backendRequests() bool {
	if len(w.begun) >= maxOperations {
		return false
	}
	o := w.drawOrder()
	if w.drawHandedOut(o) == nil {
		pick(w, w.presentToken, w.createByKey)(o)
		return true
	}
	pick(w, w.presentToken, w.presentToken, w.presentToken, w.createByKey, w.createByKey, w.mint, w.changeAmount,
		w.cancelPayment, w.readStatus, w.readOrder, w.captureOrRefund, w.captureOrRefund)(o)
	return true
}

// drawOrder draws an order. A paid order is sometimes replaced by a new one.
func (w *simulation) drawOrder() *order {
	running := w.orders[len(w.orders)-w.settings.orders:]
	o := pick(w, running...)
	if !slices.ContainsFunc(w.stripe.of(o.id), func(p *intent) bool { return p.paid > 0 }) || w.happens(0.7) {
		return o
	}
	next := newOrder(payment.OrderID(fmt.Sprintf("order-%d", len(w.orders)+1)))
	w.orders = append(w.orders, next)
	return next
}

// terms draws terms for an order. Each amount is drawn once, so that an amount identifies its price.
func (w *simulation) terms(o *order) payment.Terms {
	n := len(o.prices)
	t := payment.Terms{
		Amount: int64(1000 + 10*n), Currency: "eur", Customer: "cus_1", CaptureMethod: payment.CaptureAutomaticAsync,
	}
	switch w.draw.IntN(16) {
	case 0:
		t.Currency = "chf"
	case 1:
		t.Customer = "cus_2"
	case 2:
		t.Customer = ""
	case 3:
		t.CaptureMethod = payment.CaptureManual
	case 4:
		t.Amount = int64(1 + n%tooSmall)
	case 5, 6:
		t.Amount = int64(90000 - 10*n)
	}
	return t
}

// presentToken creates with a token: a new one, or one that the backend has signed before.
func (w *simulation) presentToken(o *order) {
	if len(o.tokens) == 0 || w.happens(0.3) {
		rev := w.redis.now().UnixMilli() + 1000*(w.draw.Int64N(7)-3)
		o.tokens = append(o.tokens, payment.CreateRequest{Order: o.id, Terms: w.terms(o), Rev: rev})
	}
	r := pick(w, o.tokens...)
	w.create(o, "token", r, o.set(r.Terms, r.Rev, r.Rev))
}

// createByKey creates with a service key, mostly with the order's own terms.
func (w *simulation) createByKey(o *order) {
	stored := w.stored(o.id)
	r := payment.CreateRequest{Order: o.id, Terms: stored.Terms, Reopen: w.happens(0.5)}
	if (r.Terms == payment.Terms{}) || w.happens(0.1) {
		r.Terms = w.terms(o)
	}
	w.create(o, "key", r, o.set(r.Terms, w.earliest(), always))
}

// earliest is the earliest time of Redis's clock that a call begun now may carry, in Unix milliseconds.
func (w *simulation) earliest() int64 {
	return w.redis.now().UnixMilli() - max(2*w.settings.clockJumps.Milliseconds(), 60_000)
}

func (w *simulation) create(o *order, name string, r payment.CreateRequest, p *price) {
	floor, losses := o.floor(), w.losses
	var opened service.Opened
	about := fmt.Sprintf("create of %s by %s, amount %d, rev %d", r.Order, name, r.Terms.Amount, r.Rev)
	w.begin(about, func(ctx context.Context, at *replica) (err error) {
		opened, err = at.Create(ctx, r)
		return err
	}, func(err error) {
		w.expect(err, payment.CodeOrderConflict, payment.CodeOrderAlreadyPaid, payment.CodeOrderClosed,
			payment.CodePaymentInProgress, payment.CodeAmountOutOfRange, payment.CodeAttemptsExhausted)
		stands := codeOf(err) == payment.CodePaymentInProgress && w.stored(o.id).Closed == ""
		p.applied = name == "token" && (err == nil || stands) && losses == w.losses
		if err == nil {
			w.checkOpened(o, opened, floor, losses)
		}
	})
	w.last.create = true
}

// mint requests a token for an order. The service records the token's terms.
func (w *simulation) mint(o *order) {
	r := payment.CreateRequest{Order: o.id, Terms: w.terms(o)}
	p, losses := o.set(r.Terms, 0, always), w.losses
	about := fmt.Sprintf("token for %s, amount %d", o.id, r.Terms.Amount)
	w.begin(about, func(ctx context.Context, at *replica) (err error) {
		r.Rev, err = at.RecordTerms(ctx, r)
		return err
	}, func(err error) {
		if w.expect(err); err == nil {
			o.tokens = append(o.tokens, r)
			p.lo, p.hi = r.Rev, r.Rev
			p.applied = w.stored(o.id).Rev >= r.Rev && losses == w.losses // a won or closed order accepts no terms
		}
	})
}

// drawHandedOut draws one of the order's PaymentIntents whose secret a customer has; nil if there is none.
func (w *simulation) drawHandedOut(o *order) *intent {
	held := slices.DeleteFunc(w.stripe.of(o.id), func(p *intent) bool { return !p.handedOut })
	if len(held) == 0 {
		return nil
	}
	return pick(w, held...)
}

func (w *simulation) changeAmount(o *order) {
	p := w.drawHandedOut(o)
	version := w.storedView(p.id).Version
	terms := w.stored(o.id).Terms
	terms.Amount = w.terms(o).Amount
	set, losses := o.set(terms, w.earliest(), always), w.losses
	w.begin(fmt.Sprintf("change of %s to %d", p.id, terms.Amount), func(ctx context.Context, at *replica) error {
		_, err := at.ChangeAmount(ctx, p.id, version, terms.Amount)
		return err
	}, func(err error) {
		w.expect(err, payment.CodeVersionMismatch, payment.CodeInvalidState, payment.CodeAmountOutOfRange)
		stored := w.stored(o.id)
		set.applied = err == nil && stored.Winner == "" && stored.Closed == "" && losses == w.losses
	})
}

func (w *simulation) cancelPayment(o *order) {
	p := w.drawHandedOut(o)
	if w.happens(0.5) {
		return
	}
	w.begin("cancel of "+string(p.id), func(ctx context.Context, at *replica) error {
		_, err := at.Cancel(ctx, p.id, "")
		return err
	}, func(err error) {
		w.expect(err, payment.CodeInvalidState)
		if err == nil && p.Status != payment.Canceled {
			w.violated("the cancel of %s succeeds, and its status is %s", p.id, p.Status)
		}
	})
}

// captureOrRefund captures authorized money or refunds received money. Some calls are repeated.
func (w *simulation) captureOrRefund(o *order) {
	switch p := w.drawHandedOut(o); p.Status { //nolint:exhaustive // the others allow neither
	case payment.RequiresCapture:
		amount := w.partOf(p.AmountCapturable)
		w.begin(fmt.Sprintf("capture of %d of %s", amount, p.id), func(ctx context.Context, at *replica) error {
			_, err := at.Capture(ctx, p.id, &amount)
			return err
		}, func(err error) { w.expect(err, payment.CodeInvalidState, payment.CodeAmountOutOfRange) })
	case payment.Succeeded:
		w.refund(o, p)
	}
}

func (w *simulation) refund(o *order, p *intent) {
	if len(o.refunds) == 0 || w.happens(0.5) {
		amount := w.partOf(p.AmountReceived)
		o.refunds = append(o.refunds, payment.RefundRequest{
			Payment: p.id, Caller: "shop", Key: fmt.Sprintf("key-%d", len(o.refunds)+1), Amount: &amount,
		})
	}
	r := pick(w, o.refunds...)
	about := fmt.Sprintf("refund %s of %d of %s", r.Key, *r.Amount, r.Payment)
	w.begin(about, func(ctx context.Context, at *replica) error {
		_, err := at.Refund(ctx, r)
		return err
	}, func(err error) {
		w.expect(err, payment.CodeInvalidState, payment.CodeRefundExceedsPayment)
		w.checkRefunds()
	})
}

// partOf returns the whole amount or a part of it.
func (w *simulation) partOf(amount int64) int64 {
	if w.happens(0.5) {
		return amount
	}
	return 1 + w.draw.Int64N(amount)
}

// readStatus reads a payment's status and compares it with earlier results.
func (w *simulation) readStatus(o *order) {
	p := w.drawHandedOut(o)
	known, losses := w.storedView(p.id).Version, w.losses
	w.begin("status of "+string(p.id), func(ctx context.Context, at *replica) error {
		stored, err := at.Status(ctx, service.Caller{Key: "shop"}, p.id)
		if err == nil && stored.Version < known && losses == w.losses {
			return fmt.Errorf("version %d is shown after version %d", stored.Version, known)
		}
		return err
	}, func(err error) { w.expect(err) })
}

// readOrder reads an order. If it has a payment, the view must be of the current one.
func (w *simulation) readOrder(o *order) {
	losses := w.losses
	known := w.stored(o.id).Revision != ""
	w.begin("order "+string(o.id), func(ctx context.Context, at *replica) error {
		_, err := at.Order(ctx, service.Caller{Key: "shop"}, o.id)
		return err
	}, func(err error) {
		if codeOf(err) == payment.CodeNotFound && (!known || losses != w.losses) {
			return
		}
		w.expect(err)
	})
}
