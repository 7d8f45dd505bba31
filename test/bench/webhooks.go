package main

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"
)

const most = 15_000 // deliveries a second that a round is prepared for

// deliveries are requests of webhooks, each about another change of one of the payments, and none twice.
type deliveries struct {
	changes atomic.Int64 // made so far
}

// batch signs so many: that is not what is measured.
func (d *deliveries) batch(count int) [][]byte {
	all := make([][]byte, count)
	for i := range all {
		n := int(d.changes.Add(1)) - 1
		all[i] = delivery(d.change(n))
	}
	return all
}

// change is the n-th event: every payment in turn, and each back and forth between two states.
func (d *deliveries) change(n int) []byte {
	pass := n / payments
	at := time.Unix(opened+10*int64(pass+1), 0)
	if pass%2 == 0 {
		return event(n%payments, "requires_action", "requires_action", at)
	}
	return event(n%payments, "processing", "processing", at)
}

// each gives every request once, to whichever connection comes first.
func each(requests [][]byte, status int) next {
	var given atomic.Int64
	return func(int, int) ([]byte, int) {
		if at := int(given.Add(1)) - 1; at < len(requests) {
			return requests[at], status
		}
		return nil, 0
	}
}

// webhooks are distinct signed events on 64 connections, as fast as they are taken; and at 500 a second.
func webhooks(ctx context.Context, b *bench) error {
	for name, args := range map[string][]string{"Webhook": {"--appendonly", "no"}, "WebhookSynced": {"--appendfsync", "always"}} {
		if err := b.webhooks(ctx, name, args); err != nil {
			return err
		}
	}
	const same, single = "≥ 0.9 ×", "≥ 0.8 ×"
	b.figure("webhooks, distinct signed events, 64 connections, by the same Redis work", same, "%s", b.ratio("Webhook/kasse req/s", "Webhook/bare req/s"))
	b.figure("… by ConstructEvent and one EVALSHA", single, "%s", b.ratio("Webhook/kasse req/s", "Webhook/construct req/s"))
	b.figure("… with appendfsync always, by the same Redis work", same, "%s", b.ratio("WebhookSynced/kasse req/s", "WebhookSynced/bare req/s"))
	b.figure("… by ConstructEvent and one EVALSHA", single, "%s", b.ratio("WebhookSynced/kasse req/s", "WebhookSynced/construct req/s"))
	b.figure("webhooks at 500/s, open loop, appendfsync always: p99", "< 50 ms", "%.1f ms", b.median("WebhookSynced/500 p99-µs")/1000)
	return nil
}

func (b *bench) webhooks(ctx context.Context, name string, redisArgs []string) error {
	w, err := b.newWorld(ctx, redisArgs...)
	if err != nil {
		return err
	}
	defer w.close()
	if err := w.mark(ctx); err != nil {
		return err
	}
	at := map[string]server{}
	if at["kasse"], err = w.kasse(ctx, nil); err != nil {
		return err
	}
	if err := w.seed(ctx, at["kasse"], payments); err != nil {
		return err
	}
	for _, kind := range []string{"bare", "construct"} {
		if at[kind], err = w.bare(ctx, "webhook-"+kind); err != nil {
			return err
		}
	}
	order := map[string]*deliveries{"bare": {}, "construct": {}, "kasse": {}}
	for range b.rounds {
		for _, kind := range []string{"bare", "kasse", "construct"} {
			requests := order[kind].batch(int(most * b.length.Seconds()))
			err := w.measure(name+"/"+kind, at[kind], func(address string) (load, error) {
				return closedLoop(ctx, address, b.length, each(requests, http.StatusOK))
			})
			if err != nil {
				return err
			}
		}
		const rate = 500
		requests := order["kasse"].batch(int(rate * b.length.Seconds()))
		err := w.measure(name+"/500", at["kasse"], func(address string) (load, error) {
			return openLoop(ctx, address, rate, b.length, each(requests, http.StatusOK))
		})
		if err != nil {
			return err
		}
	}
	return nil
}
