package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	waiterCount = 10_000 // waiting requests
	changeRate  = 500    // changes per second
)

// pollOf returns a request that waits for the n-th payment. The first request, without a tag, does not wait.
func pollOf(n int, tag []byte) []byte {
	path, more := "", ""
	if len(tag) > 0 {
		path, more = "?wait=25", "If-None-Match: "+string(tag)+"\r\n"
	}
	return fmt.Appendf(
		nil, "GET /v1/payments/%s%s HTTP/1.1\r\nHost: kasse\r\nAuthorization: Bearer %s\r\n%s\r\n", paymentID(n),
		path, clientSecret(n), more,
	)
}

// bareOf returns a request that waits on the n-th channel of the baseline program.
func bareOf(n int, _ []byte) []byte {
	return fmt.Appendf(nil, "GET /wait/%d HTTP/1.1\r\nHost: bare\r\n\r\n", n)
}

// waiting measures waiters of 10,000 payments while 500 payments a second change, then 10,000 waiters of one
// payment.
func waiting(ctx context.Context, b *bench) error {
	env, err := b.newEnvironment(ctx, everySecond...)
	if err != nil {
		return err
	}
	defer env.Close()
	if err := env.initRedis(ctx); err != nil {
		return err
	}
	all := []*waitedBuild{{environment: env, name: "kasse", order: &deliveries{}}}
	if b.beside != "" {
		beside, err := b.besideEnvironment(ctx, everySecond...)
		if err != nil {
			return err
		}
		defer beside.Close()
		all = append(all, &waitedBuild{environment: beside, name: "beside", order: &deliveries{}})
	}
	for _, w := range all {
		first, err := w.kasse(ctx, nil)
		if err != nil {
			return err
		}
		if err := w.seed(ctx, first, waiterCount); err != nil {
			return err
		}
	}
	for range b.rounds {
		if err := waitEach(ctx, all); err != nil {
			return err
		}
	}
	for range b.rounds {
		if err := waitTogether(ctx, all); err != nil {
			return err
		}
	}
	b.waitingFigures()
	return nil
}

// everySecond are the arguments of redis-server.
var everySecond = []string{"--appendfsync", "everysec"}

// waitedBuild is a build of Kasse and its Redis.
type waitedBuild struct {
	*environment
	name  string
	order *deliveries
}

func (b *bench) waitingFigures() {
	b.figure(
		"10,000 long polls on 10,000 payments, 500 changes/s: p99 from webhook to answer", "≤ 5 ms", "%.1f ms",
		b.median("Waiting/kasse p99-µs")/1000,
	)
	b.figure("… memory of a long poll", "≤ 8 KB", "%.1f KB", b.median("Waiting/kasse B/waiter")/1000)
	memory := b.ratio("Waiting/kasse B/waiter", "Waiting/bare B/waiter")
	b.figure("… relative to the bare program", "≤ 0.5 ×", "%s", memory)
	b.figure("… with WAIT_PARKING=false", "", "%.1f KB", b.median("Waiting/unparked B/waiter")/1000)
	const change = "cpu-µs/change"
	b.figure(
		"… processor time of a change, relative to WAIT_PARKING=false", "≤ 0.5 ×", "%s",
		b.ratio("Waiting/kasse "+change, "Waiting/unparked "+change),
	)
	b.figure("… Redis reads per change", "≤ 1", "%.2f", b.median("Waiting/kasse reads/change"))
	if b.beside != "" {
		b.figure(
			"… processor time of a change, relative to the older build of -beside", "≤ 0.5 ×", "%s",
			b.ratio("Waiting/kasse "+change, "Waiting/beside "+change),
		)
		b.figure(
			"… the older build: p99, and reads per change", "", "%.1f ms, %.2f",
			b.median("Waiting/beside p99-µs")/1000, b.median("Waiting/beside reads/change"),
		)
	}
	b.figure(
		"10,000 long polls on one payment: from the webhook to the last answer", "≤ 0.7 ×", "%s",
		b.ratio("Broadcast/kasse ms", "Broadcast/bare ms"),
	)
	if b.beside != "" {
		b.figure("… the older build of -beside", "", "%s", b.ratio("Broadcast/beside ms", "Broadcast/bare ms"))
	}
}

// next returns the webhooks of the given number of changes, and each one's payment.
func (d *deliveries) next(changes int) (bodies [][]byte, about []int) {
	bodies, about = make([][]byte, changes), make([]int, changes)
	for i := range bodies {
		n := int(d.changes.Add(1)) - 1
		bodies[i], about[i] = delivery(d.change(n)), n%payments
	}
	return bodies, about
}

// waitBare measures the memory of a waiter of the baseline program.
func (env *environment) waitBare(ctx context.Context) error {
	bare, err := env.bare(ctx, "wait")
	if err != nil {
		return err
	}
	empty := resident(bare.pid)
	all, err := startWaiters(bare.address, waiterCount, bareOf, func(int, time.Time) {})
	if err != nil {
		return err
	}
	time.Sleep(settling)
	env.line("Waiting/bare", waiterCount, metric{"B/waiter", float64(resident(bare.pid)-empty) / waiterCount})
	all.close()
	return nil
}

// waitEach measures waiters that wait for different payments.
func waitEach(ctx context.Context, all []*waitedBuild) error {
	if err := all[0].waitBare(ctx); err != nil {
		return err
	}
	for _, w := range all {
		if err := w.waitAtKasse(ctx, w.order, "Waiting/"+w.name, "true"); err != nil {
			return err
		}
	}
	return all[0].waitAtKasse(ctx, all[0].order, "Waiting/unparked", "false")
}

// waitAtKasse measures waiters with or without WAIT_PARKING while their payments change.
func (env *environment) waitAtKasse(ctx context.Context, order *deliveries, name, parking string) error {
	kasse, err := env.kasse(ctx, map[string]string{"RATE_LIMIT_FRONTEND": "10000/s", "WAIT_PARKING": parking})
	if err != nil {
		return err
	}
	empty := resident(kasse.pid)
	var sent [waiterCount]atomic.Int64 // delivery time of the change that the waiter has not seen yet
	var mu sync.Mutex
	var seen []time.Duration
	all, err := startWaiters(kasse.address, waiterCount, pollOf, func(n int, at time.Time) {
		if when := sent[n].Swap(0); when > 0 {
			mu.Lock()
			seen = append(seen, at.Sub(time.Unix(0, when)))
			mu.Unlock()
		}
	})
	if err != nil {
		return err
	}
	defer all.close()
	time.Sleep(settling)
	memory := float64(resident(kasse.pid)-empty) / waiterCount
	changes := int(changeRate * env.length.Seconds())
	bodies, about := order.next(changes)
	before, err := env.reads(ctx)
	if err != nil {
		return err
	}
	used := processorTime(kasse.pid)
	var given atomic.Int64
	_, err = openLoop(ctx, kasse.address, changeRate, env.length, func(int, int) ([]byte, int) {
		i := int(given.Add(1)) - 1
		sent[about[i]].Store(time.Now().UnixNano())
		return bodies[i], http.StatusOK
	})
	if err != nil {
		return err
	}
	time.Sleep(settling)
	used = processorTime(kasse.pid) - used
	after, err := env.reads(ctx)
	if err != nil {
		return err
	}
	mu.Lock()
	defer mu.Unlock()
	if err := errors.Join(all.err()); err != nil || len(seen) < changes {
		return fmt.Errorf("%d of %d changes were seen: %w", len(seen), changes, err)
	}
	slices.Sort(seen)
	env.load(
		name, load{env.length, seen}, metric{"B/waiter", memory},
		metric{"reads/change", float64(after-before-int64(changes)) / float64(changes)},
		metric{"cpu-µs/change", float64(used.Microseconds()) / float64(changes)},
	)
	return nil
}

// settling is the pause before a measurement at rest.
const settling = 2 * time.Second

// reads returns how many records Redis has read so far: one for each webhook, plus those of the waiters.
func (env *environment) reads(ctx context.Context) (int64, error) {
	text, err := env.Redis.Client.Info(ctx, "commandstats").Result()
	if err != nil {
		return 0, err
	}
	var calls int64
	for line := range lines(text) {
		if _, err := fmt.Sscanf(line, "cmdstat_hmget:calls=%d", &calls); err == nil {
			break
		}
	}
	return calls, nil
}
