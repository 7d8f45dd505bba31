package storetest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"kasse/service"
	"kasse/store"
)

// wantRead writes the payment with a read that is due then; a zero time wants none.
func (f fixture) wantRead(t testing.TB, id service.PaymentID, due time.Time) {
	t.Helper()
	p, now, err := f.LoadPayment(t.Context(), id)
	must(t, err)
	w := unseen(p, now)
	w.ReadAt = due
	must(t, f.SavePayment(t.Context(), w))
}

func (f fixture) take(t testing.TB, limit int, hide time.Duration) []service.PaymentID {
	t.Helper()
	ids, err := f.TakeReads(t.Context(), limit, hide)
	must(t, err)
	if len(ids) > limit {
		t.Errorf("got %d reads, at most %d were asked for", len(ids), limit)
	}
	return ids
}

func (connect connector) testReads(t *testing.T) {
	t.Run("get in and out by the write", func(t *testing.T) {
		f := fresh(t, connect)
		f.wantRead(t, "pi_1", f.now(t))
		f.wantRead(t, "pi_2", f.now(t))
		f.wantRead(t, "pi_1", time.Time{})
		if ids := f.take(t, 10, time.Minute); !slices.Equal(ids, []service.PaymentID{"pi_2"}) {
			t.Errorf("got %v, want pi_2", ids)
		}
	})
	t.Run("wait for their time", func(t *testing.T) {
		f := fresh(t, connect)
		due := f.now(t).Add(300 * time.Millisecond).Truncate(time.Millisecond) // the queue counts in these
		f.wantRead(t, "pi_later", f.now(t).Add(time.Hour))
		f.wantRead(t, "pi_soon", due)
		var ids []service.PaymentID
		eventually(t, "the read that is due", func() bool { ids = f.take(t, 10, time.Minute); return len(ids) > 0 })
		if !slices.Equal(ids, []service.PaymentID{"pi_soon"}) || f.now(t).Before(due) {
			t.Errorf("got %v, %s after it was due", ids, f.now(t).Sub(due))
		}
	})
	t.Run("come back where nobody finished them", func(t *testing.T) {
		const hide = 300 * time.Millisecond
		f := fresh(t, connect)
		f.wantRead(t, "pi_1", f.now(t))
		taken := f.now(t)
		if ids := f.take(t, 10, hide); len(ids) != 1 {
			t.Fatalf("got %v", ids)
		}
		var ids []service.PaymentID
		eventually(t, "the hidden read", func() bool { ids = f.take(t, 10, hide); return len(ids) > 0 })
		if passed := f.now(t).Sub(taken); passed < hide-time.Millisecond {
			t.Errorf("it came back after %s, want %s", passed, hide)
		}
	})
	t.Run("are wanted of what has no record, once", func(t *testing.T) {
		f := fresh(t, connect)
		must(t, f.WantRead(t.Context(), "pi_1"))
		due := f.client.ZScore(t.Context(), readsKey("pi_1"), "pi_1").Val()
		must(t, f.WantRead(t.Context(), "pi_1"))
		if again := f.client.ZScore(t.Context(), readsKey("pi_1"), "pi_1").Val(); due == 0 || again != due {
			t.Errorf("due at %f, and then at %f", due, again)
		}
		if ids := f.take(t, 10, time.Minute); !slices.Equal(ids, []service.PaymentID{"pi_1"}) {
			t.Errorf("got %v", ids)
		}
	})
	t.Run("are dropped", func(t *testing.T) {
		f := fresh(t, connect)
		f.wantRead(t, "pi_1", f.now(t))
		must(t, f.DropRead(t.Context(), "pi_1"))
		must(t, f.DropRead(t.Context(), "pi_1"))
		if n := f.client.ZCard(t.Context(), readsKey("pi_1")).Val(); n != 0 {
			t.Errorf("%d are left", n)
		}
	})
	t.Run("are found by a taker of one, the oldest first", func(t *testing.T) {
		f := fresh(t, connect)
		now := f.now(t)
		for i := range 30 {
			f.wantRead(t, service.PaymentID(fmt.Sprintf("pi_%02d", i)), now.Add(-time.Duration(i)*time.Second))
		}
		for i := range 30 {
			want := service.PaymentID(fmt.Sprintf("pi_%02d", 29-i))
			if ids := f.take(t, 1, time.Minute); !slices.Equal(ids, []service.PaymentID{want}) {
				t.Errorf("got %v, want %s", ids, want)
			}
		}
	})
	t.Run("of one partition fill the limit", func(t *testing.T) {
		f := fresh(t, connect)
		for _, id := range neighbours(20) {
			f.wantRead(t, id, f.now(t))
		}
		if ids := f.take(t, 15, time.Minute); len(ids) != 15 {
			t.Errorf("got %d reads, want 15", len(ids))
		}
	})
	t.Run("go to one taker each", connect.manyTakers)
}

func (connect connector) manyTakers(t *testing.T) {
	f := fresh(t, connect)
	const due, takers = 120, 6
	for i := range due {
		f.wantRead(t, service.PaymentID(fmt.Sprintf("pi_%d", i)), f.now(t))
	}
	var mu sync.Mutex
	taken := map[service.PaymentID]int{}
	count := func(ids []service.PaymentID) int {
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
				ids, err := other.TakeReads(ctx, 7, time.Hour)
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

func (connect connector) testBudget(t *testing.T) {
	t.Run("is shared by all stores", func(t *testing.T) {
		const perSecond = 5
		f := fresh(t, connect)
		stores := []*store.Store{f.Store, store.New(f.client, options)}
		began := f.now(t)
		allowed := 0
		var wait time.Duration
		for wait == 0 && allowed < 1_000 {
			var err error
			wait, err = stores[allowed%2].AllowRead(t.Context(), perSecond)
			must(t, err)
			if wait == 0 {
				allowed++
			}
		}
		most := perSecond + int(f.now(t).Sub(began).Seconds()*perSecond) + 1
		if allowed < perSecond || allowed > most {
			t.Errorf("%d reads were allowed, want %d to %d", allowed, perSecond, most)
		}
		if wait > time.Second/perSecond {
			t.Errorf("told to wait %s, want at most %s", wait, time.Second/perSecond)
		}
		eventually(t, "the budget to fill", func() bool {
			wait, err := stores[1].AllowRead(t.Context(), perSecond)
			must(t, err)
			return wait == 0
		})
	})
}
