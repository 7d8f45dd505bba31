package service

import (
	"context"
	"time"

	"kasse/service/payment"
)

// findMargin is how much earlier or later than expected a listed PaymentIntent may be dated: a try may take its time,
// and Redis's clock may be wrong by more than ten minutes. A payment that is not found is made again.
const findMargin = 15 * time.Minute

// mismatchBack is the period in which a PaymentIntent is searched after a key mismatch: as long as Stripe
// certainly keeps the key, and an hour.
const mismatchBack = 25 * time.Hour

// searchRetry is the interval at which a create may search for an attempt with an unknown outcome.
const searchRetry = time.Minute

// search looks for an attempt's payment in Stripe's list. A payment that is found is adopted. A missing one
// was not made, once Stripe can no longer make it.
func (s *Service) search(ctx context.Context, t *target, l *lease, a payment.Attempt) error {
	if err := s.take(ctx, t, l); err != nil {
		return err
	}
	since, until := time.UnixMilli(a.Reserved).Add(-findMargin), time.UnixMilli(
		max(a.Tried, a.Reserved),
	).Add(findMargin)
	customer := a.Terms.Customer
	if a.Mismatch {
		since, customer = time.UnixMilli(a.Reserved).Add(-mismatchBack), ""
	}
	found, err := s.findPayments(ctx, t, customer, since, until)
	if err != nil {
		_, releaseErr := s.release(ctx, t, l, payment.CauseAPI)
		if releaseErr != nil {
			return releaseErr
		}
		return err
	}
	facts := adopted(found)
	if a.Mismatch { // Redis has lost the attempt, and with it the record of its events
		facts = payment.Restored{Fact: facts}
	}
	if _, err := s.release(ctx, t, l, payment.CauseRead, facts, payment.AttemptSearched{Number: a.Number}); err != nil {
		return err
	}
	if a.Number > len(t.order.Attempts) { // Redis is older than the attempt
		return nil
	}
	if row := t.order.Attempts[a.Number-1]; row.Payment == "" && !row.Refused {
		return &payment.Error{
			Code:       payment.CodeStripeUnavailable,
			Detail:     "It is not known yet whether Stripe created the payment. Repeat the same request.",
			RetryAfter: searchRetry,
		}
	}
	return nil
}

// findPayments is FindPayments for the target's order, limited to one call's duration, without copies.
func (s *Service) findPayments(
	ctx context.Context, t *target, customer payment.CustomerID, since, until time.Time,
) (found []payment.Answer, err error) {
	leased, cancel := s.stripeContext(ctx)
	defer cancel()
	listed, err := s.stripe.FindPayments(leased, t.ref.Order, customer, since, until)
	for _, a := range listed {
		copied, err := s.isCopy(leased, t, a.Intent)
		if err != nil {
			return nil, err
		}
		if !copied {
			found = append(found, a)
		}
	}
	return found, err
}

// adopted returns the facts of listed PaymentIntents. Each one that claims an attempt without a payment
// becomes that attempt.
func adopted(found []payment.Answer) payment.Fact {
	var facts payment.All
	for _, a := range found {
		facts = append(facts, payment.Adopted{
			Seen: payment.Seen{Intent: a.Intent, Facts: []payment.RecordFact{payment.StaleResponse(a.Date)}},
		})
	}
	return facts
}

// listUnknown searches for attempts of which only the existence of a later one is known. A number that is
// missing in Stripe's list has no payment.
func (s *Service) listUnknown(ctx context.Context, t *target, l *lease, terms payment.Fact) error {
	if err := s.take(ctx, t, l, terms); err != nil {
		return err
	}
	since, until := t.order.UnknownPeriod(t.now)
	found, err := s.findPayments(ctx, t, "", since.Add(-findMargin), until.Add(findMargin))
	facts := []payment.Fact{payment.Restored{Fact: adopted(found)}, payment.AttemptsListed{}}
	if err != nil {
		facts = nil
	}
	if _, releaseErr := s.release(ctx, t, l, payment.CauseRead, facts...); releaseErr != nil {
		return releaseErr
	}
	return err
}

// adoptForgotten looks for attempts that Redis has lost and neither the catch-up has found nor Stripe's
// idempotency keys still protect. Otherwise a second payment would be made.
func (s *Service) adoptForgotten(ctx context.Context, t *target, l *lease) error {
	if !payment.KeysForgotten(time.Unix(0, s.caughtUp.Load()), t.now) {
		return nil
	}
	done, now, err := s.catchUps.LoadCatchUp(ctx)
	if err != nil {
		return err
	}
	if done.IsZero() { // nothing can have been lost yet
		done = now
	}
	s.caughtUp.Store(done.UnixNano())
	if !payment.KeysForgotten(done, now) {
		return nil
	}
	if err := s.take(ctx, t, l); err != nil {
		return err
	}
	found, err := s.findPayments(ctx, t, "", done.Add(-catchUpMargin), now.Add(findMargin))
	var facts payment.Fact
	if len(found) > 0 {
		facts = payment.Restored{Fact: adopted(found)}
	}
	if _, releaseErr := s.release(ctx, t, l, payment.CauseRead, facts); err == nil {
		err = releaseErr
	}
	return err
}
