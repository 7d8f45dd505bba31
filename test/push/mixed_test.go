package push_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"

	"kasse/service/payment"
	"kasse/service/push"
	"kasse/store"
	"kasse/test/wait"
)

// interruptible is an endpoint whose requests end when its channel is closed, as if they had timed out.
type interruptible struct {
	*push.Endpoint
	timedOut chan struct{}
}

// Push sends the event once.
func (h interruptible) Push(ctx context.Context, e payment.FeedEvent) (int, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-h.timedOut:
			cancel()
		case <-ctx.Done():
		}
	}()
	return h.Endpoint.Push(ctx, e)
}

// mixed is 100 endpoints of one relay: one hangs, one answers 410, one is slow, and the others accept at once.
type mixed struct {
	*pushEnv
	healthy          []*receiver
	hung, gone, slow *receiver

	hanging, goneEndpoint, slowEndpoint *push.Endpoint
	timedOut                            chan struct{} // when closed, the hanging requests end
	release                             chan struct{} // when closed, the slow endpoint answers
	ended                               atomic.Int64  // requests of the hanging and the slow endpoint that have ended
}

func newMixed(t *testing.T) *mixed {
	t.Helper()
	m := &mixed{pushEnv: newPushEnv(t), timedOut: make(chan struct{}), release: make(chan struct{})}
	var all []push.Destination
	for n := range 100 {
		switch n {
		case 20: // in the middle, since the order of the configuration must not matter
			m.hung = newReceiver(t, func(_ string, _ int, r *http.Request) int {
				<-r.Context().Done()
				m.ended.Add(1)
				return http.StatusOK
			})
			m.hanging = m.endpoint(m.hung.URL)
			all = append(all, interruptible{m.hanging, m.timedOut})
		case 40:
			m.gone = newReceiver(t, func(string, int, *http.Request) int { return http.StatusGone })
			m.goneEndpoint = m.endpoint(m.gone.URL)
			all = append(all, m.goneEndpoint)
		case 60:
			m.slow = newReceiver(t, func(string, int, *http.Request) int {
				<-m.release
				m.ended.Add(1)
				return http.StatusOK
			})
			m.slowEndpoint = m.endpoint(m.slow.URL)
			all = append(all, m.slowEndpoint)
		default:
			s := newReceiver(t, accepting)
			m.healthy = append(m.healthy, s)
			all = append(all, m.endpoint(s.URL))
		}
	}
	m.relay(all...)
	return m
}

// awaitHealthy waits until the healthy endpoints have all events, and fails the test if one of them got an event twice
// or out of order.
func (m *mixed) awaitHealthy(ids []string) {
	m.t.Helper()
	for n, s := range m.healthy {
		s.awaitAll(m.t, ids)
		s.requireOrder(m.t)
		for _, id := range ids {
			if tries := s.triesOf(id); tries != 1 {
				m.t.Errorf("endpoint %d got %s %d times", n, id, tries)
			}
		}
	}
}

// awaitState waits for a state of an endpoint in Redis.
func (m *mixed) awaitState(e *push.Endpoint, what string, holds func(store.PushStanding) bool) {
	m.t.Helper()
	wait.Until(m.t, what, func() error {
		s, err := m.store.LoadPushes(m.t.Context(), e.ID())
		if err == nil && !holds(s) {
			err = fmt.Errorf("it is %+v", s)
		}
		return err
	})
}

// TestBadEndpointsDelayNoOther: of 100 endpoints one hangs, one answers 410 and one is slow. The others get every event
// once and in order, while no request of the hanging and the slow one has ended. Then the circuit of the hanging one
// opens, the one that answers 410 is disabled, and the slow one gets every event in order.
func TestBadEndpointsDelayNoOther(t *testing.T) {
	m := newMixed(t)
	ids := m.appendEvents(18, 1) // more events than the requests that one endpoint may have in flight
	m.awaitHealthy(ids)
	if n := m.ended.Load(); n != 0 {
		t.Errorf("the healthy endpoints waited for %d requests of the hanging and the slow one", n)
	}
	m.awaitState(m.goneEndpoint, "the disabled endpoint", func(s store.PushStanding) bool {
		return s.Disabled == push.DisabledGone
	})
	close(m.timedOut)
	m.awaitState(m.hanging, "an open circuit", func(s store.PushStanding) bool { return !s.Failing.IsZero() })
	more := m.appendEvents(4, 3)
	ids = slices.Concat(ids, more)
	m.awaitHealthy(ids)
	close(m.release)
	m.slow.awaitAll(t, ids)
	m.slow.requireOrder(t)
	m.awaitQueues(m.slowEndpoint, 0, 0)
	for _, id := range more {
		if m.gone.triesOf(id) != 0 {
			t.Errorf("the endpoint that answers 410 got %s after it was disabled", id)
		}
	}
	standing, err := m.store.LoadPushes(t.Context(), m.hanging.ID())
	held := standing.Waiting + standing.Pending + standing.Retries
	if err != nil || standing.Failing.IsZero() || held != int64(len(ids)) {
		t.Errorf("the hanging endpoint must keep all %d events: %+v, %v", len(ids), standing, err)
	}
}
