package storetest

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kasse/service"
)

func fullOrder(id service.OrderID) service.Order {
	yes, limit := true, 3
	terms := service.Terms{Amount: 1_999, Currency: "eur", Customer: "cus_1", CaptureMethod: service.CaptureManual, SetupFutureUsage: "on_session"}
	return service.Order{
		ID: id, Terms: terms, Rev: 1_760_000_000_123, Winner: "pi_1", Closed: "requested_by_customer",
		Attempts: []service.Attempt{
			{Number: 1, Terms: terms, Refused: true, Reserved: 1_760_000_000_123},
			{
				Number: 2, Payment: "pi_1", Terms: terms, Form: "amount=1999&metadata[note]=%3Cb%3E&x=\"\\", Reserved: 1_760_000_000_124,
				Session: &service.SessionFeatures{Redisplay: &yes, RedisplayLimit: &limit, RedisplayOnly: []string{"always"}, Save: true, SaveUsage: "on_session", Remove: true, Surface: "web"},
			},
		},
		Lease: service.Lease{Owner: "somebody", Until: 1_760_000_000_125},
	}
}

func (f fixture) order(t testing.TB, id service.OrderID) service.Order {
	t.Helper()
	o, _, err := f.LoadOrder(t.Context(), id)
	must(t, err)
	return o
}

func (connect connector) testOrders(t *testing.T) {
	t.Run("come back as they were saved", func(t *testing.T) {
		f := fresh(t, connect)
		want := fullOrder("o-1")
		must(t, f.SaveOrder(t.Context(), want))
		want.Revision = 1
		if diff := cmp.Diff(want, f.order(t, "o-1")); diff != "" {
			t.Errorf("saved and loaded differ:\n%s", diff)
		}
	})
	t.Run("that were never saved have revision 0", func(t *testing.T) {
		f := fresh(t, connect)
		if diff := cmp.Diff(service.Order{ID: "o-1"}, f.order(t, "o-1")); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("with odd ids do not meet", func(t *testing.T) {
		f := fresh(t, connect)
		ids := []service.OrderID{"0", "a:b", "a:order:b", "A..-_:", "o-1", service.OrderID(strings.Repeat("9", 64))}
		for i, id := range ids {
			must(t, f.SaveOrder(t.Context(), service.Order{ID: id, Rev: int64(i) + 1}))
			if n, err := f.client.Exists(t.Context(), orderKey(id)).Result(); n != 1 || err != nil {
				t.Errorf("%s is not where it belongs: %v", id, err)
			}
		}
		for i, id := range ids {
			if o := f.order(t, id); o.Rev != int64(i)+1 {
				t.Errorf("%s has the terms of another: %d", id, o.Rev)
			}
		}
	})
	t.Run("of a stale revision conflict and change nothing", func(t *testing.T) {
		f := fresh(t, connect)
		must(t, f.SaveOrder(t.Context(), fullOrder("o-1")))
		before := DumpAll(t.Context(), f.client)
		conflict(t, f.SaveOrder(t.Context(), service.Order{ID: "o-1"}))
		conflict(t, f.SaveOrder(t.Context(), service.Order{ID: "o-1", Revision: 2}))
		conflict(t, f.SaveOrder(t.Context(), service.Order{ID: "o-2", Revision: 1}))
		unchanged(t, before, DumpAll(t.Context(), f.client))
	})
	t.Run("have one winner of many claims at once", connect.manyClaims)
	t.Run("tell Redis's clock", func(t *testing.T) {
		f := fresh(t, connect)
		before := f.now(t)
		_, at, err := f.LoadOrder(t.Context(), "o-1")
		must(t, err)
		if at.Before(before) || f.now(t).Before(at) {
			t.Errorf("%v is before %v, or after now", at, before)
		}
	})
}

// manyClaims lets many set the winner of an order where it has none, as those who saw a payment succeed do.
func (connect connector) manyClaims(t *testing.T) {
	f := fresh(t, connect)
	const claimants = 20
	var all sync.WaitGroup
	winners := make([]service.PaymentID, claimants)
	for i := range claimants {
		all.Go(func() {
			for {
				o, _, err := f.LoadOrder(t.Context(), "o-1")
				if err == nil && o.Winner == "" {
					o.Winner = service.PaymentID("pi_" + strings.Repeat("x", i+1))
				}
				if err == nil {
					err = f.SaveOrder(t.Context(), o)
				}
				if !errors.Is(err, service.ErrConflict) {
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
	if o.Revision != claimants {
		t.Errorf("revision %d, want %d", o.Revision, claimants)
	}
	for _, winner := range winners {
		if winner != o.Winner {
			t.Errorf("somebody was told that %s won; the order says %s", winner, o.Winner)
		}
	}
}
