package push_test

import (
	"flag"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"kasse/test/wait"
)

var outage = flag.Duration("outage", 2*time.Second, "how long the endpoint of TestOutage fails")

// acceptance records the events that an endpoint accepted, in order, and counts the requests that it refused.
type acceptance struct {
	mu      sync.Mutex
	ids     []string
	refused int
	at      time.Time // time of the last one
}

func (a *acceptance) accept(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ids, a.at = append(a.ids, id), time.Now()
}

// inversions counts the events that were accepted after a newer event of the same order.
func (a *acceptance) inversions() (count int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	newest := map[string]string{}
	for _, id := range a.ids {
		order, version, _ := strings.Cut(id, ".")
		if version < newest[order] {
			count++
		} else {
			newest[order] = version
		}
	}
	return count
}

// failing is an endpoint that answers 500 while down is set.
func failing(t *testing.T, down *atomic.Bool) (*receiver, *acceptance) {
	t.Helper()
	a := &acceptance{}
	return newReceiver(t, func(id string, _ int, _ *http.Request) int {
		if down.Load() {
			a.mu.Lock()
			a.refused++
			a.mu.Unlock()
			return http.StatusInternalServerError
		}
		a.accept(id)
		return http.StatusOK
	}), a
}

// TestOutage: an endpoint fails for a while under load. It gets few requests meanwhile. When it succeeds again, all
// events are delivered in order, even those whose retry is not due yet. The log has one line for each change.
func TestOutage(t *testing.T) {
	w := newPushEnv(t)
	var down atomic.Bool
	s, accepted := failing(t, &down)
	e := w.endpoint(s.URL)
	w.relay(e)
	w.relay(e)
	down.Store(true)
	const rate, orders = 50, 20
	var ids []string
	began := time.Now()
	back := time.Time{}
	for n := range int((*outage + 2*time.Second).Seconds() * rate) {
		ids = append(ids, w.appendEvent(n%orders))
		if back.IsZero() && time.Since(began) > *outage {
			w.postpone(time.Hour) // no retry is due during this test
			back = time.Now()
			down.Store(false)
		}
		time.Sleep(time.Until(began.Add(time.Duration(n+1) * time.Second / rate)))
	}
	w.awaitQueues(e, 0, 0)
	s.awaitAll(t, ids)
	if n := accepted.inversions(); n > 1 {
		t.Errorf("%d events were accepted after a newer one of their order, want at most one, the probe", n)
	}
	s.requireOrder(t)
	if accepted.refused > 10+2*48+20 {
		t.Errorf("the failing endpoint got %d requests", accepted.refused)
	}
	log := w.logs.String()
	for text, want := range map[string]int{"push: circuit open": 1, "push: circuit closed": 1} {
		if got := strings.Count(log, text); got != want {
			t.Errorf("%q is in the log %d times, want %d", text, got, want)
		}
	}
	t.Logf("%d events, failing for %s: %d refused, %d log lines, all accepted %s after the end of the outage",
		len(ids), *outage, accepted.refused, strings.Count(log, "\n"), accepted.at.Sub(back))
}

// postpone makes every waiting retry due after the given duration.
func (w *pushEnv) postpone(by time.Duration) {
	w.t.Helper()
	for _, key := range w.client.Keys(w.t.Context(), "kasse:{p*}:push:*:retries").Val() {
		for _, z := range w.client.ZRangeWithScores(w.t.Context(), key, 0, -1).Val() {
			if z.Score > 0 {
				w.client.ZAddXX(
					w.t.Context(), key, redis.Z{Member: z.Member, Score: float64(time.Now().Add(by).UnixMilli())},
				)
			}
		}
	}
}

// TestRefusedEventDelaysNoOther: an event that is always refused delays no other event and does not keep the
// circuit open.
func TestRefusedEventDelaysNoOther(t *testing.T) {
	w := newPushEnv(t)
	var down atomic.Bool
	down.Store(true)
	s := newReceiver(t, func(id string, _ int, _ *http.Request) int {
		if down.Load() || strings.HasPrefix(id, "pi_0.") {
			return http.StatusInternalServerError
		}
		return http.StatusOK
	})
	e := w.endpoint(s.URL)
	w.relay(e)
	ids := w.appendEvents(12, 1)
	wait.Until(t, "an open circuit", func() error {
		standing, err := w.store.LoadPushes(t.Context(), e.ID())
		if err == nil && standing.Failing.IsZero() {
			err = wait.ErrNotYet
		}
		return err
	})
	w.postpone(time.Hour)
	down.Store(false)
	ids = append(ids, w.appendEvents(12, 1)...)
	s.awaitAll(t, ids)
	w.awaitQueues(e, 2, 0) // both events of pi_0
	standing, err := w.store.LoadPushes(t.Context(), e.ID())
	if err != nil || !standing.Failing.IsZero() {
		t.Errorf("%+v, %v", standing, err)
	}
}

// TestEndpointTypes: an endpoint that names its types gets only events of these types. The others count as
// delivered.
func TestEndpointTypes(t *testing.T) {
	w := newPushEnv(t)
	s, other := newReceiver(t, accepting), newReceiver(t, accepting)
	wanting, refusing := w.endpoint(s.URL, "order.paid", "order.updated"), w.endpoint(other.URL, "order.paid")
	w.relay(wanting, refusing)
	ids := w.appendEvents(20, 5)
	s.awaitAll(t, ids)
	w.awaitQueues(wanting, 0, 0)
	w.awaitQueues(refusing, 0, 0)
	if other.count() != 0 {
		t.Errorf("%d events of other types came", other.count())
	}
}
