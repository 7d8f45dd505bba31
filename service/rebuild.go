package service

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"kasse/service/payment"
)

// relister reads what a rebuild starts from.
type relister interface {
	// ListPayments gives the PaymentIntents made since a moment, newest first. (Search lags, and must not decide.)
	ListPayments(ctx context.Context, since time.Time, after string) (payment.Page[payment.Listed], error)
	// ListSuccesses gives the events of payments that succeeded since a moment; Stripe keeps them for 30 days.
	ListSuccesses(ctx context.Context, since time.Time, after string) (payment.Page[payment.StripeEvent], error)
}

// Recovery counts what a rebuild has come to. It belongs to one goroutine.
type Recovery struct {
	Unreadable []payment.ID // ours, and in a shape that makes no sense: they were not restored
	Listed     int          // PaymentIntents that Stripe has
	Orders     int          // that are ours, with at least one payment
	Payments   int          // that are ours
	Restored   int          // of these looked after so far
	Read       int          // of these read one by one
	Report     func(Recovery)
}

func (r *Recovery) report() {
	if r.Report != nil {
		r.Report(*r)
	}
}

// Rebuild brings back every payment that Stripe has made for us since so long ago, and their orders. It may be
// repeated: what is there is read again only where Stripe shows something else.
//
// An order is restored from all its payments at once, since one attempt alone would look as if the others had been
// given up. What Redis alone knew is lost: the terms of a token that was not presented, the count of failed
// attempts, when each change was seen; and of an order that was closed, with what its last payment had failed.
func (s *Service) Rebuild(ctx context.Context, since time.Duration, r *Recovery) error {
	s.rebuilding = true
	return s.waitExclusively(ctx, ownerRebuild, func(ctx context.Context) error {
		_, now, err := s.catchUps.LoadCatchUp(ctx)
		if err != nil {
			return err
		}
		orders, err := s.listOrders(ctx, now.Add(-since), r)
		if err != nil {
			return err
		}
		returned, err := s.listReturned(ctx, now.Add(-since))
		if err != nil {
			return err
		}
		for _, id := range slices.Sorted(maps.Keys(orders)) {
			if err := s.rebuildOrder(ctx, id, orders[id], returned, r); err != nil {
				return fmt.Errorf("order %s: %w", id, err)
			}
		}
		return s.catchUps.SaveCatchUp(ctx, now)
	})
}

// listOrders lists all our payments, by order.
func (s *Service) listOrders(
	ctx context.Context, since time.Time, r *Recovery,
) (map[payment.OrderID][]payment.Listed, error) {
	orders := map[payment.OrderID][]payment.Listed{}
	err := readList(ctx, s, s.stripe.ListPayments, since, func(p payment.Listed) error {
		r.Listed++
		if p.Unreadable != "" {
			s.Logger.ErrorContext(ctx, "a payment of Stripe's list cannot be read; it is not restored",
				"payment_intent", p.ID, "reason", p.Unreadable)
			r.Unreadable = append(r.Unreadable, p.ID)
			return nil
		}
		if origin := payment.OriginOf(p.Metadata); origin.Service == s.Name && origin.Order.Valid() &&
			p.Livemode == s.Livemode {
			orders[origin.Order] = append(orders[origin.Order], p)
			r.Payments++
		}
		r.report()
		return nil
	})
	r.Orders = len(orders)
	if err != nil {
		return nil, err
	}
	return orders, s.dateSuccesses(ctx, orders)
}

// dateSuccesses finds out when those payments succeeded whose order has another success: the first has won it. A charge
// may be older than its success, by days where a bank had to answer, so that an event says more.
func (s *Service) dateSuccesses(ctx context.Context, orders map[payment.OrderID][]payment.Listed) error {
	at := map[payment.ID]int64{}
	oldest := time.Time{}
	for _, payments := range orders {
		won := slices.DeleteFunc(slices.Clone(payments), func(p payment.Listed) bool { return p.Succeeded == 0 })
		if len(won) < 2 {
			continue
		}
		for _, p := range won {
			at[p.ID] = p.Succeeded
			if made := time.Unix(p.Created, 0); oldest.IsZero() || made.Before(oldest) {
				oldest = made
			}
		}
	}
	if len(at) == 0 {
		return nil
	}
	err := readList(ctx, s, s.stripe.ListSuccesses, oldest, func(e payment.StripeEvent) error {
		if e.Intent == nil {
			return nil
		}
		if _, asked := at[e.Intent.ID]; asked && e.Intent.Status == payment.Succeeded {
			at[e.Intent.ID] = e.Created
		}
		return nil
	})
	for _, payments := range orders {
		for i := range payments {
			if known, asked := at[payments[i].ID]; asked {
				payments[i].Succeeded = known
			}
		}
	}
	return err
}

// listReturned lists the payments of which something was given back, or is claimed back: a list of payments does not
// show that.
func (s *Service) listReturned(ctx context.Context, since time.Time) (map[payment.ID]bool, error) {
	returned := map[payment.ID]bool{}
	note := func(g payment.ListedReversal) error { returned[g.Payment] = true; return nil }
	if err := readList(ctx, s, s.stripe.ListRefunds, since, note); err != nil {
		return nil, err
	}
	return returned, readList(ctx, s, s.stripe.ListDisputes, since, note)
}

// rebuildOrder restores an order that is not stored from all its payments, or adopts those that it has forgotten.
// The list is enough for a payment that has ended and of which nothing was given back. Any other is read.
func (s *Service) rebuildOrder(
	ctx context.Context, id payment.OrderID, listed []payment.Listed, reversed map[payment.ID]bool, r *Recovery,
) error {
	slices.SortFunc(listed, payment.CompareListed)
	t := &target{ref: payment.Ref{Order: id}}
	for _, p := range listed {
		t.also = append(t.also, p.ID)
	}
	if err := s.load(ctx, t); err != nil {
		return err
	}
	listed, copies, err := s.sortOutCopies(ctx, t, listed)
	if err != nil {
		return err
	}
	facts := payment.All{payment.Rebuilt{Payments: listed, Complete: true}}
	for _, p := range listed {
		seen, err := s.rebuildPayment(ctx, t, p, reversed[p.ID], r)
		if err != nil {
			return err
		}
		if seen != nil {
			facts = append(facts, payment.Adopted{Seen: *seen, Known: true})
		}
		r.Restored++
		r.report()
	}
	if err := s.saveFactAlways(ctx, t, facts); err != nil {
		return err
	}
	if err := s.rebuildPointers(ctx, t); err != nil {
		return err
	}
	return s.rebuildForeign(ctx, t, append(listed, copies...))
}

// sortOutCopies takes the PaymentIntents out of the list that were made by another call than the one for the
// attempt that they claim, where the order's terms would follow them, or where another one claims the same.
func (s *Service) sortOutCopies(
	ctx context.Context, t *target, listed []payment.Listed,
) (genuine, copies []payment.Listed, err error) {
	claims := map[int]int{}
	for _, p := range listed {
		claims[payment.OriginOf(p.Metadata).Attempt]++
	}
	for _, p := range listed {
		origin := payment.OriginOf(p.Metadata)
		disputed := claims[origin.Attempt] > 1 && t.order.Attempt(p.ID) == nil
		if !disputed && !t.order.WantsProof(p.Intent, "") {
			genuine = append(genuine, p)
			continue
		}
		key, known, err := s.stripe.FindCreationKey(ctx, p.ID, p.Created)
		if err != nil {
			return nil, nil, err
		}
		if known && key != payment.IdempotencyKey(origin.Service, origin.Order, origin.Attempt) {
			copies = append(copies, p)
			continue
		}
		genuine = append(genuine, p)
	}
	if len(genuine) == 0 { // it is not a copy
		return copies, nil, nil
	}
	return genuine, copies, nil
}

// rebuildPointers writes the pointers that the order's payments should have: they lie in other partitions, and may
// be lost by themselves.
func (s *Service) rebuildPointers(ctx context.Context, t *target) error {
	for _, a := range t.order.Attempts {
		if a.PointerUntil == 0 {
			continue
		}
		if err := s.orders.SavePointer(ctx, a.Payment, t.ref.Order, time.Unix(a.PointerUntil, 0)); err != nil {
			return err
		}
	}
	return nil
}

// rebuildPayment returns what Stripe shows of a listed payment; nil where the record shows the same as the list.
func (s *Service) rebuildPayment(
	ctx context.Context, t *target, p payment.Listed, reversed bool, r *Recovery,
) (*payment.Seen, error) {
	stored := t.order.Loaded[p.ID]
	switch {
	case stored != nil && stored.Record.ShowsSame(p.Snapshot) && !reversed && stored.Record.KnowsDetails(p.Details):
		return nil, nil //nolint:nilnil // nothing new
	case p.Status.Terminal() && !reversed && stored == nil:
		read := payment.Read{Observation: payment.Observation{At: p.Date, Snapshot: p.Snapshot}}
		return &payment.Seen{
			Intent: p.Intent, Facts: append([]payment.RecordFact{read}, p.Details...), Charged: p.Succeeded,
		}, nil
	}
	if err := s.waitReadBudget(ctx); err != nil {
		return nil, err
	}
	r.Read++
	answer, err := s.stripe.RetrievePayment(ctx, p.ID)
	if err != nil {
		return nil, err
	}
	return &payment.Seen{
		Intent: answer.Intent, Facts: answer.ReadFacts(t.order.Known(p.ID, false)), Charged: p.Succeeded,
	}, nil
}

// rebuildForeign restores the payments that claim an attempt which has another payment.
func (s *Service) rebuildForeign(ctx context.Context, t *target, listed []payment.Listed) error {
	for _, p := range listed {
		if t.order.Attempt(p.ID) != nil {
			continue
		}
		foreign := &target{ref: t.ref, id: p.ID, order: t.order, now: t.now, noPointer: true}
		read := payment.Read{Observation: payment.Observation{At: p.Date, Snapshot: p.Snapshot}}
		_, err := s.mergeForeign(ctx, foreign, payment.CauseRebuild, payment.Seen{
			Intent: p.Intent, Facts: append([]payment.RecordFact{read}, p.Details...), Charged: p.Succeeded,
		})
		if err != nil && !errors.Is(err, payment.ErrNotFound) {
			return err
		}
	}
	return nil
}
