package service

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"kasse/service/payment"
)

// handOut asks Stripe for the secrets of the order's open payment. They are handed out only if the answer still
// shows it open, and at the order's terms; otherwise it is brought there first.
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
	if t.order.Terms.Customer != r.Terms.Customer { // set by another create meanwhile
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

// readForRepeat asks Stripe for an open payment and merges the answer, once for all who repeat its create at the same
// moment: each answer is a fact that is written, and a thousand writers of one order delay each other.
func (s *Service) readForRepeat(ctx context.Context, t *target) (payment.Answer, payment.Order, time.Time, error) {
	type result struct {
		answer payment.Answer
		order  payment.Order
		now    time.Time
	}
	known := t.knownBefore()
	id, ref := t.id, t.ref
	from := *t
	shared, err, _ := s.lookups.Do("repeat "+string(id), func() (any, error) {
		var answer payment.Answer
		var pointed bool
		var both errgroup.Group
		both.Go(func() (err error) { // the create that has made the payment may have died before it wrote the pointer
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

// withdraw cancels the order's payment so that another attempt can follow. Before Stripe is asked the payment is marked
// superseded, so that no event calls an order canceled that goes on. The lease stays with the caller.
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

// cancelOnce cancels a payment at Stripe. Where an earlier call may have done that, it looks first.
func (s *Service) cancelOnce(ctx context.Context, id payment.ID, again bool) (payment.Answer, error) {
	if again {
		answer, err := s.stripe.RetrievePayment(ctx, id)
		if err != nil || answer.Status == payment.Canceled {
			return answer, err
		}
	}
	return s.stripe.CancelPayment(ctx, id, "")
}

// concludeWithdrawal saves Stripe's answer to a withdrawal. The lease goes on where the payment was cancelled.
// Where it went on instead, the end of the lease clears the mark.
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

// knownBefore returns what a call of Stripe begun now includes.
func (t *target) knownBefore() payment.KnownBefore { return t.order.Known(t.id, t.verify) }

// changeAtStripe makes one change of the target's payment, whose answer is a read, and saves what came of it with
// the end of the lease. A refusal that shows the payment is an answer.
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

// saveAnswer saves the facts of a call of Stripe with the end of the lease. Answer is what Stripe showed; nil where it
// showed nothing, and failure says why. It fails with errBusy where the lease was lost meanwhile.
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
