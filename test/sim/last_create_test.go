package sim_test

import (
	"context"
	"fmt"
	"time"

	"kasse/service"
	"kasse/service/payment"
)

// createLast: no order is stuck. A create with a key and reopen returns the only payment of the order that can be paid,
// or the reason why there is none.
func (w *simulation) createLast(o *order) {
	if w.failure != nil {
		return
	}
	r, possible := w.lastRequest(o)
	if !possible {
		return
	}
	var opened service.Opened
	var last error
	const pause = 2 * time.Minute // until the last attempt can be abandoned
	about := fmt.Sprintf("last create of %s, amount %d", o.id, r.Terms.Amount)
	// An attempt is dated by Redis's clock. One that was made before the clock went back is abandoned later.
	for range 4 + 2*w.settings.clockJumps/pause {
		w.begin(about, func(ctx context.Context, at *replica) (err error) {
			opened, err = at.Create(ctx, r)
			return err
		}, func(err error) { last = err })
		w.until("the last create ends", func() bool { return len(w.begun) == 0 })
		code := codeOf(last)
		if code != payment.CodeStripeUnavailable && code != payment.CodeStripeError &&
			code != payment.CodeIdempotencyInProgress {
			break
		}
		stored := w.stored(o.id)
		if a, _ := stored.Unsettled(); a != nil && a.Mismatch && w.losses > 0 {
			w.stopFor(26 * time.Hour) // an attempt is not abandoned while Stripe stores its key
		}
		w.elapse(pause)
	}
	w.until("every event is acknowledged", w.delivered)
	w.until("all is settled", w.settled)
	if w.failure == nil {
		w.checkLast(o, opened, last, r.Terms.Amount)
	}
}

// lastRequest returns a create with the order's terms; false if Stripe would not accept them.
func (w *simulation) lastRequest(o *order) (r payment.CreateRequest, possible bool) {
	stored := w.stored(o.id)
	if stored.Proposed.Rev > stored.Rev && stored.Winner == "" && stored.Closed == "" {
		// The outcome of the proposal is unknown, so its terms are used.
		stored.Terms.Amount, stored.Rev = stored.Proposed.Amount, stored.Proposed.Rev
	}
	r = payment.CreateRequest{Order: o.id, Terms: stored.Terms, Reopen: true}
	switch {
	case stored.Terms == payment.Terms{}:
		r.Terms = payment.Terms{Amount: 7000, Currency: "eur", CaptureMethod: payment.CaptureAutomaticAsync}
	case stored.Terms.Amount < tooSmall && stored.Closed == "" && stored.Winner == "":
		r.Rev, r.Terms.Amount = stored.Rev+1, 7000
	case stored.Terms.Amount < tooSmall:
		return r, false
	}
	return r, true
}

// checkLast compares the result of the last create with the order's payments at Stripe.
func (w *simulation) checkLast(o *order, opened service.Opened, err error, amount int64) {
	var payable []*intent
	want := payment.Code("")
	for _, p := range w.stripe.of(o.id) {
		switch {
		case p.isCopy, p.Status == payment.Canceled:
		case p.payable():
			payable = append(payable, p)
		case p.Status == payment.Succeeded:
			want = payment.CodeOrderAlreadyPaid
		default:
			want = payment.CodePaymentInProgress
		}
	}
	switch {
	case codeOf(err) != want || (want == "" && err != nil):
		w.violated("the last create of %s returns the error %v, want the code %q", o.id, err, want)
	case want == "" && (len(payable) != 1 || payable[0].id != opened.ID || payable[0].Amount != amount):
		w.violated("the last create of %s returns %s for %d; %d payments can be paid",
			o.id, opened.ID, amount, len(payable))
	case want != "" && len(payable) != 0:
		w.violated("the last create of %s returns %s, and %s can be paid", o.id, want, payable[0].id)
	default:
		stored := w.stored(o.id)
		w.compareLastEvent(o.id, w.viewIn(w.redis.find(payment.Ref{Order: o.id}), stored.Current()))
	}
}
