package storetest

import (
	"context"
	"slices"
	"testing"
	"time"

	"kasse/service"
	"kasse/service/payment"
)

const shopEndpoint = service.EndpointID("0123456789abcdef")

// claim asks all partitions for so many first deliveries and retries, for an owner with nothing in its hands.
func (f fixture) claim(t testing.TB, owner string, lease time.Duration, first, retries int) (all service.PushWork) {
	t.Helper()
	shares := slices.Repeat([]service.PushShare{{First: first, Retries: retries}}, partitions)
	for n, work := range f.ClaimPushes(t.Context(), service.PushClaim{Endpoint: shopEndpoint, Owner: owner, Lease: lease, Hide: time.Hour, Shares: shares}) {
		if work.Err != nil {
			t.Fatalf("partition %d: %v", n, work.Err)
		}
		all.First, all.Retries = append(all.First, work.First...), append(all.Retries, work.Retries...)
		all.Lost, all.Waiting = all.Lost+work.Lost, all.Waiting+work.Waiting
		all.Taken, all.Disabled = all.Taken || work.Taken, all.Disabled || work.Disabled
	}
	return all
}

func eventIDs(deliveries []service.Delivery) (ids []string) {
	for _, d := range deliveries {
		ids = append(ids, d.Event.ID)
	}
	return ids
}

func sameIDs(t testing.TB, what string, got []service.Delivery, want ...string) {
	t.Helper()
	if ids := eventIDs(got); !slices.Equal(ids, want) {
		t.Errorf("%s: got %v, want %v", what, ids, want)
	}
}

// withEndpoint is a store on which the endpoint has begun.
func withEndpoint(t testing.TB, connect connector) fixture {
	t.Helper()
	f := fresh(t, connect)
	must(t, f.JoinPushes(t.Context(), shopEndpoint))
	return f
}

func (connect connector) testPushes(t *testing.T) {
	t.Run("begin from now, and go on", func(t *testing.T) {
		f := fresh(t, connect)
		f.put(t, "pi_1")
		must(t, f.JoinPushes(t.Context(), shopEndpoint))
		sameIDs(t, "before", f.claim(t, "a", time.Hour, 10, 10).First)
		want := f.put(t, "pi_1")
		must(t, f.JoinPushes(t.Context(), shopEndpoint))
		work := f.claim(t, "a", time.Hour, 10, 10)
		sameIDs(t, "after", work.First, want)
		d := work.First[0]
		if d.Retry || d.Tries != 0 || d.Event.Type != "order.updated" || len(d.Event.Data) == 0 || d.Event.CreatedAt.IsZero() {
			t.Errorf("got %+v", d)
		}
		must(t, f.FinishPush(t.Context(), shopEndpoint, d))
		sameIDs(t, "when it is done", f.claim(t, "a", time.Hour, 10, 10).First)
	})
	t.Run("are one owner's until it has nothing left", func(t *testing.T) {
		f := withEndpoint(t, connect)
		first := f.put(t, "pi_1")
		mine := f.claim(t, "a", time.Hour, 1, 0)
		second := f.put(t, "pi_1")
		other := f.claim(t, "b", time.Hour, 10, 0)
		if sameIDs(t, "another's", other.First); !other.Taken || other.Waiting != 1 {
			t.Errorf("got %+v", other)
		}
		sameIDs(t, "mine", mine.First, first)
		must(t, f.FinishPush(t.Context(), shopEndpoint, mine.First[0]))
		f.claim(t, "a", time.Hour, 0, 0)
		sameIDs(t, "another's, then", f.claim(t, "b", time.Hour, 10, 0).First, second)
	})
	t.Run("of a dead owner are another's, the oldest first", func(t *testing.T) {
		f := withEndpoint(t, connect)
		ids := []string{f.put(t, "pi_1"), f.put(t, "pi_1"), f.put(t, "pi_1")}
		f.claim(t, "a", 0, 2, 0)
		sameIDs(t, "taken over", f.claim(t, "b", time.Hour, 10, 0).First, ids...)
	})
	t.Run("come again when the reply was lost", func(t *testing.T) {
		f := withEndpoint(t, connect)
		ids := []string{f.put(t, "pi_1"), f.put(t, "pi_1")}
		f.claim(t, "a", time.Hour, 1, 0)
		sameIDs(t, "the next claim", f.claim(t, "a", time.Hour, 1, 0).First, ids...)
	})
	t.Run("that were trimmed are counted", func(t *testing.T) {
		f := withEndpoint(t, connect)
		for range 3 {
			f.put(t, "pi_1")
		}
		must(t, f.FinishPush(t.Context(), shopEndpoint, f.claim(t, "a", time.Hour, 1, 0).First[0]))
		want := f.trim(t, "pi_1")
		work := f.claim(t, "a", time.Hour, 10, 0)
		if sameIDs(t, "what is left", work.First, want); work.Lost != 2 {
			t.Errorf("got %d lost", work.Lost)
		}
		if work = f.claim(t, "a", time.Hour, 10, 0); work.Lost != 0 {
			t.Errorf("%d are counted twice", work.Lost)
		}
	})
	t.Run("begin again in a Redis that was emptied", func(t *testing.T) {
		f := withEndpoint(t, connect)
		for _, key := range allKeys(t.Context(), f.client) {
			must(t, f.client.Del(t.Context(), key).Err())
		}
		must(t, f.Mark(t.Context(), identity))
		f.claim(t, "a", time.Hour, 10, 0)
		want := f.put(t, "pi_1")
		sameIDs(t, "then", f.claim(t, "a", time.Hour, 10, 0).First, want)
	})
	t.Run("report a Redis that is not ours", func(t *testing.T) {
		f := unmarked(t, connect, options)
		for _, work := range f.ClaimPushes(t.Context(), service.PushClaim{Endpoint: shopEndpoint, Shares: make([]service.PushShare, partitions)}) {
			hasCode(t, work.Err, payment.CodeStoreUnavailable)
		}
	})
	t.Run("keep endpoints apart", func(t *testing.T) {
		f := withEndpoint(t, connect)
		must(t, f.JoinPushes(t.Context(), "another"))
		want := f.put(t, "pi_1")
		must(t, f.FinishPush(t.Context(), "another", f.claim(t, "a", time.Hour, 10, 0).First[0]))
		sameIDs(t, "still", f.claim(t, "b", 0, 10, 0).First)
		sameIDs(t, "again", f.claim(t, "a", 0, 10, 0).First, want)
	})
}

func (connect connector) testRetries(t *testing.T) {
	t.Run("are due, hidden while under way, and put off", func(t *testing.T) {
		f := withEndpoint(t, connect)
		want := f.put(t, "pi_1")
		d := f.claim(t, "a", time.Hour, 10, 10).First[0]
		must(t, f.DelayPush(t.Context(), shopEndpoint, d, 0))
		must(t, f.DelayPush(t.Context(), shopEndpoint, d, 0)) // the reply to the first was lost
		work := f.claim(t, "b", time.Hour, 10, 10)
		sameIDs(t, "first deliveries", work.First)
		sameIDs(t, "retries", work.Retries, want)
		sameIDs(t, "hidden", f.claim(t, "a", time.Hour, 10, 10).Retries)
		if d = work.Retries[0]; !d.Retry || d.Tries != 1 {
			t.Errorf("got %+v", d)
		}
		must(t, f.DelayPush(t.Context(), shopEndpoint, d, time.Hour))
		sameIDs(t, "not yet due", f.claim(t, "a", time.Hour, 10, 10).Retries)
		must(t, f.DelayPush(t.Context(), shopEndpoint, d, 0)) // of an earlier try: it is no more
		sameIDs(t, "moved on", f.claim(t, "a", time.Hour, 10, 10).Retries)
		d.Tries = 2
		must(t, f.FinishPush(t.Context(), shopEndpoint, d))
		f.stands(t, 0, 0, 0)
	})
	t.Run("end among the dead letters", func(t *testing.T) {
		f := withEndpoint(t, connect)
		want := f.put(t, "pi_1")
		d := f.claim(t, "a", time.Hour, 10, 10).First[0]
		f.stands(t, 1, 0, 0)
		must(t, f.DelayPush(t.Context(), shopEndpoint, d, 0))
		f.stands(t, 0, 1, 0)
		d = f.claim(t, "a", time.Hour, 10, 10).Retries[0]
		must(t, f.BuryPush(t.Context(), shopEndpoint, d, "answered 500"))
		must(t, f.BuryPush(t.Context(), shopEndpoint, d, "answered 500"))
		f.stands(t, 0, 0, 1)
		letters, err := f.client.XRange(t.Context(), eventsKey("pi_1")[:len(eventsKey("pi_1"))-len("events")]+"push:"+string(shopEndpoint)+":dead", "-", "+").Result()
		must(t, err)
		if v := letters[0].Values; v["id"] != want || v["type"] != "order.updated" || v["tries"] != "2" || v["reason"] != "answered 500" || v["entry"] != d.Event.Entry {
			t.Errorf("got %v", v)
		}
	})
	t.Run("whose entry was trimmed are counted", func(t *testing.T) {
		f := withEndpoint(t, connect)
		f.put(t, "pi_1")
		must(t, f.DelayPush(t.Context(), shopEndpoint, f.claim(t, "a", time.Hour, 10, 10).First[0], 0))
		f.trim(t, "pi_1")
		if work := f.claim(t, "a", time.Hour, 0, 10); work.Lost != 1 || len(work.Retries) != 0 {
			t.Errorf("got %+v", work)
		}
		f.stands(t, 0, 0, 0)
	})
	t.Run("are given no more of than asked for", func(t *testing.T) {
		f := withEndpoint(t, connect)
		for range 5 {
			f.put(t, "pi_1")
		}
		for _, d := range f.claim(t, "a", time.Hour, 10, 0).First {
			must(t, f.DelayPush(t.Context(), shopEndpoint, d, 0))
		}
		if got := f.claim(t, "a", time.Hour, 0, 2).Retries; len(got) != 2 {
			t.Errorf("got %d", len(got))
		}
	})
	t.Run("stop with a disabled endpoint, and go on with it", func(t *testing.T) {
		f := withEndpoint(t, connect)
		first, second := f.put(t, "pi_1"), f.put(t, "pi_2")
		for _, d := range f.claim(t, "a", time.Hour, 10, 10).First {
			if d.Event.ID == first {
				must(t, f.DelayPush(t.Context(), shopEndpoint, d, 0))
			}
		}
		for _, off := range []bool{true, false} {
			change := map[bool]func(context.Context, service.EndpointID) (bool, error){true: f.DisablePushes, false: f.EnablePushes}[off]
			for _, want := range []bool{true, false} {
				changed, err := change(t.Context(), shopEndpoint)
				if must(t, err); changed != want {
					t.Errorf("off %t: changed %t, want %t", off, changed, want)
				}
			}
			standing, err := f.LoadPushes(t.Context(), shopEndpoint)
			if must(t, err); standing.Disabled != off {
				t.Errorf("disabled is %t", standing.Disabled)
			}
			work := f.claim(t, "a", time.Hour, 10, 10)
			if off {
				sameIDs(t, "disabled", append(work.First, work.Retries...))
			} else {
				sameIDs(t, "enabled", append(work.First, work.Retries...), second, first)
			}
			if work.Disabled != off {
				t.Errorf("a claim says %t", work.Disabled)
			}
		}
	})
	t.Run("are made by a replay", func(t *testing.T) {
		f := withEndpoint(t, connect)
		var want []string
		for i := range 40 {
			id := f.put(t, numbered(i))
			want = append(want, id)
		}
		for _, d := range f.claim(t, "a", time.Hour, 100, 0).First {
			must(t, f.FinishPush(t.Context(), shopEndpoint, d))
		}
		count, next, done, err := f.Replay(t.Context(), []service.EndpointID{shopEndpoint}, "", "")
		if must(t, err); count != 40 || !done {
			t.Errorf("%d, done %t", count, done)
		}
		complete(t, eventIDs(f.claim(t, "a", time.Hour, 0, 100).Retries), want)
		for kind, want := range map[string]int{"order.updated": 1, "order.paid": 0} {
			f.put(t, "pi_1")
			if count, next, _, err = f.Replay(t.Context(), []service.EndpointID{shopEndpoint}, next, kind); count != want || err != nil {
				t.Errorf("%s: %d, %v", kind, count, err)
			}
		}
	})
}

// trim writes one more event of the payment, which drops all before it, and returns its id.
func (f fixture) trim(t testing.TB, id payment.ID) string {
	t.Helper()
	written := f.now(t)
	eventually(t, "a later millisecond", func() bool { return f.now(t).UnixMilli() > written.UnixMilli() })
	o, late := Transition(f.order(t, OrderOf(id)), id, f.now(t).Add(eventRetention))
	f.save(t, o, late)
	return late.Events[0].ID
}

// stands checks how far the deliveries are.
func (f fixture) stands(t testing.TB, pending, retries, dead int64) {
	t.Helper()
	s, err := f.LoadPushes(t.Context(), shopEndpoint)
	if must(t, err); !s.Joined || s.Pending != pending || s.Retries != retries || s.Dead != dead {
		t.Errorf("got %+v, want %d pending, %d retries, %d dead", s, pending, retries, dead)
	}
}
