package storetest

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"kasse/service/payment"
	"kasse/store"
)

// staleWrites: a write with an earlier revision, none, or one similar to the stored one conflicts.
func (connect connector) staleWrites(t *testing.T) {
	f := fresh(t, connect)
	o, c := Transition(f.order(t, "o_1"), "pi_1", f.now(t))
	old := f.save(t, o, c)
	f.put(t, "pi_1")
	stored := f.order(t, "o_1").Revision
	before := DumpAll(t.Context(), f.client)
	for _, revision := range []string{
		"", old.Revision, "0", "1", "2", "2-", stored + "A", stored[:len(stored)-1], " " + stored, stored + "\x00",
	} {
		stale := old
		stale.Revision = revision
		o, c := Transition(stale, "pi_1", f.now(t))
		saved, err := f.SaveOrder(t.Context(), o, c)
		conflict(t, err)
		if saved.Written || saved.Order.Revision != stored || len(saved.Order.Loaded["pi_1"].History) != 2 {
			t.Errorf("%q: got %+v", revision, saved)
		}
	}
	unchanged(t, before, DumpAll(t.Context(), f.client))
}

// lateWrites are decided on a load that is older than they allow. The conflict returns the order and the time to decide
// again. A write of a new order may be late, too.
func (connect connector) lateWrites(t *testing.T) {
	f := fresh(t, connect)
	const within = time.Minute
	for range 2 {
		o := f.order(t, "o-1", "pi_1")
		changed, c := Transition(o, "pi_1", f.now(t).Add(-within-time.Second))
		c.Within = within
		before := DumpAll(t.Context(), f.client)
		saved, err := f.SaveOrder(t.Context(), changed, c, "pi_1")
		conflict(t, err)
		unchanged(t, before, DumpAll(t.Context(), f.client))
		if saved.Written || saved.Order.Revision != o.Revision || saved.Now.Before(c.Now.Add(within)) {
			t.Fatalf("got %+v", saved)
		}
		changed, c = Transition(saved.Order, "pi_1", saved.Now)
		changed.ID, c.Within = "o-1", within
		f.save(t, changed, c)
	}
}

func (connect connector) firstOrderWrites(t *testing.T) {
	f := fresh(t, connect)
	absent := f.order(t, "o-1")
	absent.Revision = "1-AAAAAAAAAAA"
	o, c := leased(absent, f.now(t))
	saved, err := f.SaveOrder(t.Context(), o, c)
	if conflict(t, err); saved.Order.Stored() {
		t.Errorf("the conflict returned revision %q of an absent order", saved.Order.Revision)
	}
	o.Revision = ""
	f.save(t, o, c)
	_, err = f.SaveOrder(t.Context(), o, c)
	conflict(t, err)
}

// manyWriters: each of many writers changes one payment, and repeats a change that conflicts with the
// order that the conflict returned.
func (connect connector) manyWriters(t *testing.T) {
	f := fresh(t, connect)
	const writers, each = 8, 10
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			own := store.New(f.client, options)
			o, now, err := own.LoadOrder(t.Context(), payment.Ref{Order: "o_1"})
			for written := 0; written < each && err == nil; {
				next, c := Transition(o, "pi_1", now)
				var saved payment.Saved
				saved, err = own.SaveOrder(t.Context(), next, c)
				if err == nil {
					written++
				}
				if errors.Is(err, payment.ErrConflict) {
					err = nil
				}
				o, now = saved.Order, saved.Now
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	o := f.order(t, "o_1")
	if counter, _, _ := strings.Cut(o.Revision, "-"); counter != fmt.Sprint(writers*each) {
		t.Errorf("revision %q, want the counter %d", o.Revision, writers*each)
	}
	if n := len(o.Loaded["pi_1"].History); n != writers*each {
		t.Errorf("%d changes, want %d", n, writers*each)
	}
	if n := f.client.XLen(t.Context(), eventsKey("pi_1")).Val(); n != writers*each {
		t.Errorf("%d entries in the stream, want %d", n, writers*each)
	}
}

// manyClaims: many writers set the winner of an order that has none, as after several successes.
func (connect connector) manyClaims(t *testing.T) {
	f := fresh(t, connect)
	const claimants = 20
	var all sync.WaitGroup
	winners := make([]payment.ID, claimants)
	for i := range claimants {
		all.Go(func() {
			for {
				o, now, err := f.LoadOrder(t.Context(), payment.Ref{Order: "o-1"})
				if err == nil && o.Winner == "" {
					o.Winner = payment.ID("pi_" + strings.Repeat("x", i+1))
				}
				o, c := leased(o, now)
				if err == nil {
					_, err = f.SaveOrder(t.Context(), o, c)
				}
				if !errors.Is(err, payment.ErrConflict) {
					if err != nil {
						t.Error(err)
					}
					winners[i] = o.Winner
					return
				}
			}
		})
	}
	all.Wait()
	o := f.order(t, "o-1")
	if o.Lease.Until != claimants {
		t.Errorf("%d writes took effect, want %d", o.Lease.Until, claimants)
	}
	for _, winner := range winners {
		if winner != o.Winner {
			t.Errorf("a claim saved the winner %s, the order has %s", winner, o.Winner)
		}
	}
}
