package storetest

import (
	"context"
	"testing"
	"time"

	"kasse/service/payment"
	"kasse/service/push"
	"kasse/test/wait"
)

func (connect connector) testRetries(t *testing.T) {
	t.Run("become due, belong to their owner while under way, and are delayed again", connect.retriesAreDue)
	t.Run("of a dead owner go to another", func(t *testing.T) {
		f := withEndpoint(t, connect)
		want := f.put(t, "pi_1")
		f.retry(t, f.claim(t, "a", time.Hour, 10, 10).First[0], 0, false)
		sameIDs(t, "claimed", f.claim(t, "a", 0, 10, 10).Retries, want)
		sameIDs(t, "taken over", f.claim(t, "b", time.Hour, 10, 10).Retries, want)
	})
	t.Run("are claimed again if the reply was lost", connect.retriesAreClaimedAgain)
	t.Run("are pulled forward in the stream's order, and keep their time", connect.retriesArePulledForward)
	t.Run("become dead letters", connect.retriesBecomeDeadLetters)
	t.Run("whose entry was trimmed are counted", connect.retriesWhoseEntryWasTrimmed)
	t.Run("are claimed up to the limit", connect.retriesAreLimited)
	t.Run("stop while their endpoint is disabled", connect.retriesStopWithADisabledEndpoint)
	t.Run("are made by a replay", connect.retriesAreMadeByAReplay)
}

func (connect connector) retriesAreDue(t *testing.T) {
	f := withEndpoint(t, connect)
	want := f.put(t, "pi_1")
	d := f.claim(t, "a", time.Hour, 10, 10).First[0]
	f.retry(t, d, 0, false)
	f.retry(t, d, 0, false) // the reply to the first was lost
	work := f.claim(t, "a", time.Hour, 10, 10)
	sameIDs(t, "first deliveries", work.First)
	sameIDs(t, "retries", work.Retries, want)
	if d = work.Retries[0]; !d.Retry || d.Tries != 1 || d.Early || d.Due == 0 {
		t.Errorf("got %+v", d)
	}
	held := push.Share{First: 10, HeldRetries: 1, Retries: 10}
	sameIDs(t, "while its owner holds it", f.claimShare(t, "a", time.Hour, held).Retries)
	if other := f.claim(t, "b", time.Hour, 10, 10); len(other.Retries) > 0 || !other.Elsewhere {
		t.Errorf("another owner got %+v", other)
	}
	f.retry(t, d, time.Hour, false)
	if work = f.claim(t, "a", time.Hour, 10, 10); len(work.Retries) != 0 || work.Waits != 1 ||
		work.NextRetry < 59*time.Minute || work.NextRetry > time.Hour {
		t.Errorf("not yet due: got %+v", work)
	}
	f.retry(t, d, 0, false) // of an earlier try: this retry no longer exists
	sameIDs(t, "after a late report", f.claim(t, "a", time.Hour, 10, 10).Retries)
	f.pull(t, 1)
	if d = f.claim(t, "a", time.Hour, 10, 10).Retries[0]; d.Tries != 2 || !d.Early {
		t.Errorf("got %+v", d)
	}
	f.finish(t, shopEndpoint, d)
	f.wantStanding(t, 0, 0, 0)
}

func (connect connector) retriesAreClaimedAgain(t *testing.T) {
	f := withEndpoint(t, connect)
	ids := []string{f.put(t, "pi_1"), f.put(t, "pi_1")}
	for _, d := range f.claim(t, "a", time.Hour, 10, 0).First {
		f.retry(t, d, 0, false)
	}
	f.claim(t, "a", time.Hour, 0, 1)
	got := f.claim(t, "a", time.Hour, 0, 10).Retries
	sameIDs(t, "the next claim", got, ids...)
}

func (connect connector) retriesArePulledForward(t *testing.T) {
	f := withEndpoint(t, connect)
	ids := []string{f.put(t, "pi_1"), f.put(t, "pi_1"), f.put(t, "pi_1")}
	for i, d := range f.claim(t, "a", time.Hour, 10, 0).First {
		f.retry(t, d, time.Duration(3-i)*time.Hour, i == 1)
	}
	f.pull(t, 2)
	work := f.claim(t, "a", time.Hour, 0, 10)
	sameIDs(t, "without the delay that the endpoint has set", work.Retries, ids[0], ids[2])
	due := work.Retries[0].Due
	f.retry(t, work.Retries[0], time.Second, false)
	f.pull(t, 1)
	again := f.claim(t, "a", time.Hour, 0, 10).Retries
	if again[0].Due != due || again[0].Tries != 1 || !again[0].Early {
		t.Errorf("an early try that failed is %+v, want due at %d", again[0], due)
	}
}

func (connect connector) retriesBecomeDeadLetters(t *testing.T) {
	f := withEndpoint(t, connect)
	want := f.put(t, "pi_1")
	d := f.claim(t, "a", time.Hour, 10, 10).First[0]
	f.wantStanding(t, 1, 0, 0)
	f.retry(t, d, 0, false)
	f.wantStanding(t, 0, 1, 0)
	d = f.claim(t, "a", time.Hour, 10, 10).Retries[0]
	Must(t, f.DeadLetterPush(t.Context(), shopEndpoint, push.Attempt{Delivery: d, Reason: "answered 500"}))
	Must(t, f.DeadLetterPush(t.Context(), shopEndpoint, push.Attempt{Delivery: d, Reason: "answered 500"}))
	f.wantStanding(t, 0, 0, 1)
	letters, err := f.LoadDeadLetters(t.Context(), shopEndpoint)
	Must(t, err)
	if l := letters[0]; l.Event != want || l.Type != "order.updated" || l.Tries != 2 ||
		l.Reason != "answered 500" || l.At.IsZero() {
		t.Errorf("got %+v", l)
	}
}

func (connect connector) retriesWhoseEntryWasTrimmed(t *testing.T) {
	f := withEndpoint(t, connect)
	f.put(t, "pi_1")
	f.retry(t, f.claim(t, "a", time.Hour, 10, 10).First[0], 0, false)
	f.trim(t, "pi_1")
	if work := f.claim(t, "a", time.Hour, 0, 10); work.Lost != 1 || len(work.Retries) != 0 {
		t.Errorf("got %+v", work)
	}
	f.wantStanding(t, 0, 0, 0)
}

func (connect connector) retriesAreLimited(t *testing.T) {
	f := withEndpoint(t, connect)
	for range 5 {
		f.put(t, "pi_1")
	}
	for _, d := range f.claim(t, "a", time.Hour, 10, 0).First {
		f.retry(t, d, 0, false)
	}
	if got := f.claim(t, "a", time.Hour, 0, 2).Retries; len(got) != 2 {
		t.Errorf("got %d retries, want 2", len(got))
	}
}

func (connect connector) retriesStopWithADisabledEndpoint(t *testing.T) {
	f := withEndpoint(t, connect)
	first, second := f.put(t, "pi_1"), f.put(t, "pi_2")
	for _, d := range f.claim(t, "a", time.Hour, 10, 10).First {
		if d.Event.ID == first {
			f.retry(t, d, 0, false)
		}
	}
	for _, off := range []bool{true, false} {
		change := map[bool]func(context.Context, push.EndpointID) (bool, error){
			true: f.disable, false: f.EnablePushes,
		}[off]
		for _, want := range []bool{true, false} {
			changed, err := change(t.Context(), shopEndpoint)
			if Must(t, err); changed != want {
				t.Errorf("off %t: changed %t, want %t", off, changed, want)
			}
		}
		standing, err := f.LoadPushes(t.Context(), shopEndpoint)
		if Must(t, err); (standing.Disabled != "") != off {
			t.Errorf("the cause is %q, disabled %t", standing.Disabled, off)
		}
		work := f.claim(t, "a", time.Hour, 10, 10)
		if off {
			sameIDs(t, "disabled", append(work.First, work.Retries...))
		} else {
			sameIDs(t, "enabled", append(work.First, work.Retries...), second, first)
		}
		if work.Disabled != off {
			t.Errorf("a claim returned disabled %t, want %t", work.Disabled, off)
		}
	}
}

func (connect connector) retriesAreMadeByAReplay(t *testing.T) {
	f := withEndpoint(t, connect)
	var want []string
	for i := range 40 {
		id := f.put(t, numbered(i))
		want = append(want, id)
	}
	for _, d := range f.claim(t, "a", time.Hour, 100, 0).First {
		f.finish(t, shopEndpoint, d)
	}
	count, next, done, err := f.Replay(t.Context(), []push.EndpointID{shopEndpoint}, "", "")
	if Must(t, err); count != 40 || !done {
		t.Errorf("%d events, done %t; want 40, true", count, done)
	}
	complete(t, eventIDs(f.claim(t, "a", time.Hour, 0, 100).Retries), want)
	for kind, want := range map[string]int{"order.updated": 1, "order.paid": 0} {
		f.put(t, "pi_1")
		count, next, _, err = f.Replay(t.Context(), []push.EndpointID{shopEndpoint}, next, kind)
		if count != want || err != nil {
			t.Errorf("%s: %d events, %v", kind, count, err)
		}
	}
}

// pull makes the waiting retries due now, and checks how many were moved.
func (f fixture) pull(t testing.TB, want int) {
	t.Helper()
	if moved, err := f.PullRetriesForward(t.Context(), shopEndpoint); moved != want || err != nil {
		t.Errorf("%d retries were pulled forward, %v, want %d", moved, err, want)
	}
}

// trim writes one more event of the payment, which drops all earlier ones, and returns its id.
func (f fixture) trim(t testing.TB, id payment.ID) string {
	t.Helper()
	written := f.now(t)
	wait.UntilTrue(t, "a later millisecond", func() bool { return f.now(t).UnixMilli() > written.UnixMilli() })
	o, late := Transition(f.order(t, OrderOf(id)), id, f.now(t).Add(eventRetention))
	f.save(t, o, late)
	return late.Events[0].ID
}

// wantStanding checks how many deliveries are pending, wait for a retry, or are dead letters.
func (f fixture) wantStanding(t testing.TB, pending, retries, dead int64) {
	t.Helper()
	s, err := f.LoadPushes(t.Context(), shopEndpoint)
	if Must(t, err); !s.Registered || s.Pending != pending || s.Retries != retries || s.Dead != dead {
		t.Errorf("got %+v, want %d pending, %d retries, %d dead", s, pending, retries, dead)
	}
}

func (f fixture) disable(ctx context.Context, e push.EndpointID) (bool, error) {
	return f.DisablePushes(ctx, e, push.DisabledByHand)
}
