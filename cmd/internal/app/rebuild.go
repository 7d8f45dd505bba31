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
		p.end("%d keys of another layout were removed.", count)
	}
	lost, err := a.store.BeginRebuild(ctx, id)
	if err != nil {
		return interrupted(ctx, err)
	}
	if err := a.saveRetention(ctx); err != nil {
		return interrupted(ctx, err)
	}
	p.end(
		"%d of %d partitions were lost. Asking Stripe for the payments of %q.", lost, a.RedisPartitions,
		a.ServiceName,
	)
	r := service.Recovery{Report: func(r service.Recovery) {
		if r.Restored == 0 {
			p.show("%d payments listed", r.Payments)
			return
		}
		p.show("%d of %d payments restored, %d of them read one by one", r.Restored, r.Payments, r.Read)
	}}
	if err := a.service.Rebuild(ctx, since, &r); err != nil {
		return interrupted(ctx, err)
	}
	if err := a.store.FinishRebuild(ctx); err != nil {
		return interrupted(ctx, err)
	}
	p.end(
		"Done: %d orders with %d payments are here, %d of them read one by one. Start kasse.", r.Orders,
		r.Payments, r.Read,
	)
	if len(r.Unreadable) > 0 {
		return fmt.Errorf(
			"%d payments cannot be read, and were not restored: %v; look at them in Stripe's Dashboard",
			len(r.Unreadable), r.Unreadable,
		)
	}
	return nil
}
