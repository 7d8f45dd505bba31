package service

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"kasse/service/payment"
)

const (
	leaseMargin = 5 * time.Second        // added to the bound of the covered call to Stripe
	busyWait    = 5 * time.Second        // waiting time for another change of the same order
	busyPoll    = 500 * time.Millisecond // between checks of the order, in case a hint was lost
	mostSteps   = 12                     // steps that one call may take
)

// next is how the loop of an order's change continues.
type next int

const (
	done  next = iota // the result is final
	again             // the order has changed: try again
	busy              // another call is changing the order: wait for it
)

// retryOrderChange runs try until it is done. It waits for other changes of the order, up to busyWait. It
// continues when the caller hangs up, since a call to Stripe may be running.
func retryOrderChange[T any](
	ctx context.Context, s *Service, id payment.OrderID, try func(context.Context) (T, next, error),
) (T, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), busyWait+2*s.StripeTimeout)
	defer cancel()
	changed, stop := s.orders.WatchOrder(id)
	defer stop()
	waitCtx, cancel := context.WithTimeout(ctx, busyWait)
	defer cancel()
	var none T
	for steps := 0; steps < mostSteps; {
		result, n, err := try(ctx)
		switch {
		case err != nil:
			return none, err
		case n == done:
			return result, nil
		case n == again:
			steps++
			continue
		}
		select {
		case <-changed:
		case <-time.After(busyPoll):
		case <-waitCtx.Done():
		}
		if waitCtx.Err() != nil {
			return none, inProgress()
		}
	}
	return none, inProgress()
}

func inProgress() *payment.Error {
	return &payment.Error{
		Code: payment.CodeIdempotencyInProgress, Detail: "Another change of this order is in progress.",
		RetryAfter: time.Second,
	}
}

// lease is one call's right to change an order at Stripe. It is stored in the order.
type lease struct {
	owner string
	taken bool // written by this call and not yet released
}

func newLease() *lease { return &lease{owner: rand.Text()} }

// errBusy: another call has the order's lease, or has changed the order since it was loaded.
var errBusy = errors.New("the order is leased or was changed by another call")

// take writes the lease into the order, with other facts. Calls to Stripe are allowed until the lease's end
// less leaseMargin. It returns errBusy after a conflicting write, since the facts belong to the loaded order.
func (s *Service) take(ctx context.Context, t *target, l *lease, facts ...payment.Fact) error {
	revision := t.order.Revision
	_, err := s.apply(ctx, t, payment.CauseAPI, func(o *payment.Order, now time.Time) (payment.Fact, error) {
		if o.Revision != revision || o.Lease.HeldByOther(l.owner, now) {
			return nil, errBusy
		}
		until := now.Add(s.StripeTimeout + leaseMargin)
		return append(payment.All{payment.Leased{Owner: l.owner, Until: until}}, facts...), nil
	})
	l.taken = l.taken || err == nil
	return err
}

// release writes facts and ends the lease, if this call still has it. It reports whether it had.
func (s *Service) release(
	ctx context.Context, t *target, l *lease, cause string, facts ...payment.Fact,
) (held bool, err error) {
	_, err = s.apply(ctx, t, cause, func(o *payment.Order, _ time.Time) (payment.Fact, error) {
		held = o.Lease.Owner == l.owner
		return append(payment.All(facts), payment.Released{Owner: l.owner}), nil
	})
	if err == nil {
		l.taken = false
	}
	return held, err
}

// end releases the lease of a failed call. If Redis is unreachable, the lease expires.
func (s *Service) end(ctx context.Context, t *target, l *lease) {
	if !l.taken {
		return
	}
	if _, err := s.release(ctx, t, l, payment.CauseAPI); err != nil {
		s.Logger.WarnContext(ctx, "could not release an order's lease; it expires by itself",
			"order_id", t.ref.Order, "error", err)
	}
}

// stripeContext limits a call to Stripe so that it ends before the lease.
func (s *Service) stripeContext(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, s.StripeTimeout)
}

// shownIn returns the PaymentIntent of a refusal; nil if there is none.
func shownIn(err error) *payment.Answer {
	if e, ok := errors.AsType[*payment.Error](err); ok {
		return e.Intent
	}
	return nil
}

// answerFact is the fact of an answer to a change, or of the PaymentIntent of a refusal; nil if there is
// neither.
func answerFact(a payment.Answer, err error, known payment.KnownBefore) payment.Fact {
	if shown := shownIn(err); shown != nil {
		a, err = *shown, nil
	}
	if err != nil || a.ID == "" {
		return nil
	}
	return payment.Seen{Intent: a.Intent, Facts: a.ReadFacts(known), Charged: a.Charged}
}
