package store_test

import (
	"testing"
	"time"

	"kasse/service/push"
	"kasse/store"
	"kasse/store/storetest"
)

// TestTrimmedInHand: the entries of claimed deliveries are trimmed while their owner is dead. Redis then
// knows only their ids. miniredis drops them, so this test is not part of the suite.
func TestTrimmedInHand(t *testing.T) {
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
		t.Fatalf("took %d", len(work.Deliveries))
	}
	if err := client.XTrimMinID(t.Context(), "kasse:{p0}:events", "99999999999999").Err(); err != nil {
		t.Fatal(err)
	}
	if work := claim("alive", time.Hour); work.Lost != 3 || len(work.Deliveries) != 0 {
		t.Errorf("lost %d, got %d", work.Lost, len(work.Deliveries))
	}
	if work := claim("alive", time.Hour); work.Lost != 0 {
		t.Errorf("%d are counted twice", work.Lost)
	}
	standing, err := s.LoadPushes(t.Context(), "e")
	if err != nil || standing.Pending != 0 {
		t.Errorf("%+v, %v", standing, err)
	}
	want := putEvent(t, s, "pi_1")
	if work := claim("alive", time.Hour); len(work.Deliveries) != 1 || work.Deliveries[0].Event.ID != want {
		t.Errorf("after that: %+v", work)
	}
}
