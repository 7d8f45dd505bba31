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

// waiters holds many waiting requests, each on its own connection. A waiter repeats its request after each
// response.
type waiters struct {
	links    []*link
	work     sync.WaitGroup
	closed   atomic.Bool
	failed   atomic.Pointer[error]
	onChange func(n int, at time.Time) // called when the n-th waiter has seen a change
	opening  chan struct{}             // one element for each waiter whose first request is running
}

// opensAtOnce is how many waiters send their first request at the same time. With more, the rush would be
// measured instead of the waiting.
const opensAtOnce = 256

// noTag is the ETag of a waiter that has not read the status yet.
var noTag = []byte(`"0"`)

// waitRequest returns the request of the n-th waiter. tag is the last ETag that it has seen.
type waitRequest func(n int, tag []byte) []byte

// startWaiters starts the waiters.
func startWaiters(address string, count int, ask waitRequest, answered func(n int, at time.Time)) (*waiters, error) {
	r := &waiters{onChange: answered, opening: make(chan struct{}, opensAtOnce)}
	for n := range count {
		l, err := dial(address)
		if err != nil {
			r.close()
			return nil, err
		}
		r.links = append(r.links, l)
		r.opening <- struct{}{}
		r.work.Go(func() {
			if len(ask(n, nil)) == len(ask(n, noTag)) { // its first request waits, too
				<-r.opening
			}
			if err := r.wait(l, n, ask); err != nil && !r.closed.Load() {
				r.failed.Store(&err)
			}
		})
	}
	return r, nil
}

func (r *waiters) wait(l *link, n int, ask waitRequest) error {
	for !r.closed.Load() {
		first := len(l.etag) == 0 && len(ask(n, nil)) != len(ask(n, noTag))
		status, err := l.roundTrip(ask(n, l.etag))
		if first {
			<-r.opening
		}
		switch {
		case err != nil:
			return err
		case status == http.StatusOK:
			r.onChange(n, time.Now())
		case status != http.StatusNotModified:
			return fmt.Errorf("answered %d: %s", status, l.body)
		}
	}
	return nil
}

// close ends all connections.
func (r *waiters) close() {
	r.closed.Store(true)
	for _, l := range r.links {
		l.close()
	}
	r.work.Wait()
}

func (r *waiters) err() error {
	if err := r.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// pollOf waits for the n-th payment, bareOf on the n-th channel.
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

func bareOf(n int, _ []byte) []byte {
	return fmt.Appendf(nil, "GET /wait/%d HTTP/1.1\r\nHost: bare\r\n\r\n", n)
}

// waiting measures waiters of 10,000 payments while 500 payments a second change, then 10,000 waiters of one
// payment.
func waiting(ctx context.Context, b *bench) error {
	env, err := b.newEnvironment(ctx, "--appendfsync", "everysec")
	if err != nil {
		return err
	}
	defer env.Close()
	if err := env.initRedis(ctx); err != nil {
		return err
	}
	first, err := env.kasse(ctx, nil)
	if err != nil {
		return err
	}
	if err := env.seed(ctx, first, waiterCount); err != nil {
		return err
	}
	order := &deliveries{}
	for range b.rounds {
		if err := env.waitEach(ctx, order); err != nil {
			return err
		}
	}
	for range b.rounds {
		if err := env.waitTogether(ctx, order); err != nil {
			return err
		}
	}
	b.figure(
		"10,000 waiting on 10,000 payments, 500 changes/s: p99 from webhook to answer", "≤ 5 ms", "%.1f ms",
		b.median("Waiting/kasse p99-µs")/1000,
	)
	b.figure(
		"… memory of a waiter", "≤ 8 KB", "%.1f KB", b.median("Waiting/kasse B/waiter")/1000,
	)
	b.figure(
		"… by the bare one's", "≤ 0.5 ×", "%s",
		b.ratio("Waiting/kasse B/waiter", "Waiting/bare B/waiter"),
	)
	b.figure("… with WAIT_PARKING=false", "", "%.1f KB", b.median("Waiting/unparked B/waiter")/1000)
	b.figure(
		"… processor time of a change by that of WAIT_PARKING=false", "≤ 0.5 ×", "%s",
		b.ratio("Waiting/kasse cpu-µs/change", "Waiting/unparked cpu-µs/change"),
	)
	b.figure("… Redis reads a change", "≤ 1", "%.2f", b.median("Waiting/kasse reads/change"))
	b.figure(
		"10,000 waiting on one payment: from the webhook to the last answer", "≤ 0.7 ×", "%s",
		b.ratio("Broadcast/kasse ms", "Broadcast/bare ms"),
	)
	return nil
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

// waitEach measures waiters that each wait for another payment.
func (env *environment) waitEach(ctx context.Context, order *deliveries) error {
	if err := env.waitBare(ctx); err != nil {
		return err
	}
	if err := env.waitAtKasse(ctx, order, "Waiting/kasse", "true"); err != nil {
		return err
	}
	return env.waitAtKasse(ctx, order, "Waiting/unparked", "false")
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
