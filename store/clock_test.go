package store_test

import (
	"testing"
	"time"

	"kasse/service/payment"
	"kasse/service/push"
	"kasse/store"
	"kasse/store/storetest"
)

// timed is a store whose Redis has a clock that the test moves.
type timed struct {
	*store.Store
	t *testing.T
}

const timedEndpoint push.EndpointID = "e"

// TestClockOfRedisStepsBack: after Redis's clock has gone back, no caller waits until it shows its former time
// again. The test uses a real server whose clock it sets.
func TestClockOfRedisStepsBack(t *testing.T) {
	server, clock := storetest.NewTimedServer(t, 20*time.Second)
	s := timed{store.New(connect(t, server.URL()), options), t}
	must(t, s.Mark(t.Context(), store.Identity{Service: "kasse"}))
	must(t, s.RegisterEndpoint(t.Context(), timedEndpoint))
	_, _, err := write(t.Context(), s.Store, "pi_1")
	must(t, err)
	s.useUp()
	clock.Set(0)
	s.probesAreDue()
	clock.Set(-20 * time.Second)
	if c := s.circuit(); !c.Open || c.ProbeIn != 0 {
		t.Errorf("after another step back the circuit is %+v", c)
	}
	clock.Set(0)
	s.everythingIsFree()
}

// owns claims deliveries for the owner, and reports whether it gets any.
func (s timed) owns(owner string) bool {
	s.t.Helper()
	part := storetest.Partition(string(storetest.OrderOf("pi_1")))
	works := s.ClaimPushes(s.t.Context(), push.Claim{
		Endpoint: timedEndpoint, Owner: owner, Lease: time.Second,
		Shares: []push.Share{{Partition: part, First: 10}},
	})
	must(s.t, works[0].Err)
	return len(works[0].Deliveries) > 0
}

func (s timed) circuit() push.Circuit {
	s.t.Helper()
	work := s.ClaimPushes(s.t.Context(), push.Claim{Endpoint: timedEndpoint, Shares: []push.Share{{}}})[0]
	must(s.t, work.Err)
	return work.Circuit
}

// useUp uses up all quotas, takes the leases, opens the circuit and requests a pass, while Redis's clock is ahead.
func (s timed) useUp() {
	t := s.t
	t.Helper()
	if !s.owns("dead") {
		t.Fatal("there is nothing to deliver")
	}
	if ahead, err := s.ClockAhead(t.Context()); err != nil || ahead < 19*time.Second || ahead > 25*time.Second {
		t.Errorf("Redis's clock is %s ahead, %v", ahead, err)
	}
	var err error
	for wait := time.Duration(0); wait == 0; {
		_, wait, err = s.UseQuota(t.Context(), "service:shop", 10, time.Second)
		must(t, err)
	}
	for wait := time.Duration(0); wait == 0; {
		wait, err = s.AllowRead(t.Context(), 5)
		must(t, err)
	}
	if taken, err := s.AcquireLease(t.Context(), "nets", "dead", time.Second); !taken || err != nil {
		t.Fatalf("the lease is taken: %t, %v", taken, err)
	}
	_, _, err = s.OpenCircuit(t.Context(), timedEndpoint, push.Pauses{Min: time.Millisecond, Max: time.Second}, 0)
	must(t, err)
	_, err = s.RequestPass(t.Context(), payment.PassRequest{ID: "dead"})
	must(t, err)
}

// probesAreDue checks after a step back that the request for a pass has expired, and that a probe is due.
func (s timed) probesAreDue() {
	t := s.t
	t.Helper()
	if _, found, err := s.ClaimPass(t.Context(), "holder"); found || err != nil {
		t.Errorf("the request from before the step has not expired: found %t, %v", found, err)
	}
	if taken, next, err := s.ClaimProbe(t.Context(), timedEndpoint, time.Millisecond); !taken || err != nil {
		t.Errorf("no probe is due: taken %t, next in %s, %v", taken, next, err)
	}
	hour := push.Pauses{Min: time.Hour, Max: time.Hour}
	next, err := s.DelayProbe(t.Context(), timedEndpoint, hour, 24*time.Hour)
	if next != 24*time.Hour || err != nil {
		t.Errorf("the next probe is in %s, %v", next, err)
	}
	if taken, _, err := s.ClaimProbe(t.Context(), timedEndpoint, time.Second); taken || err != nil {
		t.Errorf("a probe that was delayed is due: taken %t, %v", taken, err)
	}
}

// everythingIsFree checks that everything that useUp took is available.
func (s timed) everythingIsFree() {
	t := s.t
	t.Helper()
	left, wait, err := s.UseQuota(t.Context(), "service:shop", 10, time.Second)
	if left != 9 || wait != 0 || err != nil {
		t.Errorf("a caller has %d left and waits %s, %v", left, wait, err)
	}
	if wait, err := s.AllowRead(t.Context(), 5); wait != 0 || err != nil {
		t.Errorf("a read waits %s, %v", wait, err)
	}
	if taken, err := s.AcquireLease(t.Context(), "nets", "other", time.Second); !taken || err != nil {
		t.Errorf("the lease is not free: taken %t, %v", taken, err)
	}
	if !s.owns("other") {
		t.Error("the dead process still owns its deliveries")
	}
	if ahead, err := s.ClockAhead(t.Context()); err != nil || ahead.Abs() > 5*time.Second {
		t.Errorf("Redis's clock is %s ahead, %v", ahead, err)
	}
}
