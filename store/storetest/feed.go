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

	"kasse/service"
	"kasse/store"
)

func (f fixture) page(t testing.TB, after string, limit int) service.FeedPage {
	t.Helper()
	page, err := f.LoadEvents(t.Context(), after, limit)
	must(t, err)
	if len(page.Events) > limit {
		t.Errorf("a page has %d events, at most %d were asked for", len(page.Events), limit)
	}
	wellFormed(t, page.Next)
	return page
}

// rest pages on until a page is empty, and returns the ids and the last cursor.
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

// shape of what a payment is called in tests that write to all partitions.
func numbered(i int) service.PaymentID { return service.PaymentID(fmt.Sprintf("pi_%d", i)) }

func (connect connector) testFeed(t *testing.T) {
	t.Run("tells what happened, and when", func(t *testing.T) {
		f := fresh(t, connect)
		before := f.now(t).Truncate(time.Second)
		w := transition(service.Payment{ID: "pi_1"}, f.now(t))
		must(t, f.SavePayment(t.Context(), w))
		page := f.page(t, "", 10)
		if len(page.Events) != 1 {
			t.Fatalf("%d events, want 1", len(page.Events))
		}
		e := page.Events[0]
		if e.ID != w.Event.ID || e.Type != w.Event.Type || string(e.Data) != string(w.View) || e.Restored {
			t.Errorf("got %+v", e)
		}
		if e.CreatedAt.Before(before) || e.CreatedAt.After(f.now(t)) || e.CreatedAt.Location() != time.UTC {
			t.Errorf("created at %s", e.CreatedAt)
		}
	})
	t.Run("has all partitions, each payment in order", func(t *testing.T) {
		f := fresh(t, connect)
		var want []string
		for i := range 300 {
			want = append(want, f.put(t, numbered(i%60)))
		}
		for _, limit := range []int{1, 7, 100, 500} {
			got, _ := f.rest(t, "", limit)
			complete(t, got, want)
		}
	})
	t.Run("fills a page, from however few partitions", func(t *testing.T) {
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
	})
	t.Run("goes on from an empty page", func(t *testing.T) {
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
	})
	t.Run("begins with the newest", func(t *testing.T) {
		f := fresh(t, connect)
		empty := f.page(t, service.Latest, 10)
		for i := range 40 {
			f.put(t, numbered(i))
		}
		latest := f.page(t, service.Latest, 10)
		if len(empty.Events)+len(latest.Events) != 0 {
			t.Error("want empty pages")
		}
		if got, _ := f.rest(t, empty.Next, 10); len(got) != 40 {
			t.Errorf("got %d of 40 events from before the first", len(got))
		}
		want := f.put(t, "pi_7")
		if got, _ := f.rest(t, latest.Next, 10); !slices.Equal(got, []string{want}) {
			t.Errorf("got %v, want %s", got, want)
		}
	})
}

// complete fails the test unless the feed gave every event once, and those of a payment in order.
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

// testFeedWhileWriting pages while others write: the feed must lose nothing, and give nothing twice.
func (connect connector) testFeedWhileWriting(t *testing.T) {
	for _, limit := range []int{3, 40} {
		t.Run(fmt.Sprintf("%d a page", limit), func(t *testing.T) {
			f := fresh(t, connect)
			const writers, each = 6, 80
			var written sync.WaitGroup
			var done atomic.Bool
			wrote := make([][]string, writers)
			for i := range writers {
				written.Go(func() { wrote[i] = f.scatter(t, i, each) })
			}
			go func() { written.Wait(); done.Store(true) }()

			var got []string
			for next := ""; ; {
				last := done.Load() // before the page is read, so that a page after the last write is read
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

// scatter writes transitions of payments that other writers write, too, and returns the events' ids.
func (f fixture) scatter(t testing.TB, seed, count int) (ids []string) {
	t.Helper()
	own := store.New(f.client, options)
	for i := 0; len(ids) < count; i++ {
		p, now, err := own.LoadPayment(t.Context(), numbered((seed*31+i)%50))
		w := transition(p, now)
		if err == nil {
			err = own.SavePayment(t.Context(), w)
		}
		switch {
		case err == nil:
			ids = append(ids, w.Event.ID)
		case !errors.Is(err, service.ErrConflict):
			t.Error(err)
			return ids
		}
	}
	return ids
}
