package storetest

import (
	"fmt"
	"slices"
	"testing"

	"kasse/service/payment"
)

// putType writes one transition of the payment that announces an event of the type, and returns the
// event's id.
func (f fixture) putType(t testing.TB, id payment.ID, kind string) string {
	t.Helper()
	o, now := f.load(t, payment.Ref{Order: OrderOf(id)}, id)
	o, c := Transition(o, id, now)
	c.Events[0].Type = kind
	f.save(t, o, c)
	return c.Events[0].ID
}

// matching reads pages to the end of the feed, and returns the ids and the last cursor.
func (f fixture) matching(t testing.TB, q payment.FeedQuery) (ids []string, next string) {
	t.Helper()
	for range endless {
		page, err := f.LoadEvents(t.Context(), q)
		Must(t, err)
		wellFormed(t, page.Next)
		for _, e := range page.Events {
			ids = append(ids, e.ID)
		}
		q.After = page.Next
		if len(page.Events) == 0 && !page.More {
			return ids, page.Next
		}
	}
	t.Fatal("the feed does not end")
	return nil, ""
}

func (connect connector) testFeedFilters(t *testing.T) {
	t.Run("returns matching events, and passes the rest", connect.feedFiltersPass)
	t.Run("reads one partition for one order", connect.feedOfOneOrder)
}

func (connect connector) feedFiltersPass(t *testing.T) {
	f := fresh(t, connect)
	kinds := []string{"order.updated", "order.paid", "order.refunded"}
	queries := map[string]payment.FeedQuery{
		"one type": {Types: kinds[1:2]}, "two types": {Types: kinds[1:]}, "an order": {Order: "o_7"},
		"a type of an order": {Order: "o_7", Types: kinds[1:2]},
		"an unknown order":   {Order: "o_none"}, "half of an id": {Order: "o_"},
	}
	want := map[string][]string{}
	put := func(id payment.ID, kind string) {
		event := f.putType(t, id, kind)
		for name, q := range queries {
			if (q.Order == "" || q.Order == OrderOf(id)) && (q.Types == nil || slices.Contains(q.Types, kind)) {
				want[name] = append(want[name], event)
			}
		}
	}
	for i := range 120 {
		put(numbered(i%20), kinds[i%3])
	}
	ends := map[string]string{}
	for name, q := range queries {
		for _, q.Limit = range []int{3, 500} {
			t.Log(name, q.Limit)
			got, next := f.matching(t, q)
			complete(t, got, want[name])
			ends[name] = next
		}
	}
	if rest, _ := f.rest(t, ends["one type"], 10); len(rest) != 0 {
		t.Errorf("the cursor has not passed %d events that were left out", len(rest))
	}
	want = map[string][]string{}
	put("pi_7", "order.paid")
	for name, q := range queries {
		q.After, q.Limit = ends[name], 10
		if got, _ := f.matching(t, q); !slices.Equal(got, want[name]) {
			t.Errorf("%s: got %v after the last page, want %v", name, got, want[name])
		}
	}
}

// feedOfOneOrder: a query for one order needs no other partition's stream, and its cursor is valid as long as
// its own partition keeps the later entries.
func (connect connector) feedOfOneOrder(t *testing.T) {
	f := fresh(t, connect)
	alone := onePerPartition()
	mine, other := alone[3], alone[4]
	first := f.put(t, mine)
	f.put(t, other)
	page, err := f.LoadEvents(t.Context(), payment.FeedQuery{Order: OrderOf(mine), Limit: 10})
	Must(t, err)
	if len(page.Events) != 1 || page.Events[0].ID != first {
		t.Fatalf("got %+v, want %s", page.Events, first)
	}
	// A read of the other partition's stream fails from here on.
	stream := eventsKey(other)
	Must(t, f.client.Del(t.Context(), stream).Err())
	Must(t, f.client.Set(t.Context(), stream, "no stream", 0).Err())
	if _, err := f.LoadEvents(t.Context(), payment.FeedQuery{Limit: 10}); err == nil {
		t.Error("the stream of the other partition was not read")
	}
	second := f.put(t, mine)
	got, _ := f.matching(t, payment.FeedQuery{Order: OrderOf(mine), After: page.Next, Limit: 10})
	if !slices.Equal(got, []string{second}) {
		t.Errorf("got %v, want %s", got, second)
	}
	// Entries dropped in another partition are not missing for this order.
	Must(t, f.client.HSet(t.Context(), fmt.Sprintf("kasse:{p%d}:meta", 4), "trimmed", "9999999999999-0").Err())
	if got, _ := f.matching(t, payment.FeedQuery{Order: OrderOf(mine), After: page.Next, Limit: 10}); len(got) != 1 {
		t.Errorf("got %v", got)
	}
	Must(t, f.client.HSet(t.Context(), fmt.Sprintf("kasse:{p%d}:meta", 3), "trimmed", "9999999999999-0").Err())
	_, err = f.LoadEvents(t.Context(), payment.FeedQuery{Order: OrderOf(mine), After: page.Next, Limit: 10})
	hasCode(t, err, payment.CodeCursorExpired)
}
