package storetest

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kasse/service/payment"
)

func (connect connector) testOrderWrites(t *testing.T) {
	t.Run("of a stale revision conflict and change nothing", connect.staleWrites)
	t.Run("that come too late conflict", connect.lateWrites)
	t.Run("without a revision need an absent order", connect.firstOrderWrites)
	t.Run("have revisions of their own", connect.orderWritesHaveRevisions)
	t.Run("of many writers at once all take effect", connect.manyWriters)
	t.Run("that claim an order at once leave one winner", connect.manyClaims)
	t.Run("without a change write nothing", connect.orderWritesWithoutAChange)
	t.Run("without a visible change write only the record and the revision", connect.invisibleOrderWrites)
	t.Run("with a visible change write everything", connect.visibleWrite)
	t.Run("of two payments write both views", connect.writeOfTwo)
	t.Run("without an event append nothing", connect.orderWritesWithoutAnEvent)
}

func (connect connector) orderWritesHaveRevisions(t *testing.T) {
	first := fresh(t, connect)
	o, c := leased(payment.Order{ID: "o-1"}, first.now(t))
	one := first.save(t, o, c)
	second := fresh(t, connect) // as after a failover to an older state
	other := second.save(t, o, c)
	if one.Revision == other.Revision || one.Revision[:2] != other.Revision[:2] {
		t.Errorf("%q and %q, want the same counter and other random bytes", one.Revision, other.Revision)
	}
	_, err := second.SaveOrder(t.Context(), one, c)
	Must(t, err) // nothing has changed, so no command is sent
	o, c = leased(one, second.now(t))
	_, err = second.SaveOrder(t.Context(), o, c)
	conflict(t, err)
}

func (connect connector) orderWritesWithoutAChange(t *testing.T) {
	f := fresh(t, connect)
	f.put(t, "pi_1")
	before := DumpAll(t.Context(), f.client)
	o := f.order(t, "o_1")
	saved, err := f.SaveOrder(t.Context(), o, payment.Changes{Now: f.now(t)})
	if Must(t, err); saved.Written || saved.Order.Revision != o.Revision {
		t.Errorf("written %t, revision %q", saved.Written, saved.Order.Revision)
	}
	unchanged(t, before, DumpAll(t.Context(), f.client))
}

func (connect connector) invisibleOrderWrites(t *testing.T) {
	f := fresh(t, connect)
	f.put(t, "pi_1")
	before := fieldsOf(t, f)
	entries := f.client.XLen(t.Context(), eventsKey("pi_1")).Val()
	o, c := Unseen(f.order(t, "o_1"), "pi_1", f.now(t))
	o = f.save(t, o, c)
	after := fieldsOf(t, f)
	if !strings.HasPrefix(after["order"], o.Revision+"\n") {
		t.Errorf("the order begins with %q, want the revision %s", after["order"][:20], o.Revision)
	}
	before["order"] = after["order"]
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("more than that changed:\n%s", diff)
	}
	if n := f.client.XLen(t.Context(), eventsKey("pi_1")).Val(); n != entries {
		t.Errorf("the stream grew from %d to %d", entries, n)
	}
}

func (connect connector) orderWritesWithoutAnEvent(t *testing.T) {
	f := fresh(t, connect)
	Must(t, f.SavePointer(t.Context(), "pi_1", "o_1", f.now(t).Add(retention)))
	o, c := Transition(f.order(t, "o_1"), "pi_1", f.now(t))
	c.Events = nil
	f.save(t, o, c)
	if n := f.client.Exists(t.Context(), eventsKey("pi_1")).Val(); n != 0 {
		t.Error("a stream was created")
	}
	if view, err := f.LoadView(t.Context(), "pi_1"); err != nil || view.Version != c.Views[0].Version {
		t.Errorf("view %+v, %v", view, err)
	}
}

// fieldsOf returns the fields of the order o_1.
func fieldsOf(t testing.TB, f fixture) map[string]string {
	t.Helper()
	fields, err := f.client.HGetAll(t.Context(), orderKey("o_1")).Result()
	Must(t, err)
	return fields
}

func (connect connector) visibleWrite(t *testing.T) {
	f := fresh(t, connect)
	Must(t, f.SavePointer(t.Context(), "pi_1", "o_1", f.now(t).Add(retention)))
	o := f.order(t, "o_1")
	o.Loaded["pi_1"] = fullPayment("pi_1")
	o.Loaded["pi_1"].History = nil
	o, first := Transition(o, "pi_1", f.now(t))
	o, second := Transition(f.save(t, o, first), "pi_1", f.now(t))
	second.Events[0].Restored = true
	o = f.save(t, o, second)

	view, err := f.LoadView(t.Context(), "pi_1")
	Must(t, err)
	view.Public, view.Reads = nil, 0 // they depend on the cache
	last := second.Views[0]
	want := payment.StoredView{
		View: last.JSON, Version: last.Version, Order: "o_1", SecretHash: strings.Repeat("ab", 32),
	}
	if diff := cmp.Diff(want, view); diff != "" {
		t.Errorf("view:\n%s", diff)
	}
	history, err := f.LoadHistory(t.Context(), "pi_1")
	Must(t, err)
	diff := cmp.Diff(o.Loaded["pi_1"].History, history)
	if diff != "" || len(history) != 2 || history[1].Version != last.Version {
		t.Errorf("history:\n%s", diff)
	}
	entries, err := f.client.XRange(t.Context(), eventsKey("pi_1"), "-", "+").Result()
	if Must(t, err); len(entries) != 2 {
		t.Fatalf("%d entries in the stream, want 2", len(entries))
	}
	for i, c := range []payment.Changes{first, second} {
		e := c.Events[0]
		want := map[string]any{"id": e.ID, "type": e.Type, "data": string(c.Views[0].JSON)}
		if e.Restored {
			want["restored"] = "true"
		}
		if diff := cmp.Diff(want, entries[i].Values); diff != "" {
			t.Errorf("entry %d:\n%s", i, diff)
		}
	}
}

// writeOfTwo: one write changes two payments of an order. It writes both views, and the events in the given
// order.
func (connect connector) writeOfTwo(t *testing.T) {
	f := fresh(t, connect)
	f.putIn(t, "o_1", "pi_1")
	f.putIn(t, "o_1", "pi_2")
	o, one := Transition(f.order(t, "o_1", "pi_1"), "pi_1", f.now(t))
	o, two := Transition(o, "pi_2", f.now(t))
	one.Views, one.Events = append(one.Views, two.Views...), append(two.Events, one.Events...)
	f.save(t, o, one)
	entries, err := f.client.XRevRangeN(t.Context(), eventsKey("pi_1"), "+", "-", 2).Result()
	Must(t, err)
	if entries[1].Values["id"] != one.Events[0].ID || entries[0].Values["id"] != one.Events[1].ID {
		t.Errorf("the newest entries are %v", entries)
	}
	views, err := f.LoadViews(t.Context(), "o_1", []payment.ID{"pi_1", "pi_2"})
	Must(t, err)
	for i, view := range one.Views {
		if string(views[i]) != string(view.JSON) {
			t.Errorf("view %d is %s, want %s", i, views[i], view.JSON)
		}
	}
}
