package storetest

import (
	"slices"
	"testing"
	"time"

	"kasse/service/payment"
	"kasse/service/push"
)

const shopEndpoint = push.EndpointID("0123456789abcdef")

var pauses = push.Pauses{Min: 500 * time.Millisecond, Max: time.Minute}

// claimed is the result of a claim in all partitions.
type claimed struct {
	First, Retries       []push.Delivery
	Lost, Waiting, Waits int // Waits: retries that were not claimed
	Elsewhere, Disabled  bool
	Circuit              push.Circuit
	NextRetry            time.Duration // the earliest; negative: none waits
}

// claim claims a number of first deliveries and retries from all partitions, for an owner without deliveries.
func (f fixture) claim(t testing.TB, owner string, lease time.Duration, first, retries int) claimed {
	t.Helper()
	return f.claimShare(t, owner, lease, push.Share{First: first, Retries: retries})
}

// claimShare claims the same share from all partitions.
func (f fixture) claimShare(t testing.TB, owner string, lease time.Duration, share push.Share) claimed {
	t.Helper()
	c := push.Claim{Endpoint: shopEndpoint, Owner: owner, Lease: lease}
	for n := range partitions {
		share.Partition = n
		c.Shares = append(c.Shares, share)
	}
	all := claimed{NextRetry: -1}
	for n, work := range f.ClaimPushes(t.Context(), c) {
		if work.Err != nil {
			t.Fatalf("partition %d: %v", n, work.Err)
		}
		for _, d := range work.Deliveries {
			if d.Event.Partition != n {
				t.Errorf("%s has the partition %d, want %d", d.Event.ID, d.Event.Partition, n)
			}
			if d.Retry {
				all.Retries = append(all.Retries, d)
			} else {
				all.First = append(all.First, d)
			}
		}
		all.Lost, all.Waiting, all.Waits = all.Lost+work.Lost, all.Waiting+work.Waiting, all.Waits+work.Retries
		all.Elsewhere, all.Disabled = all.Elsewhere || work.OwnedElsewhere > 0, all.Disabled || work.Disabled
		if n == 0 {
			all.Circuit = work.Circuit
		}
		if work.NextRetry >= 0 && (all.NextRetry < 0 || work.NextRetry < all.NextRetry) {
			all.NextRetry = work.NextRetry
		}
	}
	return all
}

// finish records deliveries as made.
func (f fixture) finish(t testing.TB, e push.EndpointID, deliveries ...push.Delivery) {
	t.Helper()
	var done []push.Attempt
	for _, d := range deliveries {
		done = append(done, push.Attempt{Delivery: d, Status: 204, Took: 12 * time.Millisecond})
	}
	Must(t, f.FinishPushes(t.Context(), e, done))
}

// retry records a failed try. The next one is due after the delay.
func (f fixture) retry(t testing.TB, d push.Delivery, delay time.Duration, asked bool) {
	t.Helper()
	a := push.Attempt{Delivery: d, Status: 500, Took: 12 * time.Millisecond, Reason: "answered 500"}
	Must(t, f.RetryPush(t.Context(), shopEndpoint, a, delay, asked))
}

func eventIDs(deliveries []push.Delivery) (ids []string) {
	for _, d := range deliveries {
		ids = append(ids, d.Event.ID)
	}
	return ids
}

func sameIDs(t testing.TB, what string, got []push.Delivery, want ...string) {
	t.Helper()
	if ids := eventIDs(got); !slices.Equal(ids, want) {
		t.Errorf("%s: got %v, want %v", what, ids, want)
	}
}

// withEndpoint returns a store in which the endpoint is registered.
func withEndpoint(t testing.TB, connect connector) fixture {
	t.Helper()
	f := fresh(t, connect)
	Must(t, f.RegisterEndpoint(t.Context(), shopEndpoint))
	return f
}

func (connect connector) testPushes(t *testing.T) {
	t.Run("begin at registration, and continue", connect.pushesBeginAtRegistration)
	t.Run("belong to one owner until it holds none", connect.pushesBelongToOneOwner)
	t.Run("of a dead owner go to another, the oldest first", func(t *testing.T) {
		f := withEndpoint(t, connect)
		ids := []string{f.put(t, "pi_1"), f.put(t, "pi_1"), f.put(t, "pi_1")}
		f.claim(t, "a", 0, 2, 0)
		sameIDs(t, "taken over", f.claim(t, "b", time.Hour, 10, 0).First, ids...)
	})
	t.Run("are claimed again if the reply was lost", func(t *testing.T) {
		f := withEndpoint(t, connect)
		ids := []string{f.put(t, "pi_1"), f.put(t, "pi_1")}
		f.claim(t, "a", time.Hour, 1, 0)
		sameIDs(t, "the next claim", f.claim(t, "a", time.Hour, 1, 0).First, ids...)
	})
	t.Run("that were trimmed are counted", connect.pushesThatWereTrimmedAreCounted)
	t.Run("begin again after Redis was emptied", connect.pushesBeginAgain)
	t.Run("report a Redis without our mark", func(t *testing.T) {
		f := unmarked(t, connect, options)
		c := push.Claim{Endpoint: shopEndpoint, Shares: make([]push.Share, partitions)}
		for _, work := range f.ClaimPushes(t.Context(), c) {
			hasCode(t, work.Err, payment.CodeStoreUnavailable)
		}
	})
	t.Run("keep endpoints apart", connect.pushesKeepEndpointsApart)
}

func (connect connector) pushesBeginAtRegistration(t *testing.T) {
	f := fresh(t, connect)
	f.put(t, "pi_1")
	Must(t, f.RegisterEndpoint(t.Context(), shopEndpoint))
	sameIDs(t, "before", f.claim(t, "a", time.Hour, 10, 10).First)
	want := f.put(t, "pi_1")
	Must(t, f.RegisterEndpoint(t.Context(), shopEndpoint))
	work := f.claim(t, "a", time.Hour, 10, 10)
	sameIDs(t, "after", work.First, want)
	d := work.First[0]
	if d.Retry || d.Tries != 0 || d.Event.Type != "order.updated" || len(d.Event.Data) == 0 ||
		d.Event.CreatedAt.IsZero() {
		t.Errorf("got %+v", d)
	}
	f.finish(t, shopEndpoint, d)
	sameIDs(t, "when it is finished", f.claim(t, "a", time.Hour, 10, 10).First)
}

func (connect connector) pushesBelongToOneOwner(t *testing.T) {
	f := withEndpoint(t, connect)
	first := f.put(t, "pi_1")
	mine := f.claim(t, "a", time.Hour, 1, 0)
	second := f.put(t, "pi_1")
	other := f.claim(t, "b", time.Hour, 10, 0)
	if sameIDs(t, "of another owner", other.First); !other.Elsewhere || other.Waiting != 1 {
		t.Errorf("got %+v", other)
	}
	sameIDs(t, "of the owner", mine.First, first)
	f.finish(t, shopEndpoint, mine.First[0])
	f.claim(t, "a", time.Hour, 0, 0)
	sameIDs(t, "of another owner, later", f.claim(t, "b", time.Hour, 10, 0).First, second)
}

func (connect connector) pushesThatWereTrimmedAreCounted(t *testing.T) {
	f := withEndpoint(t, connect)
	for range 3 {
		f.put(t, "pi_1")
	}
	f.finish(t, shopEndpoint, f.claim(t, "a", time.Hour, 1, 0).First[0])
	want := f.trim(t, "pi_1")
	work := f.claim(t, "a", time.Hour, 10, 0)
	if sameIDs(t, "the kept event", work.First, want); work.Lost != 2 {
		t.Errorf("%d deliveries are lost, want 2", work.Lost)
	}
	if work = f.claim(t, "a", time.Hour, 10, 0); work.Lost != 0 {
		t.Errorf("%d lost deliveries are counted twice", work.Lost)
	}
}

func (connect connector) pushesBeginAgain(t *testing.T) {
	f := withEndpoint(t, connect)
	for _, key := range allKeys(t.Context(), f.client) {
		Must(t, f.client.Del(t.Context(), key).Err())
	}
	Must(t, f.Mark(t.Context(), identity))
	f.claim(t, "a", time.Hour, 10, 0)
	want := f.put(t, "pi_1")
	sameIDs(t, "after a new event", f.claim(t, "a", time.Hour, 10, 0).First, want)
}

func (connect connector) pushesKeepEndpointsApart(t *testing.T) {
	f := withEndpoint(t, connect)
	Must(t, f.RegisterEndpoint(t.Context(), "another"))
	want := f.put(t, "pi_1")
	f.finish(t, "another", f.claim(t, "a", time.Hour, 10, 0).First[0])
	sameIDs(t, "of another owner", f.claim(t, "b", time.Hour, 10, 0).First)
	sameIDs(t, "again after the lease", f.claim(t, "a", 0, 10, 0).First, want)
}
