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

// wantRead writes the payment with a read that is due then; a zero time wants none.
func (f fixture) wantRead(t testing.TB, id payment.ID, due time.Time) {
	t.Helper()
	o, now := f.load(t, payment.Ref{Order: OrderOf(id)}, id)
	o, c := Unseen(o, id, now)
	c.Reads = []payment.Due{{Payment: id, At: due}}
	f.save(t, o, c)
}

// want queues a read of pi_1, which has no record, and checks whether it may be ours.
func (f fixture) want(t testing.TB, ours bool) {
	t.Helper()
	const id = "pi_1"
	wanted, err := f.QueueRead(t.Context(), id)
	if Must(t, err); wanted != ours {
		t.Errorf("wanting a read of %s gives %t, want %t", id, wanted, ours)
	}
}

func (f fixture) take(t testing.TB, limit int, hide time.Duration) []payment.ID {
	t.Helper()
	ids, err := f.ClaimReads(t.Context(), limit, hide)
	Must(t, err)
	if len(ids) > limit {
		t.Errorf("got %d reads, at most %d were asked for", len(ids), limit)
	}
	return ids
}

func (connect connector) testReads(t *testing.T) {
	t.Run("get in and out by the write", connect.readsGetInAndOut)
	t.Run("wait for their time", connect.readsWaitForTheirTime)
	t.Run("are not wanted of a payment that was dropped, for a day", connect.readsAreNotWanted)
	t.Run("in the queues of two partitions are returned once", connect.readsInTwoPartitions)
	t.Run("that were wanted end without the order's own", connect.wantedReadsEnd)
	t.Run("of several payments get in and out by one write", connect.readsOfSeveralPayments)
	t.Run("come back where they were not finished", connect.readsComeBack)
	t.Run("are wanted of what has no record, once", connect.readsAreWanted)
	t.Run("are dropped", connect.readsAreDropped)
	t.Run("are found by a taker of one, the oldest first", connect.readsAreFoundByATaker)
	t.Run("of one partition fill the limit", connect.readsOfOnePartition)
	t.Run("go to one taker each", connect.manyTakers)
}

func (connect connector) readsGetInAndOut(t *testing.T) {
	f := fresh(t, connect)
	f.wantRead(t, "pi_1", f.now(t))
	f.wantRead(t, "pi_2", f.now(t))
	f.wantRead(t, "pi_1", time.Time{})
	if ids := f.take(t, 10, time.Minute); !slices.Equal(ids, []payment.ID{"pi_2"}) {
		t.Errorf("got %v, want pi_2", ids)
	}
}

func (connect connector) readsWaitForTheirTime(t *testing.T) {
	f := fresh(t, connect)
	due := f.now(t).Add(300 * time.Millisecond).Truncate(time.Millisecond) // the queue counts in these
	f.wantRead(t, "pi_later", f.now(t).Add(time.Hour))
	f.wantRead(t, "pi_soon", due)
	var ids []payment.ID
	wait.UntilTrue(t, "the read that is due", func() bool { ids = f.take(t, 10, time.Minute); return len(ids) > 0 })
	if !slices.Equal(ids, []payment.ID{"pi_soon"}) || f.now(t).Before(due) {
		t.Errorf("got %v, %s after it was due", ids, f.now(t).Sub(due))
	}
}

func (connect connector) readsAreNotWanted(t *testing.T) {
	f := fresh(t, connect)
	f.want(t, true)
	Must(t, f.DropRead(t.Context(), "pi_1"))
	f.want(t, false)
	if ids := f.take(t, 10, time.Minute); len(ids) != 0 {
		t.Errorf("got %v", ids)
	}
	mark := fmt.Sprintf("kasse:{p%d}:notours:pi_1", hashed("pi_1"))
	f.expires(t, mark, 24*time.Hour)
	Must(t, f.client.Del(t.Context(), mark).Err()) // as when it expires
	f.want(t, true)
	if ids := f.take(t, 10, time.Minute); !slices.Equal(ids, []payment.ID{"pi_1"}) {
		t.Errorf("got %v", ids)
	}
}

func (connect connector) readsInTwoPartitions(t *testing.T) {
	f := fresh(t, connect)
	if hashed("o_1") == hashed("pi_1") {
		t.Fatal("the test needs two partitions")
	}
	f.want(t, true)
	f.wantRead(t, "pi_1", f.now(t))
	if ids := f.take(t, 10, time.Minute); !slices.Equal(ids, []payment.ID{"pi_1"}) {
		t.Errorf("got %v", ids)
	}
}

func (connect connector) wantedReadsEnd(t *testing.T) {
	f := fresh(t, connect)
	end := func(order payment.OrderID, due bool) {
		t.Helper()
		Must(t, f.FinishRead(t.Context(), "pi_1", order, due))
	}
	taken := func(want ...payment.ID) {
		t.Helper()
		if ids := f.take(t, 10, time.Minute); !slices.Equal(ids, want) {
			t.Errorf("got %v, want %v", ids, want)
		}
	}
	f.want(t, true)
	taken("pi_1")
	f.wantRead(t, "pi_1", f.now(t)) // by the order, in another partition
	end("o_1", true)
	end("o_1", true)
	if n := f.client.ZCard(t.Context(), readsKey("pi_1")).Val(); n != 0 {
		t.Errorf("%d are left where the read was wanted", n)
	}
	taken("pi_1")
	end("o_1", false) // the order has no read due any more
	if n := f.client.ZCard(t.Context(), readsKey("o_1")).Val(); n != 0 {
		t.Errorf("%d are left in the order's partition", n)
	}
	same := payment.OrderID("o_same")
	for i := 0; hashed(string(same)) != hashed("pi_1"); i++ {
		same = payment.OrderID(fmt.Sprintf("o_same_%d", i))
	}
	end(same, false)
	f.want(t, true)
	end(same, false) // it was not taken
	taken("pi_1")
	end(same, true) // the order has a read due
	f.want(t, true) // while the read is under way
	end(same, false)
	taken("pi_1")
	end(same, false)
	f.want(t, true)
	taken("pi_1")
	taken()
}

func (connect connector) readsOfSeveralPayments(t *testing.T) {
	f := fresh(t, connect)
	now := f.now(t)
	o, c := Unseen(f.order(t, "o-1"), "pi_1", now)
	c.Reads = []payment.Due{{Payment: "pi_1", At: now}, {Payment: "pi_2", At: now}, {Payment: "pi_3", At: now}}
	o, c2 := Unseen(f.save(t, o, c), "pi_1", now)
	c2.Reads = []payment.Due{{Payment: "pi_2"}, {Payment: "pi_3", At: now.Add(time.Hour)}}
	f.save(t, o, c2)
	if ids := f.take(t, 10, time.Minute); !slices.Equal(ids, []payment.ID{"pi_1"}) {
		t.Errorf("got %v, want pi_1", ids)
	}
}

func (connect connector) readsComeBack(t *testing.T) {
	const hide = 300 * time.Millisecond
	f := fresh(t, connect)
	f.wantRead(t, "pi_1", f.now(t))
	taken := f.now(t)
	if ids := f.take(t, 10, hide); len(ids) != 1 {
		t.Fatalf("got %v", ids)
	}
	var ids []payment.ID
	wait.UntilTrue(t, "the hidden read", func() bool { ids = f.take(t, 10, hide); return len(ids) > 0 })
	if passed := f.now(t).Sub(taken); passed < hide-time.Millisecond {
		t.Errorf("it came back after %s, want %s", passed, hide)
	}
}

func (connect connector) readsAreWanted(t *testing.T) {
	f := fresh(t, connect)
	f.want(t, true)
	due := f.client.ZScore(t.Context(), readsKey("pi_1"), "pi_1").Val()
	f.want(t, true)
	if again := f.client.ZScore(t.Context(), readsKey("pi_1"), "pi_1").Val(); due == 0 || again != due {
		t.Errorf("due at %f, and then at %f", due, again)
	}
	if ids := f.take(t, 10, time.Minute); !slices.Equal(ids, []payment.ID{"pi_1"}) {
		t.Errorf("got %v", ids)
	}
}

func (connect connector) readsAreDropped(t *testing.T) {
	f := fresh(t, connect)
	f.wantRead(t, "pi_1", f.now(t))
	f.want(t, true)
	Must(t, f.DropRead(t.Context(), "pi_1"))
	Must(t, f.DropRead(t.Context(), "pi_1"))
	for _, key := range []string{readsKey("o_1"), readsKey("pi_1")} {
		if n := f.client.ZCard(t.Context(), key).Val(); n != 0 {
			t.Errorf("%d are left in %s", n, key)
		}
	}
}

func (connect connector) readsAreFoundByATaker(t *testing.T) {
	f := fresh(t, connect)
	now := f.now(t)
	for i := range 30 {
		f.wantRead(t, payment.ID(fmt.Sprintf("pi_%02d", i)), now.Add(-time.Duration(i)*time.Second))
	}
	for i := range 30 {
		want := payment.ID(fmt.Sprintf("pi_%02d", 29-i))
		if ids := f.take(t, 1, time.Minute); !slices.Equal(ids, []payment.ID{want}) {
			t.Errorf("got %v, want %s", ids, want)
		}
	}
}

func (connect connector) readsOfOnePartition(t *testing.T) {
	f := fresh(t, connect)
	for _, id := range neighbours(20) {
		f.wantRead(t, id, f.now(t))
	}
	if ids := f.take(t, 15, time.Minute); len(ids) != 15 {
		t.Errorf("got %d reads, want 15", len(ids))
	}
}

func (connect connector) manyTakers(t *testing.T) {
	f := fresh(t, connect)
	const due, takers = 120, 6
	for i := range due {
		f.wantRead(t, payment.ID(fmt.Sprintf("pi_%d", i)), f.now(t))
	}
	var mu sync.Mutex
	taken := map[payment.ID]int{}
	count := func(ids []payment.ID) int {
		mu.Lock()
		defer mu.Unlock()
		for _, id := range ids {
			taken[id]++
		}
		return len(taken)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var all sync.WaitGroup
	for range takers {
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
	for id, times := range taken {
		if times != 1 {
			t.Errorf("%s was taken %d times", id, times)
		}
	}
}

// errOf is the error of a call that returns something else, too.
func errOf[T any](_ T, err error) error { return err }
