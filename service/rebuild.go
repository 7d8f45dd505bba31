package service

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"
)

// Listed is a PaymentIntent as a list shows it. That may be older than the list's date.
type Listed struct {
	Intent
	Date      int64 // Unix seconds, of the list
	Succeeded int64 // Unix seconds, when its charge was made; zero where it has none, or has not succeeded
}

// relister reads what a rebuild starts from.
type relister interface {
	// ListPayments gives the PaymentIntents made since a moment, newest first. (Search lags, and must not decide.)
	ListPayments(ctx context.Context, since time.Time, after string) (Page[Listed], error)
	// ListSuccesses gives the events of payments that succeeded since a moment; Stripe keeps them for 30 days.
	ListSuccesses(ctx context.Context, since time.Time, after string) (Page[Notice], error)
}

// Recovery counts what a rebuild has come to. It belongs to one goroutine.
type Recovery struct {
	Listed   int // PaymentIntents that Stripe has
	Orders   int // that are ours, with at least one payment
	Payments int // that are ours
	Restored int // of these looked after so far
	Read     int // of these read one by one
	Tell     func(Recovery)
}

func (r *Recovery) tell() {
	if r.Tell != nil {
		r.Tell(*r)
	}
}

// Rebuild brings back every payment that Stripe has made for us since so long ago, and their orders. It may be repeated:
// what is there is read again only where Stripe shows something else.
//
// An order is restored from all its payments at once, since one attempt alone would look as if the others had been given
// up. What Redis alone knew is lost: the terms of a token that nobody has presented, the count of failed attempts, when
// each change was seen; and of an order that was closed, with what its last payment had failed.
func (s *Service) Rebuild(ctx context.Context, since time.Duration, r *Recovery) error {
	s.rebuilding = true
	return s.insistExclusively(ctx, func(ctx context.Context) error {
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
		for id, payments := range orders {
			if err := s.rebuildOrder(ctx, id, payments, returned, r); err != nil {
				return fmt.Errorf("order %s: %w", id, err)
			}
		}
		return s.catchUps.SaveCatchUp(ctx, now)
	})
}

// listOrders lists all our payments, by order.
func (s *Service) listOrders(ctx context.Context, since time.Time, r *Recovery) (map[OrderID][]Listed, error) {
	orders := map[OrderID][]Listed{}
	err := readList(ctx, s, s.stripe.ListPayments, since, func(p Listed) error {
		r.Listed++
		if origin := OriginOf(p.Metadata); origin.Service == s.Name && origin.Order.Valid() && p.Livemode == s.Livemode {
			orders[origin.Order] = append(orders[origin.Order], p)
			r.Payments++
		}
		r.tell()
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
func (s *Service) dateSuccesses(ctx context.Context, orders map[OrderID][]Listed) error {
	at := map[PaymentID]int64{}
	oldest := time.Time{}
	for _, payments := range orders {
		won := slices.DeleteFunc(slices.Clone(payments), func(p Listed) bool { return p.Succeeded == 0 })
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
	err := readList(ctx, s, s.stripe.ListSuccesses, oldest, func(n Notice) error {
		if n.Intent == nil {
			return nil
		}
		if _, asked := at[n.Intent.ID]; asked && n.Intent.Status == Succeeded {
			at[n.Intent.ID] = n.Created
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
func (s *Service) listReturned(ctx context.Context, since time.Time) (map[PaymentID]bool, error) {
	returned := map[PaymentID]bool{}
	note := func(g GivenBack) error { returned[g.Payment] = true; return nil }
	if err := readList(ctx, s, s.stripe.ListRefunds, since, note); err != nil {
		return nil, err
	}
	return returned, readList(ctx, s, s.stripe.ListDisputes, since, note)
}

// rebuildOrder restores an order that has no record from all its payments, and then each of these.
func (s *Service) rebuildOrder(ctx context.Context, id OrderID, payments []Listed, returned map[PaymentID]bool, r *Recovery) error {
	slices.SortFunc(payments, compareListed)
	_, err := s.changeOrder(ctx, id, func(o *Order, _ time.Time) error {
		if o.Revision > 0 {
			return errUnchanged
		}
		o.rebuild(payments)
		return nil
	})
	if err != nil {
		return err
	}
	for _, p := range payments {
		if err := s.rebuildPayment(ctx, p, returned[p.ID], r); err != nil {
			return err
		}
		r.Restored++
		r.tell()
	}
	return nil
}

// compareListed orders the payments of an order by their attempts. Of two that claim the same, the one comes first that
// succeeded, and then the older one.
func compareListed(a, b Listed) int {
	return cmp.Or(
		cmp.Compare(OriginOf(a.Metadata).Attempt, OriginOf(b.Metadata).Attempt),
		cmp.Compare(btoi(b.Succeeded > 0), btoi(a.Succeeded > 0)), cmp.Compare(a.Created, b.Created), cmp.Compare(a.ID, b.ID),
	)
}

// rebuildPayment stores a payment that has no record. The list is enough for one that is at its end, and of which nothing
// was given back. Any other is read, and so is one whose record says something else than the list.
func (s *Service) rebuildPayment(ctx context.Context, p Listed, returned bool, r *Recovery) error {
	known, _, err := s.payments.LoadPayment(ctx, p.ID)
	if err != nil {
		return err
	}
	switch {
	case known.Revision > 0 && known.Record.Show().alike(p.Snapshot) && !returned:
		return nil
	case p.Status.terminal() && !returned && known.Revision == 0:
		_, _, err = s.change(ctx, p.ID, causeRebuild, func(kept *Payment) error { return s.restorePayment(ctx, kept, p) })
		return err
	}
	if err := s.allow(ctx); err != nil {
		return err
	}
	r.Read++
	answer, err := s.stripe.RetrievePayment(ctx, p.ID)
	if err != nil {
		return err
	}
	_, _, err = s.change(ctx, p.ID, causeRebuild, func(kept *Payment) error {
		if err := s.absorb(ctx, kept, answer, known.Record.Seen()); err != nil {
			return err
		}
		return s.redate(ctx, kept, p)
	})
	return err
}

// restorePayment fills an empty record from a list. An end is one, however old the list may be.
func (s *Service) restorePayment(ctx context.Context, kept *Payment, p Listed) error {
	if err := s.introduce(ctx, kept, p.Intent); err != nil {
		return err
	}
	kept.Record = Merge(kept.Record, Read{Sighting: Sighting{At: p.Date, Snapshot: p.Snapshot}})
	return s.redate(ctx, kept, p)
}

// redate asks the order about a payment, and says since when the order may be fulfilled: since the payment succeeded, as
// far as Stripe tells.
func (s *Service) redate(ctx context.Context, p *Payment, from Listed) error {
	order, _, err := s.orders.LoadOrder(ctx, p.Standing.Order)
	if err != nil || order.Winner != p.ID || p.Standing.Foreign {
		return err
	}
	p.Standing.Result, p.Standing.Terms = Won, &order.Terms
	if p.view().Fulfillable && p.Standing.FulfillableAt == 0 {
		p.Standing.FulfillableAt = from.Succeeded
	}
	return nil
}
