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
	crowd      = 10_000 // who wait
	changeRate = 500    // changes a second
)

// room is a crowd that waits: each on a connection of its own, and again as soon as it has been answered.
type room struct {
	links    []*link
	work     sync.WaitGroup
	left     atomic.Bool
	failed   atomic.Pointer[error]
	answered func(n int, at time.Time) // a change was seen by the n-th
	opening  chan struct{}             // those whose page is not open yet
}

// opensAtOnce is how many of a crowd open their page at the same time: more would measure the rush, and not the wait.
const opensAtOnce = 256

// noTag stands for the tag of a page that is open.
var noTag = []byte(`"0"`)

// ask gives what the n-th of them asks, who has seen the tag last.
type ask func(n int, tag []byte) []byte

// enter makes so many wait.
func enter(address string, count int, ask ask, answered func(n int, at time.Time)) (*room, error) {
	r := &room{answered: answered, opening: make(chan struct{}, opensAtOnce)}
	for n := range count {
		l, err := dial(address)
		if err != nil {
			r.leave()
			return nil, err
		}
		r.links = append(r.links, l)
		r.opening <- struct{}{}
		r.work.Go(func() {
			if len(ask(n, nil)) == len(ask(n, noTag)) { // it waits at once
				<-r.opening
			}
			if err := r.wait(l, n, ask); err != nil && !r.left.Load() {
				r.failed.Store(&err)
			}
		})
	}
	return r, nil
}

func (r *room) wait(l *link, n int, ask ask) error {
	for !r.left.Load() {
		first := len(l.etag) == 0 && len(ask(n, nil)) != len(ask(n, noTag))
		status, err := l.ask(ask(n, l.etag))
		if first {
			<-r.opening
		}
		switch {
		case err != nil:
			return err
		case status == http.StatusOK:
			r.answered(n, time.Now())
		case status != http.StatusNotModified:
			return fmt.Errorf("answered %d: %s", status, l.body)
		}
	}
	return nil
}

// leave ends all connections.
func (r *room) leave() {
	r.left.Store(true)
	for _, l := range r.links {
		l.close()
	}
	r.work.Wait()
}

func (r *room) err() error {
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

// waiting is a crowd of which each waits for a payment of his own while 500 a second change, and then for one payment.
func waiting(ctx context.Context, b *bench) error {
	env, err := b.newEnvironment(ctx, "--appendfsync", "everysec")
	if err != nil {
		return err
	}
	defer env.Close()
	if err := env.mark(ctx); err != nil {
		return err
	}
	first, err := env.kasse(ctx, nil)
	if err != nil {
		return err
	}
	if err := env.seed(ctx, first, crowd); err != nil {
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

// next returns the webhooks of so many changes, and the payment of each.
func (d *deliveries) next(changes int) (bodies [][]byte, about []int) {
	bodies, about = make([][]byte, changes), make([]int, changes)
	for i := range bodies {
		n := int(d.changes.Add(1)) - 1
		bodies[i], about[i] = delivery(d.change(n)), n%payments
	}
	return bodies, about
}

// waitBare measures the memory of a waiter of the bare program.
func (env *environment) waitBare(ctx context.Context) error {
	bare, err := env.bare(ctx, "wait")
	if err != nil {
		return err
	}
	empty := resident(bare.pid)
	all, err := enter(bare.address, crowd, bareOf, func(int, time.Time) {})
	if err != nil {
		return err
	}
	time.Sleep(settling)
	env.line("Waiting/bare", crowd, metric{"B/waiter", float64(resident(bare.pid)-empty) / crowd})
	all.leave()
	return nil
}

// waitEach measures crowds of which each waits for a payment of their own.
func (env *environment) waitEach(ctx context.Context, order *deliveries) error {
	if err := env.waitBare(ctx); err != nil {
		return err
	}
	if err := env.waitAtKasse(ctx, order, "Waiting/kasse", "true"); err != nil {
		return err
	}
	return env.waitAtKasse(ctx, order, "Waiting/unparked", "false")
}

// waitAtKasse measures a crowd that waits with or without WAIT_PARKING, while its payments change.
func (env *environment) waitAtKasse(ctx context.Context, order *deliveries, name, parking string) error {
	kasse, err := env.kasse(ctx, map[string]string{"RATE_LIMIT_FRONTEND": "10000/s", "WAIT_PARKING": parking})
	if err != nil {
		return err
	}
	empty := resident(kasse.pid)
	var sent [crowd]atomic.Int64 // when the change was delivered that its waiter has not seen yet
	var mu sync.Mutex
	var seen []time.Duration
	all, err := enter(kasse.address, crowd, pollOf, func(n int, at time.Time) {
		if when := sent[n].Swap(0); when > 0 {
			mu.Lock()
			seen = append(seen, at.Sub(time.Unix(0, when)))
			mu.Unlock()
		}
	})
	if err != nil {
		return err
	}
	defer all.leave()
	time.Sleep(settling)
	memory := float64(resident(kasse.pid)-empty) / crowd
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

// settling is how long everything gets to come to rest.
const settling = 2 * time.Second

// reads are the records that Redis has read so far: one for each webhook, and those of the crowd.
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
