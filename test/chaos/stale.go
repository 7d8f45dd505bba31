package main

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"kasse/test/internal/testenv"
	"kasse/test/wait"
)

// staleAfter is how long the previous view may be served after a change was acknowledged: docs/polling.md.
const staleAfter = 1500 * time.Millisecond

// watcher changes the amount of one open payment repeatedly, through each server in turn, and reads its view from all
// of them. A read that begins later than staleAfter after an acknowledged change must show the change.
type watcher struct {
	*workload
	order, payment string
	amount         int64

	mu    sync.Mutex
	acked []ackedChange // oldest first
	reads int
}

// ackedChange is the version that an acknowledged change has given the view.
type ackedChange struct {
	version int64
	at      time.Time
}

// watchViews opens a payment in each partition, and watches their views until stop is called. stop adds their orders
// to those that the round checks at its end.
func (s *workload) watchViews(ctx context.Context, round string, seed uint64) (stop func(), err error) {
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	var watchers []*watcher
	for n := range clusterPartitions {
		w := &watcher{workload: s, order: orderIn(n, orderName("watched-"+round, seed, 0)), amount: 1000}
		w.payment, err = s.create(ctx, testenv.OrderPlan{Order: w.order, Amount: w.amount})
		if err != nil {
			cancel()
			return nil, err
		}
		watchers = append(watchers, w)
		all.Go(func() { w.change(ctx) })
		all.Go(func() { w.read(ctx) })
	}
	return func() {
		cancel()
		all.Wait()
		for _, w := range watchers {
			w.finish()
		}
	}, nil
}

// finish adds the order to those that the round checks.
func (w *watcher) finish() {
	w.workload.mu.Lock()
	defer w.workload.mu.Unlock()
	w.payments[w.order] = w.payment
	w.done = append(w.done, testenv.OrderPlan{
		Lifecycle: testenv.Lifecycle{State: "pending"}, Order: w.order, Amount: w.amount,
	})
	w.watched.changes += len(w.acked)
	w.watched.reads += w.reads
}

// hits counts the status reads that the servers of the fleet answered from memory.
func (s *workload) hits(ctx context.Context) (count int) {
	s.environment.mu.Lock()
	fleet := slices.Clone(s.fleet)
	s.environment.mu.Unlock()
	for _, k := range fleet {
		a, err := testenv.Call(ctx, http.DefaultClient, http.MethodGet, "http://"+k.Admin+"/metrics", nil, "")
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(a.Body)) {
			if value, found := strings.CutPrefix(line, "kasse_redis_cache_hits_total "); found {
				n, _ := strconv.ParseFloat(strings.TrimSpace(value), 64)
				count += int(n)
			}
		}
	}
	return count
}

// orderIn returns an order id with the prefix that belongs to the partition.
func orderIn(partition int, prefix string) string {
	for n := 0; ; n++ {
		if name := fmt.Sprintf("%s.%d", prefix, n); partitionOf(name) == partition {
			return name
		}
	}
}

// change changes the amount until the context ends. A change that failed may have been made at Stripe, which sends no
// event of it. So change repeats it until it succeeds, as a backend does, even after the context's end.
func (w *watcher) change(ctx context.Context) {
	for turn := uint64(0); ctx.Err() == nil; turn++ {
		wait.Pause(ctx, 500*time.Millisecond)
		err := wait.For(context.WithoutCancel(ctx), func() error {
			return w.changeOnce(context.WithoutCancel(ctx), w.member(turn))
		})
		if err != nil {
			w.oracle.addWrong(w.order, "its amount cannot be changed: "+err.Error())
			return
		}
	}
}

func (w *watcher) changeOnce(ctx context.Context, member *testenv.Kasse) error {
	ctx, cancel := context.WithTimeout(ctx, testenv.PostTimeout)
	defer cancel()
	view, err := w.call(ctx, member, http.MethodGet, nil, "")
	if err != nil {
		return err
	}
	header := map[string]string{
		"If-Match": fmt.Sprintf(`"%d"`, view.Version), "Content-Type": "application/json",
	}
	next := w.amount + 1
	if view, err = w.call(ctx, member, http.MethodPatch, header, fmt.Sprintf(`{"amount":%d}`, next)); err != nil {
		w.loadAmount(ctx)
		wait.Pause(ctx, 100*time.Millisecond)
		return err
	}
	w.amount = next
	w.mu.Lock()
	defer w.mu.Unlock()
	w.acked = append(w.acked, ackedChange{view.Version, time.Now()})
	return nil
}

// loadAmount takes the amount from Stripe after a change whose outcome is unknown.
func (w *watcher) loadAmount(ctx context.Context) {
	all, err := w.Stripe.Intents(context.WithoutCancel(ctx))
	if err == nil && len(all[w.order]) > 0 {
		w.amount = all[w.order][0].Amount
	}
}

// read reads the view from every server until the context ends.
func (w *watcher) read(ctx context.Context) {
	for turn := uint64(0); ctx.Err() == nil; turn++ {
		began := time.Now()
		view, err := w.call(ctx, w.member(turn), http.MethodGet, nil, "")
		if err == nil {
			w.checkRead(began, view.Version)
		}
		wait.Pause(ctx, 100*time.Millisecond)
	}
}

// checkRead reports a read that shows an older version than it must.
func (w *watcher) checkRead(began time.Time, version int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reads++
	for _, c := range w.acked {
		if late := began.Sub(c.at); late > staleAfter && version < c.version {
			w.oracle.addWrong(
				fmt.Sprintf("stale %s.%d", w.payment, version),
				fmt.Sprintf("version %d was shown %s after %d was acknowledged", version, late, c.version),
			)
			return
		}
	}
}

// call sends one server a request about the payment, and returns the view.
func (w *watcher) call(
	ctx context.Context, k *testenv.Kasse, method string, header map[string]string, body string,
) (view testenv.View, err error) {
	all := map[string]string{"Authorization": "Bearer " + testenv.BackendKey}
	maps.Copy(all, header)
	a, err := testenv.Call(ctx, w.Client, method, "http://"+k.Public+"/v1/payments/"+w.payment, all, body)
	if err != nil {
		return view, err
	}
	if a.Status != http.StatusOK {
		return view, fmt.Errorf("answered %d %s", a.Status, a.Body)
	}
	return view, json.Unmarshal(a.Body, &view)
}

// partitionOf returns the partition of an order: docs/events.md.
func partitionOf(order string) int {
	h := fnv.New32a()
	h.Write([]byte(order))
	return int(h.Sum32() % clusterPartitions)
}
