package storetest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"kasse/service/payment"
	"kasse/store"
	"kasse/test/wait"
)

// saveRead writes the payment with a read that is due at a time; a zero time removes the read.
func (f fixture) saveRead(t testing.TB, id payment.ID, due time.Time) {
	t.Helper()
	o, now := f.load(t, payment.Ref{Order: OrderOf(id)}, id)
	o, c := Unseen(o, id, now)
	c.Reads = []payment.Due{{Payment: id, At: due}}
	f.save(t, o, c)
}

// queueRead queues a read of pi_1, which has no record, and checks whether QueueRead returns that it may be ours.
func (f fixture) queueRead(t testing.TB, ours bool) {
	t.Helper()
	const id = "pi_1"
	wanted, err := f.QueueRead(t.Context(), id)
	if Must(t, err); wanted != ours {
		t.Errorf("QueueRead of %s returned %t, want %t", id, wanted, ours)
	}
}

func (f fixture) claimReads(t testing.TB, limit int, hide time.Duration) []payment.ID {
	t.Helper()
	ids, err := f.ClaimReads(t.Context(), limit, hide)
	Must(t, err)
	if len(ids) > limit {
		t.Errorf("got %d reads, want at most %d", len(ids), limit)
	}
	return ids
}

func (connect connector) testReads(t *testing.T) {
	t.Run("are queued and removed by a write", connect.readsAreQueuedByAWrite)
	t.Run("wait until they are due", connect.readsWaitUntilDue)
	t.Run("of a dropped payment are not queued for a day", connect.readsOfADroppedPayment)
	t.Run("in the queues of two partitions are returned once", connect.readsInTwoPartitions)
	t.Run("that were queued end without the order's own", connect.queuedReadsEnd)
	t.Run("of several payments are queued and removed by one write", connect.readsOfSeveralPayments)
	t.Run("are due again if they were not finished", connect.unfinishedReads)
	t.Run("of a payment without a record are queued once", connect.readsAreQueuedOnce)
	t.Run("are dropped", connect.readsAreDropped)
	t.Run("are claimed one by one, the oldest first", connect.readsAreClaimedOneByOne)
	t.Run("of one partition fill the limit", connect.readsOfOnePartition)
	t.Run("are each claimed once by many workers", connect.manyWorkers)
}

func (connect connector) readsAreQueuedByAWrite(t *testing.T) {
	f := fresh(t, connect)
	f.saveRead(t, "pi_1", f.now(t))
	f.saveRead(t, "pi_2", f.now(t))
	f.saveRead(t, "pi_1", time.Time{})
	if ids := f.claimReads(t, 10, time.Minute); !slices.Equal(ids, []payment.ID{"pi_2"}) {
		t.Errorf("got %v, want pi_2", ids)
	}
}

func (connect connector) readsWaitUntilDue(t *testing.T) {
	f := fresh(t, connect)
	due := f.now(t).Add(300 * time.Millisecond).Truncate(time.Millisecond) // the unit of the queue
	f.saveRead(t, "pi_later", f.now(t).Add(time.Hour))
	f.saveRead(t, "pi_soon", due)
	var ids []payment.ID
	wait.UntilTrue(t, "the read that is due", func() bool {
		ids = f.claimReads(t, 10, time.Minute)
		return len(ids) > 0
	})
	if !slices.Equal(ids, []payment.ID{"pi_soon"}) || f.now(t).Before(due) {
		t.Errorf("got %v %s after pi_soon was due, want pi_soon", ids, f.now(t).Sub(due))
	}
}

func (connect connector) readsOfADroppedPayment(t *testing.T) {
	f := fresh(t, connect)
	f.queueRead(t, true)
	Must(t, f.DropRead(t.Context(), "pi_1"))
	f.queueRead(t, false)
	if ids := f.claimReads(t, 10, time.Minute); len(ids) != 0 {
		t.Errorf("got %v", ids)
	}
	mark := fmt.Sprintf("kasse:{p%d}:notours:pi_1", hashed("pi_1"))
	f.expires(t, mark, 24*time.Hour)
	Must(t, f.client.Del(t.Context(), mark).Err()) // as when it expires
	f.queueRead(t, true)
	if ids := f.claimReads(t, 10, time.Minute); !slices.Equal(ids, []payment.ID{"pi_1"}) {
		t.Errorf("got %v", ids)
	}
}

func (connect connector) readsInTwoPartitions(t *testing.T) {
	f := fresh(t, connect)
	if hashed("o_1") == hashed("pi_1") {
		t.Fatal("the test needs two partitions")
	}
	f.queueRead(t, true)
	f.saveRead(t, "pi_1", f.now(t))
	if ids := f.claimReads(t, 10, time.Minute); !slices.Equal(ids, []payment.ID{"pi_1"}) {
		t.Errorf("got %v", ids)
	}
}

func (connect connector) queuedReadsEnd(t *testing.T) {
	f := fresh(t, connect)
	end := func(order payment.OrderID, due bool) {
		t.Helper()
		Must(t, f.FinishRead(t.Context(), "pi_1", order, due))
	}
	wantClaimed := func(want ...payment.ID) {
		t.Helper()
		if ids := f.claimReads(t, 10, time.Minute); !slices.Equal(ids, want) {
			t.Errorf("got %v, want %v", ids, want)
		}
	}
	f.queueRead(t, true)
	wantClaimed("pi_1")
	f.saveRead(t, "pi_1", f.now(t)) // by the order, in another partition
	end("o_1", true)
	end("o_1", true)
	if n := f.client.ZCard(t.Context(), readsKey("pi_1")).Val(); n != 0 {
		t.Errorf("%d reads are left in the payment's partition", n)
	}
	wantClaimed("pi_1")
	end("o_1", false) // the order no longer has a read due
	if n := f.client.ZCard(t.Context(), readsKey("o_1")).Val(); n != 0 {
		t.Errorf("%d reads are left in the order's partition", n)
	}
	same := payment.OrderID("o_same")
	for i := 0; hashed(string(same)) != hashed("pi_1"); i++ {
		same = payment.OrderID(fmt.Sprintf("o_same_%d", i))
	}
	end(same, false)
	f.queueRead(t, true)
	end(same, false) // it was not claimed
	wantClaimed("pi_1")
	end(same, true)      // the order has a read due
	f.queueRead(t, true) // while the read is under way
	end(same, false)
	wantClaimed("pi_1")
	end(same, false)
	f.queueRead(t, true)
	wantClaimed("pi_1")
	wantClaimed()
}

func (connect connector) readsOfSeveralPayments(t *testing.T) {
	f := fresh(t, connect)
	now := f.now(t)
	o, c := Unseen(f.order(t, "o-1"), "pi_1", now)
	c.Reads = []payment.Due{{Payment: "pi_1", At: now}, {Payment: "pi_2", At: now}, {Payment: "pi_3", At: now}}
	o, c2 := Unseen(f.save(t, o, c), "pi_1", now)
	c2.Reads = []payment.Due{{Payment: "pi_2"}, {Payment: "pi_3", At: now.Add(time.Hour)}}
	f.save(t, o, c2)
	if ids := f.claimReads(t, 10, time.Minute); !slices.Equal(ids, []payment.ID{"pi_1"}) {
		t.Errorf("got %v, want pi_1", ids)
	}
}

func (connect connector) unfinishedReads(t *testing.T) {
	const hide = 300 * time.Millisecond
	f := fresh(t, connect)
	f.saveRead(t, "pi_1", f.now(t))
	claimed := f.now(t)
	if ids := f.claimReads(t, 10, hide); len(ids) != 1 {
		t.Fatalf("got %v", ids)
	}
	var ids []payment.ID
	wait.UntilTrue(t, "the hidden read", func() bool { ids = f.claimReads(t, 10, hide); return len(ids) > 0 })
	if passed := f.now(t).Sub(claimed); passed < hide-time.Millisecond {
		t.Errorf("the read was due again after %s, want %s", passed, hide)
	}
}

func (connect connector) readsAreQueuedOnce(t *testing.T) {
	f := fresh(t, connect)
	f.queueRead(t, true)
	due := f.client.ZScore(t.Context(), readsKey("pi_1"), "pi_1").Val()
	f.queueRead(t, true)
	if again := f.client.ZScore(t.Context(), readsKey("pi_1"), "pi_1").Val(); due == 0 || again != due {
		t.Errorf("the read was due at %f and then at %f, want the same", due, again)
	}
	if ids := f.claimReads(t, 10, time.Minute); !slices.Equal(ids, []payment.ID{"pi_1"}) {
		t.Errorf("got %v", ids)
	}
}

func (connect connector) readsAreDropped(t *testing.T) {
	f := fresh(t, connect)
	f.saveRead(t, "pi_1", f.now(t))
	f.queueRead(t, true)
	Must(t, f.DropRead(t.Context(), "pi_1"))
	Must(t, f.DropRead(t.Context(), "pi_1"))
	for _, key := range []string{readsKey("o_1"), readsKey("pi_1")} {
		if n := f.client.ZCard(t.Context(), key).Val(); n != 0 {
			t.Errorf("%d reads are left in %s", n, key)
		}
	}
}

func (connect connector) readsAreClaimedOneByOne(t *testing.T) {
	f := fresh(t, connect)
	now := f.now(t)
	for i := range 30 {
		f.saveRead(t, payment.ID(fmt.Sprintf("pi_%02d", i)), now.Add(-time.Duration(i)*time.Second))
	}
	for i := range 30 {
		want := payment.ID(fmt.Sprintf("pi_%02d", 29-i))
		if ids := f.claimReads(t, 1, time.Minute); !slices.Equal(ids, []payment.ID{want}) {
			t.Errorf("got %v, want %s", ids, want)
		}
	}
}

func (connect connector) readsOfOnePartition(t *testing.T) {
	f := fresh(t, connect)
	for _, id := range neighbours(20) {
		f.saveRead(t, id, f.now(t))
	}
	if ids := f.claimReads(t, 15, time.Minute); len(ids) != 15 {
		t.Errorf("got %d reads, want 15", len(ids))
	}
}

func (connect connector) manyWorkers(t *testing.T) {
	f := fresh(t, connect)
	const due, workers = 120, 6
	for i := range due {
		f.saveRead(t, payment.ID(fmt.Sprintf("pi_%d", i)), f.now(t))
	}
	var mu sync.Mutex
	claimed := map[payment.ID]int{}
	count := func(ids []payment.ID) int {
		mu.Lock()
		defer mu.Unlock()
		for _, id := range ids {
			claimed[id]++
		}
		return len(claimed)
	}
	ctx, cancel := context.WithTimeout(t.Context(), waitLimit)
	defer cancel()
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			other := store.New(f.client, options)
			for count(nil) < due {
				ids, err := other.ClaimReads(ctx, 7, time.Hour)
				if err != nil || len(ids) > 7 {
					t.Errorf("got %d reads, %v", len(ids), err)
					return
				}
				count(ids)
			}
		})
	}
	all.Wait()
	for id, times := range claimed {
		if times != 1 {
			t.Errorf("%s was claimed %d times", id, times)
		}
	}
}

// errOf returns the error of a call that also returns a value.
func errOf[T any](_ T, err error) error { return err }
