package push_test

import (
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"kasse/service/push"
	"kasse/test/wait"
)

// TestReplicasShareTheWork: with three replicas every event is pushed once, and those of a payment in order.
func TestReplicasShareTheWork(t *testing.T) {
	w := newPushEnv(t)
	s := newReceiver(t, accepting)
	e := w.endpoint(s.URL)
	for range 3 {
		w.relay(e)
	}
	ids := w.appendEvents(40, 25)
	s.awaitAll(t, ids)
	w.awaitQueues(e, 0, 0)
	s.requireOrder(t)
	for _, id := range ids {
		if tries := s.triesOf(id); tries != 1 {
			t.Errorf("%s was pushed %d times", id, tries)
		}
	}
}

// TestRetryDelaysNoOther: a failure is retried after five seconds under the same id. It delays no other
// event, not even one of the same payment.
func TestRetryDelaysNoOther(t *testing.T) {
	w := newPushEnv(t)
	s := newReceiver(t, func(id string, try int, _ *http.Request) int {
		if try == 1 && strings.HasPrefix(id, "pi_0.") {
			return http.StatusInternalServerError
		}
		return http.StatusNoContent
	})
	e := w.endpoint(s.URL)
	w.relay(e)
	w.relay(e)
	ids := w.appendEvents(3, 4)
	s.awaitAll(t, ids)
	s.requireOrder(t)
	w.awaitQueues(e, 0, 0)
	for _, id := range ids {
		want := 1
		if strings.HasPrefix(id, "pi_0.") {
			want = 2
		}
		if tries := s.triesOf(id); tries != want {
			t.Errorf("%s was pushed %d times, want %d", id, tries, want)
		}
	}
}

// TestRetryAfterIsRespected: the retry waits for the time that the endpoint's Retry-After names, which is
// kept in Redis.
func TestRetryAfterIsRespected(t *testing.T) {
	w := newPushEnv(t)
	s := newReceiver(t, nil)
	s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	e := w.endpoint(s.URL)
	w.relay(e)
	w.appendEvents(1, 1)
	w.awaitQueues(e, 1, 0)
	for _, key := range w.client.Keys(t.Context(), "kasse:{p*}:push:*:retries").Val() {
		for _, z := range w.client.ZRangeWithScores(t.Context(), key, 0, -1).Val() {
			if due := time.UnixMilli(int64(z.Score)); time.Until(due) < 50*time.Minute || time.Until(due) > time.Hour {
				t.Errorf("the retry is due in %s, want about an hour", time.Until(due))
			}
		}
	}
}

// TestHangingReceiverSlowsNoOther: a hanging receiver slows no other one. A fast one gets all events
// meanwhile.
func TestHangingReceiverSlowsNoOther(t *testing.T) {
	w := newPushEnv(t)
	release := make(chan struct{})
	var hanging atomic.Int64
	hung := newReceiver(t, func(_ string, _ int, r *http.Request) int {
		hanging.Add(1)
		select {
		case <-release:
		case <-r.Context().Done():
		}
		return http.StatusOK
	})
	quick := newReceiver(t, accepting)
	defer close(release)
	w.relay(w.endpoint(hung.URL), w.endpoint(quick.URL))
	ids := w.appendEvents(100, 5)
	quick.awaitAll(t, ids)
	quick.requireOrder(t)
	if n := hanging.Load(); n == 0 || n > 32 {
		t.Errorf("%d requests hang", n)
	}
}

// TestGoneResponseDisablesEndpoint: 410 disables the endpoint permanently, for all replicas. Once enabled
// again, it continues where it stopped.
func TestGoneResponseDisablesEndpoint(t *testing.T) {
	w := newPushEnv(t)
	var gone atomic.Bool
	gone.Store(true)
	s := newReceiver(t, func(string, int, *http.Request) int {
		if gone.Load() {
			return http.StatusGone
		}
		return http.StatusOK
	})
	e := w.endpoint(s.URL + "/hunter2")
	stop := w.relay(e)
	first := w.appendEvents(1, 1)
	wait.Until(t, "the disabled endpoint", func() error {
		standing, err := w.store.LoadPushes(t.Context(), e.ID())
		if err == nil && standing.Disabled == "" {
			err = wait.ErrNotYet
		}
		return err
	})
	stop()
	tries := s.triesOf(first[0])
	w.relay(e)
	rest := w.appendEvents(10, 3)
	gone.Store(false)
	if s.triesOf(first[0]) != tries || s.count() != 1 {
		t.Error("a disabled endpoint is pushed to")
	}
	if _, err := w.store.EnablePushes(t.Context(), e.ID()); err != nil {
		t.Fatal(err)
	}
	s.awaitAll(t, rest)
	w.awaitQueues(e, 0, 0)
	if s.triesOf(first[0]) <= tries {
		t.Error("the refused event was not pushed again")
	}
	if log := w.logs.String(); !strings.Contains(log, "disabled") || strings.Contains(log, "hunter2") {
		t.Errorf("the log must have the word disabled, and no secret path: %s", log)
	}
}

// TestStopFinishesDeliveriesInFlight: deliveries in flight when a process stops are finished and recorded, so
// they are not repeated.
func TestStopFinishesDeliveriesInFlight(t *testing.T) {
	w := newPushEnv(t)
	arrived, release := make(chan struct{}, 1), make(chan struct{})
	s := newReceiver(t, func(string, int, *http.Request) int {
		arrived <- struct{}{}
		<-release
		return http.StatusOK
	})
	e := w.endpoint(s.URL)
	stop := w.relay(e)
	ids := w.appendEvents(1, 1)
	<-arrived
	go close(release)
	stop()
	w.awaitQueues(e, 0, 0)
	if s.triesOf(ids[0]) != 1 {
		t.Errorf("pushed %d times", s.triesOf(ids[0]))
	}
}

// TestDeadLettersAndReplay: after the last failed try an event becomes a dead letter. A replay pushes it
// again.
func TestDeadLettersAndReplay(t *testing.T) {
	w := newPushEnv(t)
	var open atomic.Bool
	s := newReceiver(t, func(string, int, *http.Request) int {
		if open.Load() {
			return http.StatusOK
		}
		return http.StatusInternalServerError
	})
	e := w.endpoint(s.URL)
	w.relay(e)
	ids := w.appendEvents(1, 1)
	w.awaitQueues(e, 1, 0)
	w.skipTries(12)
	w.awaitQueues(e, 0, 1)
	if tries := s.triesOf(ids[0]); tries != 2 {
		t.Errorf("pushed %d times", tries)
	}
	open.Store(true)
	count, _, done, err := w.store.Replay(t.Context(), []push.EndpointID{e.ID()}, "", "order.updated")
	if err != nil || count != 1 || !done {
		t.Fatalf("%d, %t, %v", count, done, err)
	}
	w.awaitQueues(e, 0, 1)
	if tries := s.triesOf(ids[0]); tries != 3 {
		t.Errorf("pushed %d times", tries)
	}
}

// skipTries makes the waiting retries due at once, as if the given number of tries had been made.
func (w *pushEnv) skipTries(tries int) {
	w.t.Helper()
	for _, key := range w.client.Keys(w.t.Context(), "kasse:{p*}:push:*:retries").Val() {
		for _, member := range w.client.ZRange(w.t.Context(), key, 0, -1).Val() {
			entry, _, _ := strings.Cut(member, " ")
			w.client.ZAdd(w.t.Context(), key, redis.Z{Member: entry + " " + strconv.Itoa(tries) + " 0"})
			w.client.ZRem(w.t.Context(), key, member)
		}
	}
}
