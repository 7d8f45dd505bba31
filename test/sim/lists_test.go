package sim_test

import (
	"context"
	"slices"
	"time"

	"kasse/service/payment"
)

// pageSize is small, so that lists have several pages.
const pageSize = 7

// page returns the page of a list, newest first, that follows the row with an id.
func page[T any](r *replica, newestFirst []T, idOf func(T) string, after string) payment.Page[T] {
	if r.sim.mutant.forgetLists {
		return payment.Page[T]{}
	}
	from := 0
	if after != "" {
		from = slices.IndexFunc(newestFirst, func(row T) bool { return idOf(row) == after }) + 1
	}
	rest := newestFirst[from:]
	if len(rest) <= pageSize {
		return payment.Page[T]{Items: rest}
	}
	return payment.Page[T]{Items: rest[:pageSize], Next: idOf(rest[pageSize-1])}
}

// ListEvents returns nothing in simulations in which only webhooks and the sweep report changes.
func (r *replica) ListEvents(
	ctx context.Context, since time.Time, after string,
) (payment.Page[payment.StripeEvent], error) {
	return toStripe(ctx, r, "ListEvents", after, func() (payment.Page[payment.StripeEvent], error) {
		var rows []payment.StripeEvent
		for _, e := range slices.Backward(r.sim.stripe.events) {
			if r.sim.settings.catchUp && e.Created >= since.Unix() {
				rows = append(rows, e.show())
			}
		}
		return page(r, rows, func(e payment.StripeEvent) string { return e.ID }, after), nil
	})
}

// ListSuccesses is ListEvents for successful payments.
func (r *replica) ListSuccesses(
	ctx context.Context, since time.Time, after string,
) (payment.Page[payment.StripeEvent], error) {
	return toStripe(ctx, r, "ListSuccesses", after, func() (payment.Page[payment.StripeEvent], error) {
		var rows []payment.StripeEvent
		for _, e := range slices.Backward(r.sim.stripe.events) {
			if e.Type == "payment_intent.succeeded" && e.Created >= since.Unix() {
				rows = append(rows, e.show())
			}
		}
		return page(r, rows, func(e payment.StripeEvent) string { return e.ID }, after), nil
	})
}

func (r *replica) ListRefunds(
	ctx context.Context, since time.Time, after string,
) (payment.Page[payment.ListedReversal], error) {
	return toStripe(ctx, r, "ListRefunds", after, func() (payment.Page[payment.ListedReversal], error) {
		var rows []payment.ListedReversal
		for _, f := range slices.Backward(r.sim.stripe.refunds) {
			if r.sim.settings.catchUp && f.Created >= since.Unix() {
				rows = append(rows, payment.ListedReversal{
					ID: string(f.ID), Status: string(f.Status), Payment: f.payment.id, Created: f.Created,
				})
			}
		}
		return page(r, rows, func(g payment.ListedReversal) string { return g.ID }, after), nil
	})
}

// ListDisputes returns nothing: the simulation has no disputes.
func (r *replica) ListDisputes(
	ctx context.Context, _ time.Time, after string,
) (payment.Page[payment.ListedReversal], error) {
	return toStripe(ctx, r, "ListDisputes", after, func() (p payment.Page[payment.ListedReversal], _ error) {
		return p, nil
	})
}

func (r *replica) ListPayments(
	ctx context.Context, since time.Time, after string,
) (payment.Page[payment.Listed], error) {
	return toStripe(ctx, r, "ListPayments", after, func() (payment.Page[payment.Listed], error) {
		var rows []payment.Listed
		for _, p := range slices.Backward(r.sim.stripe.intents) {
			if p.created < since.Unix() {
				continue
			}
			listed := payment.Listed{Intent: p.show(), Date: r.sim.stripe.clock()}
			if p.Status == payment.Succeeded {
				listed.Succeeded = p.charged
			}
			rows = append(rows, listed)
		}
		return page(r, rows, func(p payment.Listed) string { return string(p.ID) }, after), nil
	})
}
