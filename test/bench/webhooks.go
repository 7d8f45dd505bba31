package main

import (
	"cmp"
	"context"
	"net/http"
	"sync/atomic"
	"time"
)

const preparedRate = 15_000 // deliveries per second that a round prepares

// deliveries makes webhook requests. Each is about another change of one of the payments, and none repeats.
type deliveries struct {
	changes atomic.Int64 // made so far
}

// batch signs the requests in advance, so that signing is not measured.
func (d *deliveries) batch(count int) [][]byte {
	all := make([][]byte, count)
	for i := range all {
		n := int(d.changes.Add(1)) - 1
		all[i] = delivery(d.change(n))
	}
	return all
}

// change returns the n-th event. Every payment changes in turn, alternating between two states.
func (d *deliveries) change(n int) []byte {
	pass := n / payments
	at := time.Unix(opened+10*int64(pass+1), 0)
	if pass%2 == 0 {
		return event(n%payments, "requires_action", "requires_action", at)
	}
	return event(n%payments, "processing", "processing", at)
}

// each sends every request once, on the first free connection.
func each(requests [][]byte, status int) requestSource {
	var given atomic.Int64
	return func(int, int) ([]byte, int) {
		if at := int(given.Add(1)) - 1; at < len(requests) {
			return requests[at], status
		}
		return nil, 0
	}
}

// blockSize is the number of payments that get their first event before the same payments succeed.
const blockSize = 256

// unseeded is the number of the first payment that is not in Redis before its first event.
const unseeded = 10_000_000

// pairs makes webhook requests of unknown payments. Each payment gets a first event and later a success, so
// half of the events are successes.
type pairs struct {
	made atomic.Int64 // made so far
}

func (p *pairs) batch(count int) [][]byte {
	all := make([][]byte, count)
	for i := range all {
		all[i] = delivery(p.change(int(p.made.Add(1)) - 1))
	}
	return all
}

// change returns the n-th event. Each block of first events is followed by the successes of the same payments.
func (p *pairs) change(n int) []byte {
	block, at := n/(2*blockSize), n%(2*blockSize)
	payment := unseeded + block*blockSize + at%blockSize
	if at < blockSize {
		return event(payment, "processing", "processing", time.Unix(opened+10, 0))
	}
	return event(payment, "succeeded", "succeeded", time.Unix(opened+20, 0))
}

// stream makes signed requests and repeats none.
type stream interface{ batch(count int) [][]byte }

// webhooks measures distinct signed events on 64 connections, as fast as they are accepted and at 500 a
// second.
func webhooks(ctx context.Context, b *bench) error {
	for name, args := range map[string][]string{
		"Webhook": {"--appendonly", "no"}, "WebhookSynced": {"--appendfsync", "always"},
	} {
		if err := b.webhooks(ctx, name, args); err != nil {
			return err
		}
	}
	const same, single = "≥ 0.9 ×", "≥ 0.8 ×"
	for _, f := range []struct{ what, wanted, of, by string }{
		{
			"webhooks, changes of known payments, 64 connections, relative to the same Redis work", same,
			"Webhook/kasse", "Webhook/bare",
		},
		{"… relative to ConstructEvent and one EVALSHA", single, "Webhook/kasse", "Webhook/construct"},
		{
			"… with appendfsync always, relative to the same Redis work", same,
			"WebhookSynced/kasse", "WebhookSynced/bare",
		},
		{"… relative to ConstructEvent and one EVALSHA", single, "WebhookSynced/kasse", "WebhookSynced/construct"},
		{
			"webhooks, a first event and a success for each payment, relative to ConstructEvent and one EVALSHA",
			"≥ 1.0 ×", "Webhook/half", "Webhook/half-construct",
		},
		{"… with two processes", "", "Webhook/half-two", "Webhook/half-construct"},
		{"… the older build of -beside", "", "Webhook/half-beside", "Webhook/half-construct"},
		{"… with appendfsync always", "≥ 1.0 ×", "WebhookSynced/half", "WebhookSynced/half-construct"},
	} {
		if len(b.results[f.of+" req/s"]) > 0 {
			b.figure(f.what, f.wanted, "%s", b.ratio(f.of+" req/s", f.by+" req/s"))
		}
	}
	for _, kind := range []string{"half-construct", "half-beside", "half"} {
		if name := "Webhook/" + kind; len(b.results[name+" req/s"]) > 0 {
			b.figure("processor time of a webhook, "+kind+": the program and Redis", "", "%.0f and %.0f µs",
				b.median(name+" cpu-µs/op"), b.median(name+" redis-µs/op"))
		}
	}
	b.figure(
		"webhooks at 500/s, open loop, appendfsync always: p99", "< 50 ms", "%.1f ms",
		b.median("WebhookSynced/500 p99-µs")/1000,
	)
	return nil
}

func (b *bench) webhooks(ctx context.Context, name string, redisArgs []string) error {
	env, err := b.newEnvironment(ctx, redisArgs...)
	if err != nil {
		return err
	}
	defer env.Close()
	turns, err := env.webhookTurns(ctx)
	if err != nil {
		return err
	}
	if b.beside != "" {
		beside, err := b.besideEnvironment(ctx, redisArgs...)
		if err != nil {
			return err
		}
		defer beside.Close()
		older, err := beside.kasse(ctx, nil)
		if err != nil {
			return err
		}
		turns = append(turns, turn{name: "half-beside", events: &pairs{}, at: older, env: beside})
	}
	for range b.rounds {
		for _, t := range turns {
			requests := t.events.batch(int(preparedRate * b.length.Seconds()))
			err := cmp.Or(t.env, env).measure(name+"/"+t.name, t.at, func(address string) (load, error) {
				return closedLoop(ctx, append([]string{address}, t.also...), b.length, each(requests, http.StatusOK))
			})
			if err != nil {
				return err
			}
		}
		const rate = 500
		requests := turns[0].events.batch(int(rate * b.length.Seconds()))
		err := env.measure(name+"/500", turns[0].at, func(address string) (load, error) {
			return openLoop(ctx, address, rate, b.length, each(requests, http.StatusOK))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// webhookTurns starts two processes of Kasse and the baseline programs, opens the payments, and returns the
// measurements of each round.
func (env *environment) webhookTurns(ctx context.Context) ([]turn, error) {
	if err := env.initRedis(ctx); err != nil {
		return nil, err
	}
	at := map[string]server{}
	for _, kind := range []string{"kasse", "second"} {
		var err error
		if at[kind], err = env.kasse(ctx, nil); err != nil {
			return nil, err
		}
	}
	for _, kind := range []string{"bare", "construct"} {
		var err error
		if at[kind], err = env.bare(ctx, "webhook-"+kind); err != nil {
			return nil, err
		}
	}
	half := &pairs{} // shared by both processes, so that each payment is new
	return []turn{
		{name: "kasse", events: &deliveries{}, at: at["kasse"]},
		{name: "bare", events: &deliveries{}, at: at["bare"]},
		{name: "construct", events: &deliveries{}, at: at["construct"]},
		{name: "half", events: half, at: at["kasse"]},
		{name: "half-construct", events: &pairs{}, at: at["construct"]},
		{name: "half-two", events: half, at: at["kasse"], also: []string{at["second"].address}},
	}, env.seed(ctx, at["kasse"], payments)
}

// turn is one measurement of a round.
type turn struct {
	name   string
	events stream
	at     server
	also   []string     // addresses of further processes that share the connections
	env    *environment // its own environment; nil: the shared one
}

// besideEnvironment starts a Redis for the older build, whose layout may differ.
func (b *bench) besideEnvironment(ctx context.Context, redisArgs ...string) (*environment, error) {
	env, err := b.newEnvironment(ctx, redisArgs...)
	if err != nil {
		return nil, err
	}
	env.program = b.beside
	return env, env.initRedis(ctx)
}
