package store_test

import (
	"testing"
	"time"

	"kasse/service/payment"
	"kasse/service/push"
	"kasse/store"
	"kasse/store/storetest"
)

// TestClockOfRedisStepsBack: no caller waits for the moments at which Redis's clock was, on a real server whose clock
// is moved.
func TestClockOfRedisStepsBack(t *testing.T) {
	server, clock := storetest.NewTimedServer(t, 20*time.Second)
	s := store.New(connect(t, server.URL()), options)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(s.Mark(t.Context(), store.Identity{Service: "kasse"}))
	const endpoint push.EndpointID = "e"
	must(s.RegisterEndpoint(t.Context(), endpoint))
	_, _, err := write(t.Context(), s, "pi_1")
	must(err)
	owns := func(owner string) bool {
		t.Helper()
		part := storetest.Partition(string(storetest.OrderOf("pi_1")))
		works := s.ClaimPushes(t.Context(), push.Claim{
			Endpoint: endpoint, Owner: owner, Lease: time.Second, Shares: []push.Share{{Partition: part, First: 10}},
		})
		must(works[0].Err)
		return len(works[0].Deliveries) > 0
	}
	circuit := func() push.Circuit {
		t.Helper()
		work := s.ClaimPushes(t.Context(), push.Claim{Endpoint: endpoint, Shares: []push.Share{{}}})[0]
		must(work.Err)
		return work.Circuit
	}
	if !owns("dead") {
		t.Fatal("there is nothing to deliver")
	}
	if ahead, err := s.ClockAhead(t.Context()); err != nil || ahead < 19*time.Second || ahead > 25*time.Second {
		t.Errorf("Redis's clock is %s ahead, %v", ahead, err)
	}
	for wait := time.Duration(0); wait == 0; {
		_, wait, err = s.TakeQuota(t.Context(), "service:shop", 10, time.Second)
		must(err)
	}
	for wait := time.Duration(0); wait == 0; {
		wait, err = s.AllowRead(t.Context(), 5)
		must(err)
	}
	if taken, err := s.TakeLease(t.Context(), "nets", "dead", time.Second); !taken || err != nil {
		t.Fatal(taken, err)
	}
	_, _, err = s.OpenCircuit(t.Context(), endpoint, push.Pauses{Min: time.Millisecond, Max: time.Second}, 0)
	must(err)
	pass := payment.PassRequest{ID: "dead"}
	_, err = s.AskForPass(t.Context(), pass)
	must(err)
	clock.Set(0)
	if _, found, err := s.TakePass(t.Context(), "holder"); found || err != nil {
		t.Errorf("a request of before is kept longer than it may be: %t, %v", found, err)
	}
	if taken, next, err := s.TakeProbe(t.Context(), endpoint, time.Millisecond); !taken || err != nil {
		t.Errorf("a probe is due: %t, or in %s, %v", taken, next, err)
	}
	if next, err := s.DelayProbe(
		t.Context(), endpoint, push.Pauses{Min: time.Hour, Max: time.Hour}, 24*time.Hour,
	); next != 24*time.Hour || err != nil {
		t.Errorf("the next probe is in %s, %v", next, err)
	}
	if taken, _, err := s.TakeProbe(t.Context(), endpoint, time.Second); taken || err != nil {
		t.Errorf("a probe that the endpoint put off is due: %t, %v", taken, err)
	}
	clock.Set(-20 * time.Second)
	if c := circuit(); !c.Open || c.ProbeIn != 0 {
		t.Errorf("after another step back the circuit is %+v", c)
	}
	clock.Set(0)
	if left, wait, err := s.TakeQuota(t.Context(), "service:shop", 10, time.Second); left != 9 || wait != 0 ||
		err != nil {
		t.Errorf("a caller has %d left and waits %s, %v", left, wait, err)
	}
	if wait, err := s.AllowRead(t.Context(), 5); wait != 0 || err != nil {
		t.Errorf("a read waits %s, %v", wait, err)
	}
	if taken, err := s.TakeLease(t.Context(), "nets", "other", time.Second); !taken || err != nil {
		t.Errorf("the lease is taken: %t, %v", taken, err)
	}
	if !owns("other") {
		t.Error("the deliveries of the dead process are still its own")
	}
	if ahead, err := s.ClockAhead(t.Context()); err != nil || ahead.Abs() > 5*time.Second {
		t.Errorf("Redis's clock is %s ahead, %v", ahead, err)
	}
}
