package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"kasse/service/payment"
)

// stored compares orders by their stored members, without the revision.
var stored = cmp.Options{
	cmpopts.IgnoreUnexported(payment.Order{}),
	cmpopts.IgnoreFields(payment.Order{}, "Revision", "Raw", "Blocks", "Rules"),
	cmpopts.IgnoreFields(payment.Payment{}, "Raw"), cmpopts.EquateEmpty(),
}

func sameOrder(t testing.TB, want, got payment.Order) {
	t.Helper()
	if diff := cmp.Diff(want, got, stored); diff != "" {
		t.Errorf("the orders differ:\n%s", diff)
	}
}

func (connect connector) testOrders(t *testing.T) {
	t.Run("are loaded as they were saved", func(t *testing.T) {
		f := fresh(t, connect)
		want := fullOrder("o-1")
		saved := f.save(t, want, payment.Changes{Now: f.now(t)})
		sameOrder(t, want, saved)
		got := f.order(t, "o-1", "pi_4")
		sameOrder(t, want, got)
		if got.Revision != saved.Revision || string(got.Raw) != string(saved.Raw) {
			t.Errorf("loaded revision %q, saved %q; loaded order %s, saved %s",
				got.Revision, saved.Revision, got.Raw, saved.Raw)
		}
	})
	t.Run("that were never saved have no revision", func(t *testing.T) {
		f := fresh(t, connect)
		o := f.order(t, "o-1", "pi_1")
		if sameOrder(t, payment.Order{ID: "o-1"}, o); o.Revision != "" || o.Stored() {
			t.Errorf("revision %q", o.Revision)
		}
		_, err := f.LoadView(t.Context(), "pi_1")
		notFound(t, err)
		_, err = f.LoadHistory(t.Context(), "pi_1")
		notFound(t, err)
	})
	t.Run("with unusual ids have keys of their own", connect.unusualIDs)
	t.Run("keep large metadata", func(t *testing.T) {
		f := fresh(t, connect)
		o := fullOrder("o-1")
		for i := range 20 {
			key := fmt.Sprintf("%02d%s", i, strings.Repeat("k", 38))
			o.Loaded["pi_2"].Record.Creation.Metadata[key] = strings.Repeat("€", 500)
		}
		f.save(t, o, payment.Changes{Now: f.now(t)})
		sameOrder(t, o, f.order(t, "o-1", "pi_4"))
	})
	t.Run("are written after a flush of the scripts", func(t *testing.T) {
		f := fresh(t, connect)
		f.put(t, "pi_1")
		Must(t, f.client.ScriptFlush(t.Context()).Err())
		f.put(t, "pi_1")
		if p := f.order(t, "o_1").Loaded["pi_1"]; len(p.History) != 2 {
			t.Errorf("%d changes, want 2", len(p.History))
		}
	})
	t.Run("come with Redis's clock", func(t *testing.T) {
		f := fresh(t, connect)
		before := f.now(t)
		_, at := f.load(t, payment.Ref{Order: "o-1"})
		o, c := leased(payment.Order{ID: "o-1"}, at)
		saved, err := f.SaveOrder(t.Context(), o, c)
		Must(t, err)
		if at.Before(before) || saved.Now.Before(at) || f.now(t).Before(saved.Now) {
			t.Errorf("loaded at %v, saved at %v, between %v and %v", at, saved.Now, before, f.now(t))
		}
	})
}

// unusualIDs: ids that a faulty key would mix up have separate keys.
func (connect connector) unusualIDs(t *testing.T) {
	f := fresh(t, connect)
	orders := []payment.OrderID{"0", "a:b", "a:order:b", "A..-_:", "o-1", payment.OrderID(strings.Repeat("9", 64))}
	payments := []payment.ID{
		"pi__", "pi_" + payment.ID(strings.Repeat("Z", 250)), "pi_0", "pi_00", "pi_order", "pi_view",
	}
	for i, order := range orders {
		f.putIn(t, order, payments[i])
		for _, key := range []string{orderKey(order), pointerKey(payments[i])} {
			if n, err := f.client.Exists(t.Context(), key).Result(); n != 1 || err != nil {
				t.Errorf("%s is missing: %v", key, err)
			}
		}
	}
	for i, order := range orders {
		id := payments[i]
		o := f.order(t, order)
		if o.ID != order || !slices.Equal(o.Payments(), []payment.ID{id}) || len(o.Loaded[id].History) != 1 {
			t.Errorf("%s is %+v", order, o)
		}
		view, err := f.LoadView(t.Context(), id)
		if Must(t, err); view.Order != order || !strings.Contains(string(view.View), fmt.Sprintf("%q", id)) {
			t.Errorf("%s of %s: view %s", id, view.Order, view.View)
		}
	}
}

// testOrderLoads: of an order with several payments a load returns only the current one and those in question.
func (connect connector) testOrderLoads(t *testing.T) {
	f := fresh(t, connect)
	ids := []payment.ID{"pi_1", "pi_2", "pi_3", "pi_4"}
	for _, id := range ids {
		f.putIn(t, "o-1", id)
	}
	loaded := func(t testing.TB, o payment.Order, want ...payment.ID) {
		t.Helper()
		var got []payment.ID
		for id, p := range o.Loaded {
			if got = append(got, id); p.ID != id || len(p.History) == 0 || (len(p.Raw) == 0) != (id == o.Current()) {
				t.Errorf("%s is %+v", id, p)
			}
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("loaded %v, want %v", got, want)
		}
		if !slices.Equal(o.Payments(), ids) {
			t.Errorf("the order has %v, want %v", o.Payments(), ids)
		}
	}
	t.Run("return the current payment", func(t *testing.T) { loaded(t, f.order(t, "o-1"), "pi_4") })
	t.Run("return those in question too", func(t *testing.T) {
		loaded(t, f.order(t, "o-1", "pi_2"), "pi_2", "pi_4")
		loaded(t, f.order(t, "o-1", "pi_4", "pi_1", "pi_1"), "pi_1", "pi_4")
	})
	t.Run("leave out payments that the order does not have", func(t *testing.T) {
		loaded(t, f.order(t, "o-1", "pi_5"), "pi_4")
	})
	t.Run("leave out the others when one is written", func(t *testing.T) {
		o, c := Transition(f.order(t, "o-1", "pi_2"), "pi_2", f.now(t))
		loaded(t, f.save(t, o, c), "pi_2", "pi_4")
		loaded(t, f.order(t, "o-1", "pi_1", "pi_2", "pi_3"), ids...)
	})
	t.Run("return the winner as the current one", func(t *testing.T) {
		o := f.order(t, "o-1", "pi_1")
		o.Winner = "pi_1"
		f.save(t, o, payment.Changes{Now: f.now(t)})
		loaded(t, f.order(t, "o-1"), "pi_1")
	})
	t.Run("of a conflict return the same", func(t *testing.T) {
		stale := f.order(t, "o-1", "pi_1", "pi_2", "pi_3", "pi_4")
		o, c := leased(stale, f.now(t))
		f.save(t, o, c)
		o, c = Transition(stale, "pi_3", f.now(t))
		saved, err := f.SaveOrder(t.Context(), o, c, "pi_3", "pi_5")
		conflict(t, err)
		loaded(t, saved.Order, "pi_1", "pi_3")
		fresh := f.order(t, "o-1", "pi_3", "pi_5")
		if sameOrder(t, fresh, saved.Order); saved.Order.Revision != fresh.Revision || saved.Written ||
			saved.Now.IsZero() {
			t.Errorf("revision %q, want %q; %+v", saved.Order.Revision, fresh.Revision, saved)
		}
	})
}

func notFound(t testing.TB, err error) {
	t.Helper()
	if !errors.Is(err, payment.ErrNotFound) {
		t.Errorf("got %v, want %v", err, payment.ErrNotFound)
	}
}

func conflict(t testing.TB, err error) {
	t.Helper()
	if !errors.Is(err, payment.ErrConflict) {
		t.Errorf("got %v, want %v", err, payment.ErrConflict)
	}
}

// testManyAttempts: an order with many attempts keeps their rows in separate fields.
func (connect connector) testManyAttempts(t *testing.T) {
	f := fresh(t, connect)
	const many = 23
	ids := make([]payment.ID, many)
	for i := range ids {
		ids[i] = payment.ID(fmt.Sprintf("pi_%d", i+1))
		f.putIn(t, "o-1", ids[i])
	}
	t.Run("are all loaded", func(t *testing.T) {
		if o := f.order(t, "o-1", "pi_2"); !slices.Equal(o.Payments(), ids) || o.Loaded["pi_2"] == nil {
			t.Errorf("the order has %v, and %v is loaded", o.Payments(), o.Loaded)
		}
	})
	t.Run("are all found by readers", func(t *testing.T) {
		for _, id := range []payment.ID{"pi_1", "pi_9", "pi_23"} {
			if _, err := f.LoadView(t.Context(), id); err != nil {
				t.Errorf("%s: %v", id, err)
			}
		}
		views, err := f.LoadViews(t.Context(), "o-1", ids)
		if Must(t, err); len(views) != many || slices.ContainsFunc(views, func(v []byte) bool { return v == nil }) {
			t.Errorf("views %q", views)
		}
	})
	t.Run("keep a change of one of them", func(t *testing.T) {
		o := f.order(t, "o-1")
		o.Attempts = slices.Clone(o.Attempts)
		o.Attempts[2].Failures = 7
		saved := f.save(t, o, payment.Changes{Now: f.now(t)})
		got := f.order(t, "o-1")
		if sameOrder(t, o, got); got.Attempts[2].Failures != 7 || got.Revision != saved.Revision {
			t.Errorf("%+v of %s", got.Attempts[2], got.Revision)
		}
	})
	t.Run("come with a conflict", func(t *testing.T) {
		stale := f.order(t, "o-1")
		o, c := leased(stale, f.now(t))
		f.save(t, o, c)
		o, c = Transition(stale, ids[many-1], f.now(t))
		saved, err := f.SaveOrder(t.Context(), o, c, "pi_5")
		conflict(t, err)
		if sameOrder(t, f.order(t, "o-1", "pi_5"), saved.Order); !slices.Equal(saved.Order.Payments(), ids) {
			t.Errorf("the conflict has %v", saved.Order.Payments())
		}
	})
	t.Run("are an error if some are lost", func(t *testing.T) {
		Must(t, f.client.HDel(t.Context(), orderKey("o-1"), "attempts:1").Err())
		if _, _, err := f.LoadOrder(t.Context(), payment.Ref{Order: "o-1"}); err == nil {
			t.Error("an order without some of its attempts was loaded")
		}
		if _, err := f.LoadView(t.Context(), "pi_23"); err == nil {
			t.Error("an order without some of its attempts was read")
		}
	})
}
