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

// staleAfter is how long after a change was acknowledged a view of before may be served: docs/polling.md.
const staleAfter = 1500 * time.Millisecond

// watcher changes the price of one open payment again and again, by one server after the other, and reads its view
// from all of them. A read that begins later than staleAfter after a change was acknowledged must show it.
type watcher struct {
	*workload
	order, payment string
	amount         int64

	mu    sync.Mutex
	acked []ackedChange // the oldest first
	reads int
}

type ackedChange struct {
	version int64
	at      time.Time
}

// watchViews opens a payment in each partition, and watches their views until it is stopped. Then their orders are
// among those that are judged.
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

// finish has the order judged with the others.
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
				n, _ := strconv.ParseFloat(strings.TrimSpace(value), 64) // what is no number is none
				count += int(n)
			}
		}
	}
	return count
}

// orderIn is a name that lies in the partition.
func orderIn(partition int, prefix string) string {
	for n := 0; ; n++ {
		if name := fmt.Sprintf("%s.%d", prefix, n); partitionOf(name) == partition {
			return name
		}
	}
}

// change changes the price until the context ends. A change that failed may have been done at Stripe, which sends no
// event of it: as a backend does, it asks again until it has an answer, also after the context's end.
func (w *watcher) change(ctx context.Context) {
	for turn := uint64(0); ctx.Err() == nil; turn++ {
		wait.Pause(ctx, 500*time.Millisecond)
		err := wait.For(context.WithoutCancel(ctx), func() error {
			return w.changeOnce(context.WithoutCancel(ctx), w.member(turn))
		})
		if err != nil {
			w.oracle.addWrong(w.order, "its price cannot be changed: "+err.Error())
			return
		}
	}
}

func (w *watcher) changeOnce(ctx context.Context, member *testenv.Kasse) error {
	ctx, cancel := context.WithTimeout(ctx, testenv.PostTimeout)
	defer cancel()
	view, err := w.ask(ctx, member, http.MethodGet, nil, "")
	if err != nil {
		return err
	}
	header := map[string]string{
		"If-Match": fmt.Sprintf(`"%d"`, view.Version), "Content-Type": "application/json",
	}
	next := w.amount + 1
	if view, err = w.ask(ctx, member, http.MethodPatch, header, fmt.Sprintf(`{"amount":%d}`, next)); err != nil {
		w.settle(ctx)
		wait.Pause(ctx, 100*time.Millisecond)
		return err
	}
	w.amount = next
	w.mu.Lock()
	defer w.mu.Unlock()
	w.acked = append(w.acked, ackedChange{view.Version, time.Now()})
	return nil
}

// settle finds out what became of a change whose outcome is unknown: what Stripe has is what counts.
func (w *watcher) settle(ctx context.Context) {
	all, err := w.Stripe.Intents(context.WithoutCancel(ctx))
	if err == nil && len(all[w.order]) > 0 {
		w.amount = all[w.order][0].Amount
	}
}

// read reads the view from every server until the context ends.
func (w *watcher) read(ctx context.Context) {
	for turn := uint64(0); ctx.Err() == nil; turn++ {
		began := time.Now()
		view, err := w.ask(ctx, w.member(turn), http.MethodGet, nil, "")
		if err == nil {
			w.judgeRead(began, view.Version)
		}
		wait.Pause(ctx, 100*time.Millisecond)
	}
}

func (w *watcher) judgeRead(began time.Time, version int64) {
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

// ask asks one server about the payment.
func (w *watcher) ask(
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

// partitionOf is where an order lies: docs/events.md.
func partitionOf(order string) int {
	h := fnv.New32a()
	h.Write([]byte(order))
	return int(h.Sum32() % clusterPartitions)
}
