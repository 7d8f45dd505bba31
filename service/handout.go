package service

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"kasse/service/payment"
)

// handOut reads the secrets of the order's open payment at Stripe. It returns them only if the payment is
// still open and has the order's terms. Otherwise it first brings the payment to them.
func (s *Service) handOut(
	ctx context.Context, t *target, l *lease, id payment.ID, r payment.CreateRequest,
) (Opened, next, error) {
	t.id = id
	a := t.order.Attempt(id)
	features, err := r.SessionFor(a)
	if err != nil {
		return Opened{}, done, err
	}
	m := s.openWithSession(ctx, a.Terms.Customer, &features, func() (payment.Answer, error) {
		answer, order, now, err := s.readForRepeat(ctx, t)
		if err == nil {
			s.set(t, order, now)
		}
		return answer, err
	})
	if m.payErr != nil {
		return Opened{}, done, m.payErr
	}
	if err := t.order.CheckCreate(r); err != nil {
		return Opened{}, done, err
	}
	if t.order.Terms.Customer != r.Terms.Customer { // another create has set it meanwhile
		return Opened{}, again, nil
	}
	a = t.order.Attempt(id)
	fits, setAmount := t.order.AfterRead(id)
	switch {
	case t.order.Lease.HeldByOther(l.owner, t.now):
		t.loaded = false
		return Opened{}, busy, nil
	case a == nil || a.State == payment.CanceledState || a.Superseded || t.order.Current() != id ||
		t.order.Closed != "":
		return Opened{}, again, nil
	case fits:
		return m.opened(t, false)
	case setAmount:
		return Opened{}, again, s.adaptAmount(ctx, t, l)
	}
	return Opened{}, again, s.withdraw(ctx, t, l, id, nil)
}

// readForRepeat reads an open payment at Stripe and merges the answer, once for all simultaneous repeats of
// its create. Each answer is a write, and a thousand writers of one order would delay each other. Repeats that
// have loaded different revisions read on their own: the result of an earlier read can have an older price, or
// an order that was still open.
func (s *Service) readForRepeat(ctx context.Context, t *target) (payment.Answer, payment.Order, time.Time, error) {
	type result struct {
		answer payment.Answer
		order  payment.Order
		now    time.Time
	}
	known := t.knownBefore()
	id, ref := t.id, t.ref
	from := *t
	shared, err, _ := s.lookups.Do("repeat "+string(id)+" "+t.order.Revision, func() (any, error) {
		var answer payment.Answer
		var pointed bool
		var both errgroup.Group
		both.Go(func() (err error) { // the create may have died before it wrote the pointer
			_, pointed, err = s.orders.FindOrder(ctx, id)
			return err
		})
		answer, err := s.stripe.RetrievePayment(ctx, id)
		if pointerErr := both.Wait(); err == nil {
			err = pointerErr
		}
		if err != nil {
			return result{}, err
		}
		own := &target{ref: ref, id: id, order: from.order, now: from.now, loaded: true, noPointer: !pointed}
		if own.noPointer {
			own.order.WithoutPointer()
		}
		seen := payment.Seen{Intent: answer.Intent, Facts: answer.ReadFacts(known), Charged: answer.Charged}
		_, err = s.merge(ctx, own, payment.CauseRead, seen)
		return result{answer, own.order, own.now}, err
	})
	r, _ := shared.(result)
	return r.answer, r.order, r.now, err
}

// adaptAmount sets the order's amount on its payment, under the order's lease.
func (s *Service) adaptAmount(ctx context.Context, t *target, l *lease) error {
	if err := s.take(ctx, t, l); err != nil {
		return err
	}
	return s.changeAtStripe(ctx, t, l, func(leased context.Context) (payment.Answer, error) {
		return s.stripe.UpdateAmount(leased, t.id, t.order.Terms.Amount, t.order.Rev)
	})
}

// withdraw cancels the order's payment so that another attempt can follow. It marks the payment superseded
// first, so that no order.canceled is sent for an order that continues. The caller keeps the lease.
func (s *Service) withdraw(ctx context.Context, t *target, l *lease, id payment.ID, terms payment.Fact) error {
	t.id = id
	a := t.order.Attempt(id)
	again := a != nil && a.Superseded
	if err := s.take(ctx, t, l, terms, payment.Withdrawn{Payment: id}); err != nil {
		return err
	}
	known := t.knownBefore()
	leased, cancel := s.stripeContext(ctx)
	defer cancel()
	answer, err := s.cancelOnce(leased, id, again)
	fact := answerFact(answer, err, known)
	if fact == nil {
		if _, releaseErr := s.release(ctx, t, l, payment.CauseAPI); releaseErr != nil {
			return releaseErr
		}
		return err
	}
	return s.concludeWithdrawal(ctx, t, l, fact)
}

// cancelOnce cancels a payment at Stripe. If an earlier call may have done so, it reads the payment first.
func (s *Service) cancelOnce(ctx context.Context, id payment.ID, again bool) (payment.Answer, error) {
	if again {
		answer, err := s.stripe.RetrievePayment(ctx, id)
		if err != nil || answer.Status == payment.Canceled {
			return answer, err
		}
	}
	return s.stripe.CancelPayment(ctx, id, "")
}

// concludeWithdrawal saves Stripe's answer to a withdrawal. After a cancellation the lease continues. If the
// payment has changed otherwise, the lease ends, which clears the superseded mark.
func (s *Service) concludeWithdrawal(ctx context.Context, t *target, l *lease, fact payment.Fact) error {
	keep := false
	_, err := s.apply(ctx, t, payment.CauseAPI, func(o *payment.Order, now time.Time) (payment.Fact, error) {
		next, _ := o.Apply(fact, now)
		a := next.Attempt(t.id)
		keep = o.Lease.Owner == l.owner && a != nil && a.State == payment.CanceledState
		if keep {
			until := now.Add(s.StripeTimeout + leaseMargin)
			return payment.All{fact, payment.Leased{Owner: l.owner, Until: until}}, nil
		}
		return payment.All{fact, payment.Released{Owner: l.owner}}, nil
	})
	if err == nil {
		l.taken = keep
	}
	return err
}

// knownBefore returns the facts that a call to Stripe begun now includes.
func (t *target) knownBefore() payment.KnownBefore { return t.order.Known(t.id, t.verify) }

// changeAtStripe changes the target's payment at Stripe, and saves the answer with the end of the lease. A
// refusal that shows the payment counts as an answer.
func (s *Service) changeAtStripe(
	ctx context.Context, t *target, l *lease, change func(
		context.Context,
	) (payment.Answer, error), also ...payment.Fact,
) error {
	known := t.knownBefore()
	leased, cancel := s.stripeContext(ctx)
	defer cancel()
	answer, err := change(leased)
	fact := answerFact(answer, err, known)
	return s.saveAnswer(ctx, t, l, fact, err, append([]payment.Fact{fact}, also...)...)
}

// saveAnswer saves the facts of a call to Stripe with the end of the lease. answer is nil if Stripe showed
// nothing; failure then has the reason. It returns errBusy if the lease was lost.
func (s *Service) saveAnswer(
	ctx context.Context, t *target, l *lease, answer payment.Fact, failure error, facts ...payment.Fact,
) error {
	held, err := s.release(ctx, t, l, payment.CauseAPI, facts...)
	switch {
	case err != nil:
		return err
	case answer == nil:
		return failure
	case !held:
		return errBusy
	}
	return nil
}
