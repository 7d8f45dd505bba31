package store_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"kasse/service/payment"
	"kasse/service/push"
	"kasse/store"
	"kasse/store/storetest"
)

// TestClaimedDeliveriesAreTrimmed: the entries of claimed deliveries are trimmed while their owner is dead. Redis keeps
// only the ids of such deliveries. miniredis drops those too, so this test is not part of the suite.
func TestClaimedDeliveriesAreTrimmed(t *testing.T) {
	client := connect(t, storetest.RedisServer(t))
	s := store.New(client, store.Options{Partitions: 1, Retention: time.Hour, EventRetention: time.Hour})
	if err := s.Mark(t.Context(), store.Identity{Service: "kasse"}); err != nil {
		t.Fatal(err)
	}
	if err := s.RegisterEndpoint(t.Context(), "e"); err != nil {
		t.Fatal(err)
	}
	claim := func(owner string, lease time.Duration) push.Work {
		t.Helper()
		works := s.ClaimPushes(t.Context(), push.Claim{
			Endpoint: "e", Owner: owner, Lease: lease, Shares: []push.Share{{First: 10}},
		})
		if works[0].Err != nil {
			t.Fatal(works[0].Err)
		}
		return works[0]
	}
	for range 3 {
		putEvent(t, s, "pi_1")
	}
	if work := claim("dead", 0); len(work.Deliveries) != 3 {
		t.Fatalf("%d deliveries were claimed, want 3", len(work.Deliveries))
	}
	if err := client.XTrimMinID(t.Context(), "kasse:{p0}:events", "99999999999999").Err(); err != nil {
		t.Fatal(err)
	}
	if work := claim("alive", time.Hour); work.Lost != 3 || len(work.Deliveries) != 0 {
		t.Errorf("%d deliveries are lost and %d claimed, want 3 and 0", work.Lost, len(work.Deliveries))
	}
	if work := claim("alive", time.Hour); work.Lost != 0 {
		t.Errorf("%d lost deliveries are counted twice", work.Lost)
	}
	standing, err := s.LoadPushes(t.Context(), "e")
	if err != nil || standing.Pending != 0 {
		t.Errorf("the standing is %+v, %v; want nothing pending", standing, err)
	}
	want := putEvent(t, s, "pi_1")
	if work := claim("alive", time.Hour); len(work.Deliveries) != 1 || work.Deliveries[0].Event.ID != want {
		t.Errorf("after a new event: got %+v", work)
	}
}

// TestEndpointsShareCalls: many endpoints claim and finish at the same time, in shared calls to Redis. Each gets all
// events in order. An endpoint that is not registered becomes so, and one that is disabled gets nothing. Neither
// changes what the others get.
func TestEndpointsShareCalls(t *testing.T) {
	const endpoints, partitions, events = 40, 2, 30
	client := connect(t, storetest.RedisServer(t))
	s := store.New(client, store.Options{Partitions: partitions, Retention: time.Hour, EventRetention: time.Hour})
	if err := s.Mark(t.Context(), store.Identity{Service: "kasse"}); err != nil {
		t.Fatal(err)
	}
	id := func(n int) push.EndpointID { return push.EndpointID(fmt.Sprintf("endpoint%d", n)) }
	const unknown, disabled = 7, 23
	for n := range endpoints {
		if n == unknown {
			continue
		}
		if err := s.RegisterEndpoint(t.Context(), id(n)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.DisablePushes(t.Context(), id(disabled), push.DisabledByHand); err != nil {
		t.Fatal(err)
	}
	for n := range events {
		putEvent(t, s, payment.ID(fmt.Sprintf("pi_%d", n%5)))
	}
	var all sync.WaitGroup
	for n := range endpoints {
		all.Go(func() {
			want := events
			if n == unknown || n == disabled {
				want = 0
			}
			if got := claimAll(t, s, id(n), partitions); got != want {
				t.Errorf("endpoint %d got %d events, want %d", n, got, want)
			}
		})
	}
	all.Wait()
	for n := range endpoints {
		standing, err := s.LoadPushes(t.Context(), id(n))
		if err != nil || !standing.Registered || standing.Pending != 0 || (standing.Waiting > 0) != (n == disabled) {
			t.Errorf("endpoint %d: %+v, %v", n, standing, err)
		}
	}
}

// claimAll claims the events of an endpoint and finishes them. It returns how many there were, and fails the test if
// those of a partition are not in the order of the stream.
func claimAll(t *testing.T, s *store.Store, e push.EndpointID, partitions int) (count int) {
	t.Helper()
	c := push.Claim{Endpoint: e, Owner: "a", Lease: time.Hour}
	for n := range partitions {
		c.Shares = append(c.Shares, push.Share{Partition: n, First: 100})
	}
	var done []push.Attempt
	for _, work := range s.ClaimPushes(t.Context(), c) {
		if work.Err != nil {
			t.Error(work.Err)
		}
		var last, ms, number int
		for _, d := range work.Deliveries {
			_, err := fmt.Sscanf(d.Event.Entry, "%d-%d", &ms, &number)
			if at := ms*1000 + number; err != nil || d.Event.ID == "" || len(d.Event.Data) == 0 || at <= last {
				t.Errorf("%s got %+v after %d", e, d, last)
			} else {
				last = at
			}
			done = append(done, push.Attempt{Delivery: d, Status: 204})
		}
	}
	if err := s.FinishPushes(t.Context(), e, done); err != nil {
		t.Error(err)
	}
	return len(done)
}
