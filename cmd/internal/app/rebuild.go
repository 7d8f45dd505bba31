package app

import (
	"context"
	"fmt"
	"io"
	"time"

	"kasse/service"
)

// Rebuild restores payments and orders from Stripe after Redis was lost. It goes back as far as since, or
// PAYMENT_RETENTION if since is zero. Until it ends, no other process writes, and kasse serve does not start.
// With discard, Kasse's keys of another layout are removed first.
func (a *App) Rebuild(ctx context.Context, since time.Duration, discard bool, out io.Writer) error {
	if since == 0 {
		since = a.PaymentRetention
	}
	id := a.identity()
	id.Account, _ = a.fetchAccount(ctx)
	p := newProgress(out)
	if discard {
		count, err := a.store.Discard(ctx)
		if err != nil {
			return interrupted(ctx, err)
		}
		p.end("Removed %s of another layout.", quantity(count, "key"))
	}
	lost, err := a.store.BeginRebuild(ctx, id)
	if err != nil {
		return interrupted(ctx, err)
	}
	if err := a.saveRetention(ctx); err != nil {
		return interrupted(ctx, err)
	}
	p.end(
		"%d of %s have lost their data. Listing the payments of %q at Stripe.", lost, quantity(
			a.RedisPartitions, "partition",
		),
		a.ServiceName,
	)
	r := service.Recovery{Report: func(r service.Recovery) {
		if r.Restored == 0 {
			p.show("%s listed", quantity(r.Payments, "payment"))
			return
		}
		p.show("%d of %s restored; read at Stripe one by one: %d", r.Restored, quantity(r.Payments, "payment"), r.Read)
	}}
	if err := a.service.Rebuild(ctx, since, &r); err != nil {
		return interrupted(ctx, err)
	}
	if err := a.store.FinishRebuild(ctx); err != nil {
		return interrupted(ctx, err)
	}
	p.end(
		"Done: Redis has %s with %s. Read at Stripe one by one: %d. Start kasse.", quantity(r.Orders, "order"),
		quantity(r.Payments, "payment"), r.Read,
	)
	if len(r.Unreadable) > 0 {
		return fmt.Errorf(
			"%s could not be decoded and restored: %v; look in Stripe's Dashboard",
			quantity(len(r.Unreadable), "payment"), r.Unreadable,
		)
	}
	return nil
}
