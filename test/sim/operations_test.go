package sim_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"kasse/service"
	"kasse/service/payment"
)

// operation is a request or a delivery that a replica processes.
type operation struct {
	*actor
	replica *replica
	err     error
	ended   chan struct{}
	then    func(err error) // checks the result
	losses  int             // Redis's losses when it began
}

// maxOperations limits the concurrent operations.
const maxOperations = 5

// begin sends an operation to a replica.
func (w *simulation) begin(name string, work func(context.Context, *replica) error, then func(error)) {
	r := pick(w, w.replicas...)
	a := w.newActor("")
	a.name = fmt.Sprintf("%s #%d", name, a.number)
	op := &operation{actor: a, replica: r, ended: make(chan struct{}), then: then, losses: w.losses}
	w.begun = append(w.begun, op)
	w.tracef("%s begins at %s", a.name, r.name)
	ctx := as(r.ctx, a)
	go func() {
		defer close(op.ended)
		defer w.catchPanic()
		op.err = work(ctx, r)
	}()
	w.last = a
}

// conclude checks the operations that have ended.
func (w *simulation) conclude() {
	w.begun = slices.DeleteFunc(w.begun, func(op *operation) bool {
		select {
		case <-op.ended:
		default:
			return false
		}
		w.concluding = op
		if op.replica.dead {
			w.tracef("%s ends with its replica", op.name)
			op.then(errDead)
			return true
		}
		w.tracef("%s ends: %s", op.name, outcome(op.err))
		op.then(op.err)
		return true
	})
}

// running reports whether an actor is a running operation of a live process.
func (w *simulation) running(a *actor) bool {
	return slices.ContainsFunc(w.begun, func(op *operation) bool { return op.actor == a && !op.replica.dead })
}

// customerActs lets a customer pay, or fail to. Customers keep the secrets of all PaymentIntents that were
// handed out. It returns false if none could act.
func (w *simulation) customerActs() bool {
	var alive []*intent
	for _, p := range w.stripe.intents {
		if p.handedOut && p.Status != payment.Canceled && p.Status != payment.Succeeded {
			alive = append(alive, p)
		}
	}
	if len(alive) == 0 {
		return false
	}
	p := pick(w, alive...)
	possible := slices.DeleteFunc(slices.Clone(acts), func(a act) bool { return !slices.Contains(a.from, p.Status) })
	a := pick(w, possible...)
	w.tracef("the customer of %s %s", p.id, a.name)
	a.do(w.stripe, p)
	return true
}

// copyMetadata makes a cheaper PaymentIntent with the metadata of one of Kasse's, as another user of the account can,
// and may pay it. It returns false if there was none to copy.
func (w *simulation) copyMetadata() bool {
	of := slices.DeleteFunc(slices.Clone(w.stripe.intents), func(p *intent) bool { return !p.handedOut || p.isCopy })
	if len(of) == 0 {
		return false
	}
	original := pick(w, of...)
	terms := original.Terms()
	terms.Amount, terms.Customer, terms.CaptureMethod = 60, "", payment.CaptureAutomatic
	p := w.stripe.make(form{Terms: terms, Metadata: original.Metadata}, "")
	if w.happens(0.7) {
		w.tracef("another user pays %s, which has the metadata of %s", p.id, original.id)
		w.stripe.charge(p)
		w.stripe.accept(p)
	}
	return true
}

// deliver delivers an event, in any order, perhaps one that was acknowledged before. It returns false if
// there was none.
func (w *simulation) deliver() bool {
	due := slices.DeleteFunc(slices.Clone(w.stripe.events), func(e *event) bool { return e.inFlight || e.acked })
	if w.fault(0.05) {
		due = slices.DeleteFunc(slices.Clone(w.stripe.events), func(e *event) bool { return e.inFlight })
	}
	if len(due) == 0 || len(w.begun) >= maxOperations {
		return false
	}
	w.deliverEvent(pick(w, due...))
	return true
}

func (w *simulation) deliverEvent(e *event) {
	e.inFlight = true
	losses, reads := w.losses, w.readsQueued[e.payment.id]
	var result service.Outcome
	w.begin(fmt.Sprintf("%s %s of %s", e.Type, e.ID, e.payment.id), func(ctx context.Context, at *replica) (err error) {
		result, err = at.Webhook(ctx, []byte(e.ID), "")
		return err
	}, func(err error) {
		e.inFlight = false
		w.expect(err)
		if err == nil {
			e.acked, e.ackedAt, e.losses = true, time.Now(), losses
			w.checkAcknowledged(e, result, w.readsQueued[e.payment.id] > reads)
		}
	})
}

// expect accepts no error, a retryable error, or one of these codes. A payment may be missing if Redis went
// back during the operation.
func (w *simulation) expect(err error, codes ...payment.Code) {
	again := []payment.Code{
		payment.CodeStoreUnavailable, payment.CodeStripeTimeout, payment.CodeStripeUnavailable,
		payment.CodeStripeRateLimited, payment.CodeStripeError, payment.CodeIdempotencyInProgress,
	}
	if w.concluding.losses != w.losses {
		again = append(again, payment.CodeNotFound)
	}
	if err != nil && !errors.Is(err, errDead) && !slices.Contains(append(again, codes...), codeOf(err)) {
		w.violated("a caller gets the unexpected error %v", err)
	}
}

func codeOf(err error) payment.Code {
	if e, ok := errors.AsType[*payment.Error](err); ok {
		return e.Code
	}
	return ""
}
