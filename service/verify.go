package service

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"kasse/service/payment"
)

// saveDenial saves that Stripe does not know a PaymentIntent that webhooks reported as paid.
func (s *Service) saveDenial(ctx context.Context, t *target, claims []string) error {
	return s.saveCaused(ctx, t, payment.CauseRead, payment.PaymentDenied{Payment: t.id, Claims: claims})
}

// noteVerified raises an alarm at each read that denies a webhook's success, since a process may die between
// the first write and its log line. It also logs if Stripe confirms the success later.
func (s *Service) noteVerified(ctx context.Context, t *target, wasDenied bool) {
	switch denied := t.order.Denied(t.id); {
	case denied:
		s.observer().Anomaly(AnomalyDenied)
		s.Logger.ErrorContext(ctx, "Stripe does not show a success that a webhook reported: the payment is held as "+
			"unverified; "+
			"a webhook secret may have leaked, see SECURITY.md", "payment_intent", t.id, "order_id", t.ref.Order)
	case wasDenied:
		s.Logger.WarnContext(ctx, "Stripe now shows the result of a payment that was held as unverified",
			"payment_intent", t.id, "order_id", t.ref.Order, "state", t.state())
	}
}

// verifySince reads every payment that has succeeded since a time, with any SUCCESS_VERIFICATION. It finds
// them in the feed, since Stripe's lists do not contain a forged success.
func (s *Service) verifySince(ctx context.Context, since time.Time, t *Tally) error {
	ids, err := s.succeededSince(ctx, since)
	if err != nil {
		return err
	}
	var failed []error
	for _, id := range ids {
		if err := s.verify(ctx, id, t); err != nil {
			failed = append(failed, fmt.Errorf("%s could not be verified: %w", id, err))
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		t.report()
	}
	return errors.Join(failed...)
}

// deniedListed limits the list of a tally, which is passed between processes.
const deniedListed = 1_000

// verify reads one payment, and counts it if Stripe does not know its success.
func (s *Service) verify(ctx context.Context, id payment.ID, t *Tally) error {
	if err := s.waitReadBudget(ctx); err != nil {
		return err
	}
	found, err := s.find(ctx, id)
	if err != nil {
		return err
	}
	found.verify = true
	if err := s.readTarget(ctx, found); err != nil {
		return err
	}
	t.Verified++
	if found.order.Denied(id) {
		if t.DeniedCount++; len(t.Denied) < deniedListed {
			t.Denied = append(t.Denied, payment.Denied{Payment: id, Order: found.ref.Order})
		}
	}
	return nil
}

// feedPage limits one read of the feed.
const feedPage = 500

// succeededSince returns the payments with money in the feed since a time, ordered by their first such event.
func (s *Service) succeededSince(ctx context.Context, since time.Time) (ids []payment.ID, err error) {
	seen := map[payment.ID]bool{}
	q := payment.FeedQuery{Limit: feedPage, Types: slices.DeleteFunc(slices.Clone(payment.EventTypes), withoutMoney)}
	for {
		page, err := s.feed.LoadEvents(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, e := range page.Events {
			if e.CreatedAt.Before(since.Truncate(time.Second)) {
				continue
			}
			v, err := payment.DecodeView(e.Data)
			if err != nil {
				return nil, err
			}
			if v.State.Won() && !seen[v.Payment] {
				seen[v.Payment] = true
				ids = append(ids, v.Payment)
			}
		}
		if len(page.Events) == 0 && !page.More {
			return ids, nil
		}
		q.After = page.Next
	}
}

// withoutMoney reports whether events of this type are about payments without a success.
func withoutMoney(kind string) bool {
	_, state, _ := strings.Cut(kind, ".")
	return slices.Contains([]payment.State{
		payment.Pending, payment.ActionRequired, payment.InProgress, payment.Failed, payment.Authorized,
		payment.CanceledState,
	}, payment.State(state))
}
