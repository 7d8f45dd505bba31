package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kasse/service/payment"
	"kasse/store"
	"kasse/test/rounds"
)

func (f fixture) page(t testing.TB, after string, limit int) payment.FeedPage {
	t.Helper()
	page, err := f.LoadEvents(t.Context(), payment.FeedQuery{After: after, Limit: limit})
	Must(t, err)
	if len(page.Events) > limit {
		t.Errorf("a page has %d events, want at most %d", len(page.Events), limit)
	}
	wellFormed(t, page.Next)
	return page
}

// rest reads pages until one is empty, and returns the ids and the last cursor.
func (f fixture) rest(t testing.TB, after string, limit int) (ids []string, next string) {
	t.Helper()
	for len(ids) < endless {
		page := f.page(t, after, limit)
		if len(page.Events) == 0 {
			return ids, page.Next
		}
		for _, e := range page.Events {
			ids = append(ids, e.ID)
		}
		after = page.Next
	}
	t.Fatalf("the feed does not end: %d events", len(ids))
	return nil, ""
}

// endless is more events than any test writes.
const endless = 10_000

// numbered returns the i-th of many payments, whose orders are spread over all partitions.
func numbered(i int) payment.ID { return payment.ID(fmt.Sprintf("pi_%d", i)) }

func (connect connector) testFeed(t *testing.T) {
	t.Run("shows events with their times", connect.feedShowsEvents)
	t.Run("has all partitions, each payment in order", connect.feedHasAllPartitions)
	t.Run("fills a page, also from few partitions", connect.feedFillsAPage)
	t.Run("continues after an empty page", connect.feedContinuesAfterAnEmptyPage)
	t.Run("begins after the newest event", connect.feedBeginsAfterTheNewest)
}

func (connect connector) feedShowsEvents(t *testing.T) {
	f := fresh(t, connect)
	before := f.now(t).Truncate(time.Second)
	o, c := Transition(payment.Order{ID: "o_1"}, "pi_1", f.now(t))
	c.Events[0].Restored = true
	o = f.save(t, o, c)
	page := f.page(t, "", 10)
	if len(page.Events) != 1 {
		t.Fatalf("%d events, want 1", len(page.Events))
	}
	e := page.Events[0]
	if want := c.Events[0]; e.ID != want.ID || e.Type != want.Type || string(e.Data) != string(want.Data) ||
		!e.Restored {
		t.Errorf("got %+v", e)
	}
	if e.Trace != "" {
		t.Errorf("the event has the trace %q, want none", e.Trace)
	}
	o, c = Transition(o, "pi_1", f.now(t))
	f.save(t, o, c)
	if e := f.page(t, "", 10).Events[1]; e.Restored {
		t.Errorf("got %+v", e)
	}
	if e.CreatedAt.Before(before) || e.CreatedAt.After(f.now(t)) || e.CreatedAt.Location() != time.UTC {
		t.Errorf("created at %s", e.CreatedAt)
	}
}

func (connect connector) feedHasAllPartitions(t *testing.T) {
	f := fresh(t, connect)
	var want []string
	for i := range rounds.Of(120, 300, 300) {
		want = append(want, f.put(t, numbered(i%60)))
	}
	for _, limit := range []int{1, 7, 100, 500} {
		got, _ := f.rest(t, "", limit)
		complete(t, got, want)
	}
}

func (connect connector) feedFillsAPage(t *testing.T) {
	f := fresh(t, connect)
	for i := range 40 {
		f.put(t, neighbours(3)[i%3])
	}
	f.put(t, numbered(1))
	for _, limit := range []int{1, 2, 30, 40} {
		if page := f.page(t, "", limit); len(page.Events) != limit {
			t.Errorf("got %d events, want %d", len(page.Events), limit)
		}
	}
}

func (connect connector) feedContinuesAfterAnEmptyPage(t *testing.T) {
	f := fresh(t, connect)
	page := f.page(t, "", 10)
	if page.Events == nil || len(page.Events) != 0 {
		t.Errorf("want an empty list, got %#v", page.Events)
	}
	next := page.Next
	for range 5 {
		want := f.put(t, "pi_1")
		var got []string
		if got, next = f.rest(t, next, 10); !slices.Equal(got, []string{want}) {
			t.Errorf("got %v, want %s", got, want)
		}
	}
}

func (connect connector) feedBeginsAfterTheNewest(t *testing.T) {
	f := fresh(t, connect)
	empty := f.page(t, payment.Latest, 10)
	for i := range 40 {
		f.put(t, numbered(i))
	}
	latest := f.page(t, payment.Latest, 10)
	if len(empty.Events)+len(latest.Events) != 0 {
		t.Error("want empty pages")
	}
	if got, _ := f.rest(t, empty.Next, 10); len(got) != 40 {
		t.Errorf("got %d events after the cursor of the empty feed, want 40", len(got))
	}
	want := f.put(t, "pi_7")
	if got, _ := f.rest(t, latest.Next, 10); !slices.Equal(got, []string{want}) {
		t.Errorf("got %v, want %s", got, want)
	}
}

// complete fails the test unless the feed returned every event once, and those of a payment in order.
func complete(t testing.TB, got, want []string) {
	t.Helper()
	sorted := func(ids []string) []string { return slices.Sorted(slices.Values(ids)) }
	if !slices.Equal(sorted(got), sorted(want)) {
		t.Errorf("got %d events, %d of them different; want %d", len(got), len(slices.Compact(sorted(got))), len(want))
	}
	newest := map[string]string{}
	for _, id := range got {
		payment, version, _ := strings.Cut(id, ".")
		if version <= newest[payment] {
			t.Errorf("%s comes after version %s", id, newest[payment])
		}
		newest[payment] = version
	}
}

// testFeedWhileWriting: while others write, the pages of the feed have each event exactly once.
func (connect connector) testFeedWhileWriting(t *testing.T) {
	for _, limit := range []int{3, 40} {
		t.Run(fmt.Sprintf("%d a page", limit), func(t *testing.T) {
			f := fresh(t, connect)
			const writers = 6
			each := rounds.Of(25, 80, 80)
			var written sync.WaitGroup
			var done atomic.Bool
			wrote := make([][]string, writers)
			for i := range writers {
				written.Go(func() { wrote[i] = f.scatter(t, i, each) })
			}
			go func() { written.Wait(); done.Store(true) }()

			var got []string
			for next := ""; ; {
				last := done.Load() // before the page, so that one more page is read after the last write
				page := f.page(t, next, limit)
				for _, e := range page.Events {
					got = append(got, e.ID)
				}
				if next = page.Next; len(got) > endless || (last && len(page.Events) == 0) {
					break
				}
			}
			complete(t, got, slices.Concat(wrote...))
		})
	}
}

// scatter writes transitions of payments that other writers change too, and returns the events' ids.
func (f fixture) scatter(t testing.TB, seed, count int) (ids []string) {
	t.Helper()
	own := store.New(f.client, options)
	for i := 0; len(ids) < count; i++ {
		id := numbered((seed*31 + i) % 50)
		o, now, err := own.LoadOrder(t.Context(), payment.Ref{Order: OrderOf(id)}, id)
		o, c := Transition(o, id, now)
		if err == nil {
			_, err = own.SaveOrder(t.Context(), o, c)
		}
		switch {
		case err == nil:
			ids = append(ids, c.Events[0].ID)
		case !errors.Is(err, payment.ErrConflict):
			t.Error(err)
			return ids
		}
	}
	return ids
}
