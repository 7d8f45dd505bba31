package storetest

import (
	"slices"
	"testing"
	"time"

	"kasse/service/push"
	"kasse/store"
	"kasse/test/wait"
)

func (connect connector) testCircuit(t *testing.T) {
	t.Run("opens once, is probed at growing pauses, and closes once", connect.circuitOpensAndCloses)
	t.Run("is probed with an untried event and another retry in turn", connect.circuitIsProbed)
	t.Run("is probed with a retry that its owner has postponed", func(t *testing.T) {
		f := withEndpoint(t, connect)
		want := f.put(t, "pi_1")
		f.retry(t, f.claim(t, "a", time.Hour, 10, 0).First[0], 0, false)
		f.claim(t, "a", 0, 0, 10)
		sameIDs(t, "the probe", f.claimShare(t, "b", time.Hour, push.Share{Probe: 1}).Retries, want)
	})
}

func (connect connector) circuitOpensAndCloses(t *testing.T) {
	f := withEndpoint(t, connect)
	change := func(what string, want bool, change func() (bool, error)) {
		t.Helper()
		if changed, err := change(); changed != want || err != nil {
			t.Errorf("%s: %t, %v, want %t", what, changed, err, want)
		}
	}
	open := func() (bool, error) {
		opened, _, err := f.OpenCircuit(t.Context(), shopEndpoint, pauses, 0)
		return opened, err
	}
	claim := func() (bool, error) {
		taken, _, err := f.ClaimProbe(t.Context(), shopEndpoint, time.Hour)
		return taken, err
	}
	delay := func() {
		_, err := f.DelayProbe(t.Context(), shopEndpoint, pauses, 0)
		Must(t, err)
	}
	change("a probe of a closed circuit", false, claim)
	delay()
	if c := f.circuit(t); c.Open {
		t.Errorf("a delay opened the circuit: %+v", c)
	}
	change("a first opening", true, open)
	change("a second opening", false, open)
	if c := f.circuit(t); !c.Open || c.ProbeIn > pauses.Min {
		t.Errorf("the circuit is %+v, want it open with a probe within %s", c, pauses.Min)
	}
	change("a probe too soon", false, claim)
	for _, want := range []time.Duration{
		750, 1125, 1687, 2530, 3795, 5692, 8538, 12807, 19210, 28815, 43222, 60000, 60000,
	} {
		delay()
		if in := f.circuit(t).ProbeIn; in > want*time.Millisecond || in < want*time.Millisecond/2 {
			t.Errorf("the next probe is in %s, want %s", in, want*time.Millisecond)
		}
	}
	_, err := f.DelayProbe(t.Context(), shopEndpoint, pauses, 24*time.Hour)
	Must(t, err)
	if in := f.circuit(t).ProbeIn; in < 23*time.Hour {
		t.Errorf("the next probe is in %s, want the delay that the endpoint has set", in)
	}
	standing, err := f.LoadPushes(t.Context(), shopEndpoint)
	if Must(t, err); standing.Failing.IsZero() || standing.NextProbe.Sub(f.now(t)) < 23*time.Hour {
		t.Errorf("the standing is %+v", standing)
	}
	_, err = f.Redrive(t.Context(), shopEndpoint, "")
	Must(t, err)
	change("a probe after a redrive", true, claim)
	change("a second probe", false, claim)
	closes := func() (bool, error) { return f.CloseCircuit(t.Context(), shopEndpoint) }
	change("a first closing", true, closes)
	change("a second closing", false, closes)
}

func (connect connector) circuitIsProbed(t *testing.T) {
	f := withEndpoint(t, connect)
	var retried []string
	for range 3 {
		retried = append(retried, f.put(t, "pi_1"))
	}
	for i, d := range f.claim(t, "a", time.Hour, 10, 0).First {
		f.retry(t, d, time.Hour, i == 2)
	}
	untried := f.put(t, "pi_1")
	seen := map[string]int{}
	for number := 2; number < 14; number++ {
		work := f.claimShare(t, "a", time.Hour, push.Share{Probe: number})
		all := slices.Concat(work.First, work.Retries)
		if len(all) != 1 {
			t.Fatalf("probe %d claimed %v", number, eventIDs(all))
		}
		seen[all[0].Event.ID]++
		if d := all[0]; d.Retry {
			f.retry(t, d, 0, false) // it was early: it waits again until it is due
		} else if number%2 == 1 {
			t.Errorf("probe %d is a first delivery", number)
		}
	}
	if seen[untried] != 6 || seen[retried[0]] == 0 || seen[retried[1]] == 0 || seen[retried[2]] != 0 {
		t.Errorf("got %v, want %s six times, %s never, and the others", seen, untried, retried[2])
	}
}

// circuit returns the endpoint's circuit, from a claim without deliveries.
func (f fixture) circuit(t testing.TB) push.Circuit {
	t.Helper()
	return f.claim(t, "a", time.Hour, 0, 0).Circuit
}

func (connect connector) testPushLog(t *testing.T) {
	t.Run("has the last tries with status and time, the newest first", func(t *testing.T) {
		f := withEndpoint(t, connect)
		first := f.put(t, "pi_1")
		d := f.claim(t, "a", time.Hour, 10, 10).First[0]
		f.retry(t, d, 0, false)
		wait.UntilTrue(t, "a later millisecond", func() bool { return f.now(t).UnixMilli() > f.lastLogged(t) })
		f.finish(t, shopEndpoint, f.claim(t, "a", time.Hour, 10, 10).Retries[0])
		lines, err := f.LoadPushLog(t.Context(), shopEndpoint, 10)
		Must(t, err)
		if len(lines) != 2 {
			t.Fatalf("got %+v", lines)
		}
		for i := range lines {
			if lines[i].At.IsZero() {
				t.Error("a line has no time")
			}
			lines[i].At = time.Time{}
		}
		want := []store.LoggedPush{
			{Status: 204, Took: 12 * time.Millisecond, Try: 2, Event: first, Type: "order.updated"},
			{
				Status: 500, Took: 12 * time.Millisecond, Try: 1, Event: first, Type: "order.updated",
				Reason: "answered 500",
			},
		}
		if !slices.Equal(lines, want) {
			t.Errorf("got %+v, want %+v", lines, want)
		}
	})
	t.Run("is bounded, and leaves skipped events out", func(t *testing.T) {
		f := withEndpoint(t, connect)
		for range 60 {
			f.put(t, "pi_1")
		}
		all := f.claim(t, "a", time.Hour, 100, 0).First
		skipped := []push.Attempt{}
		for _, d := range all[:5] {
			skipped = append(skipped, push.Attempt{Delivery: d, Skipped: true})
		}
		Must(t, f.FinishPushes(t.Context(), shopEndpoint, skipped))
		if lines, err := f.LoadPushLog(t.Context(), shopEndpoint, 1000); len(lines) != 0 || err != nil {
			t.Errorf("got %+v, %v", lines, err)
		}
		f.finish(t, shopEndpoint, all[5:]...)
		f.wantStanding(t, 0, 0, 0)
		if lines, err := f.LoadPushLog(t.Context(), shopEndpoint, 1000); len(lines) != 50 || err != nil {
			t.Errorf("got %d lines, %v", len(lines), err)
		}
	})
}

// lastLogged returns the Unix millisecond of the newest line of the log.
func (f fixture) lastLogged(t testing.TB) int64 {
	t.Helper()
	lines, err := f.LoadPushLog(t.Context(), shopEndpoint, 1)
	Must(t, err)
	return lines[0].At.UnixMilli()
}

func (connect connector) testRedrive(t *testing.T) {
	// lost leaves one event waiting for a retry, and two dead letters. The event of the last is
	// trimmed.
	lost := func(t *testing.T) (f fixture, waiting, dead string) {
		t.Helper()
		f = withEndpoint(t, connect)
		ids := []string{f.put(t, "pi_1"), f.put(t, "pi_1"), f.put(t, "pi_2")}
		for _, d := range f.claim(t, "a", 0, 10, 0).First {
			if d.Event.ID == ids[0] {
				f.retry(t, d, time.Hour, true)
			} else {
				Must(t, f.DeadLetterPush(t.Context(), shopEndpoint, push.Attempt{Delivery: d, Reason: "answered 500"}))
			}
		}
		Must(t, f.client.Del(t.Context(), eventsKey("pi_2")).Err())
		Must(t, f.RegisterEndpoint(t.Context(), shopEndpoint))
		return f, ids[0], ids[1]
	}
	t.Run("all", func(t *testing.T) {
		f, waiting, dead := lost(t)
		for _, want := range []store.Redriven{{Waiting: 1, Dead: 1, Gone: 1}, {Gone: 1}} {
			if got, err := f.Redrive(t.Context(), shopEndpoint, ""); got != want || err != nil {
				t.Errorf("got %+v, %v, want %+v", got, err, want)
			}
		}
		work := f.claim(t, "b", time.Hour, 0, 10)
		sameIDs(t, "due", work.Retries, waiting, dead)
		if d := work.Retries[1]; d.Tries != 0 || d.Early {
			t.Errorf("a dead letter is %+v", d)
		}
	})
	t.Run("one event", func(t *testing.T) {
		f, waiting, dead := lost(t)
		for event, want := range map[string]store.Redriven{waiting: {Waiting: 1}, dead: {Dead: 1}, "pi_9.1": {}} {
			if got, err := f.Redrive(t.Context(), shopEndpoint, event); got != want || err != nil {
				t.Errorf("%s: got %+v, %v, want %+v", event, got, err, want)
			}
		}
		sameIDs(t, "due", f.claim(t, "b", time.Hour, 0, 10).Retries, waiting, dead)
	})
}
