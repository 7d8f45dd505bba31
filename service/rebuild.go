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

// relister lists the source data of a rebuild.
type relister interface {
	// ListPayments lists the PaymentIntents made since a time, newest first. (Search lags and must not
	// decide.)
	ListPayments(ctx context.Context, since time.Time, after string) (payment.Page[payment.Listed], error)
	// ListSuccesses lists the events of payments that succeeded since a time. Stripe keeps them for 30 days.
	ListSuccesses(ctx context.Context, since time.Time, after string) (payment.Page[payment.StripeEvent], error)
}

// Recovery counts the results of a rebuild. One goroutine owns it.
type Recovery struct {
	Unreadable []payment.ID // payments of ours in an invalid form, which were not restored
	Listed     int          // PaymentIntents in Stripe's list
	Orders     int          // orders of ours with at least one payment
	Payments   int          // payments of ours
	Restored   int          // payments processed so far
	Read       int          // payments read one by one
	Report     func(Recovery)
}

func (r *Recovery) report() {
	if r.Report != nil {
		r.Report(*r)
	}
}

// Rebuild restores every payment of ours that Stripe has made in the period, and their orders. It can be
// repeated: a stored payment is read again only if Stripe's list differs.
//
// An order is restored from all its payments at once, since a single attempt would look as if the others had
// been given up. Data that only Redis had is lost: the terms of tokens that were not presented, the count of
// failed attempts, the times of changes, and the last failure of a closed order's payment.
func (s *Service) Rebuild(ctx context.Context, since time.Duration, r *Recovery) error {
	s.rebuilding = true
	err := s.waitExclusively(ctx, ownerRebuild, func(ctx context.Context) error {
		began, err := s.catchUps.BeginCatchUp(ctx)
		if err != nil {
			return err
		}
		orders, err := s.listOrders(ctx, began.Now.Add(-since), r)
		if err != nil {
			return err
		}
		returned, err := s.listReturned(ctx, began.Now.Add(-since))
		if err != nil {
			return err
		}
		for _, id := range slices.Sorted(maps.Keys(orders)) {
			if err := s.rebuildOrder(ctx, id, orders[id], returned, r); err != nil {
				return fmt.Errorf("order %s: %w", id, err)
			}
		}
		if err := s.catchUps.SaveCatchUp(ctx, began); err != nil {
			return fmt.Errorf("run the command again: %w", err)
		}
		return nil
	})
	if errors.Is(err, errLeaseHeld) {
		return fmt.Errorf("%w: stop the servers and other kasse commands, then run it again (a process that was "+
			"killed holds the lease for up to %s)", err, leaseLasts)
	}
	return err
}

// listOrders lists all our payments by order.
func (s *Service) listOrders(
	ctx context.Context, since time.Time, r *Recovery,
) (map[payment.OrderID][]payment.Listed, error) {
	orders := map[payment.OrderID][]payment.Listed{}
	err := readList(ctx, s, s.stripe.ListPayments, since, func(p payment.Listed) error {
		r.Listed++
		if p.Unreadable != "" {
			s.Logger.ErrorContext(ctx, "rebuild: cannot decode a payment of Stripe's list; it is not restored",
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

// dateSuccesses corrects the success times of payments whose order has another success, since the first
// success wins. A charge may be older than its success, by days for bank debits, so the event's time is better.
func (s *Service) dateSuccesses(ctx context.Context, orders map[payment.OrderID][]payment.Listed) error {
	competing, oldest := competingSuccesses(orders)
	if len(competing) == 0 {
		return nil
	}
	dates, err := s.successEvents(ctx, competing, oldest)
	for _, payments := range orders {
		for i := range payments {
			if at, found := dates[payments[i].ID]; found {
				payments[i].Succeeded = at
			}
		}
	}
	return err
}

// competingSuccesses returns the successful payments of orders with several successes, and the creation of the
// oldest.
func competingSuccesses(
	orders map[payment.OrderID][]payment.Listed,
) (competing map[payment.ID]bool, oldest time.Time) {
	competing = map[payment.ID]bool{}
	for _, payments := range orders {
		won := slices.DeleteFunc(slices.Clone(payments), func(p payment.Listed) bool { return p.Succeeded == 0 })
		if len(won) < 2 {
			continue
		}
		for _, p := range won {
			competing[p.ID] = true
			if created := time.Unix(p.Created, 0); oldest.IsZero() || created.Before(oldest) {
				oldest = created
			}
		}
	}
	return competing, oldest
}

// successEvents returns the times of the payments' successes, in Unix seconds, from Stripe's events since a time.
// Stripe does not list a success whose event is older than 30 days.
func (s *Service) successEvents(
	ctx context.Context, ids map[payment.ID]bool, since time.Time,
) (map[payment.ID]int64, error) {
	dates := map[payment.ID]int64{}
	err := readList(ctx, s, s.stripe.ListSuccesses, since, func(e payment.StripeEvent) error {
		if e.Intent != nil && ids[e.Intent.ID] && e.Intent.Status == payment.Succeeded {
			dates[e.Intent.ID] = e.Created
		}
		return nil
	})
	return dates, err
}

// listReturned lists the payments with refunds or disputes, which a list of payments does not show.
func (s *Service) listReturned(ctx context.Context, since time.Time) (map[payment.ID]bool, error) {
	returned := map[payment.ID]bool{}
	note := func(g payment.ListedReversal) error { returned[g.Payment] = true; return nil }
	if err := readList(ctx, s, s.stripe.ListRefunds, since, note); err != nil {
		return nil, err
	}
	return returned, readList(ctx, s, s.stripe.ListDisputes, since, note)
}

// rebuildOrder restores a missing order from all its payments, or adopts the attempts that it has lost. The
// list suffices for an ended payment without refunds and disputes. All others are read.
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

// sortOutCopies removes PaymentIntents from the list that were made by another call than that of the attempt
// they claim. It checks those that the order's terms would follow, or of which two claim the same attempt.
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

// rebuildPointers writes the pointers of the order's payments, which are in other partitions and may be lost
// alone.
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

// rebuildPayment returns the facts of a listed payment; nil if the record agrees with the list.
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

// rebuildForeign restores the payments that claim an attempt of another payment.
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
