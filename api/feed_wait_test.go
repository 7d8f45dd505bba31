package api_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// feedPage is a page of the feed as a backend reads it.
type feedPage struct {
	Events []struct{ ID, Type string }
	Next   string
}

// follow requests a page of the feed, and returns how long the response took.
func (w *apiEnv) follow(query string) (feedPage, time.Duration) {
	w.t.Helper()
	began := time.Now()
	var page feedPage
	w.send(request{line: "GET /v1/events" + query, token: fullKey}).into(w.t, http.StatusOK, &page)
	return page, time.Since(began)
}

func TestFeedWaitsForItsTime(t *testing.T) {
	w := newEnv(t)
	for _, after := range []string{"", "&after=latest"} {
		if page, took := w.follow("?wait=1" + after); len(page.Events) != 0 || page.Next == "" || took < time.Second {
			t.Errorf("%+v after %s", page, took)
		}
	}
}

// TestFeedWaitersAreAllAnswered: what wakes them is one subscription of the process, however many they are.
func TestFeedWaitersAreAllAnswered(t *testing.T) {
	w := newEnv(t)
	w.deliverWebhooks()
	made := w.create("shop-1")
	start, _ := w.follow("?after=latest")
	const waiters = 50
	var all sync.WaitGroup
	pages := make([]feedPage, waiters)
	for i := range pages {
		all.Go(func() { pages[i], _ = w.follow("?wait=25&after=" + start.Next) })
	}
	time.AfterFunc(
		300*time.Millisecond, func() { _ = w.stripe.SetStatus(made.PaymentIntent, "requires_payment_method") },
	)
	all.Wait()
	for _, page := range pages {
		if len(page.Events) != 1 || page.Events[0].Type != "order.failed" {
			t.Errorf("got %+v", page)
		}
	}
	subscribed, err := w.keys.PubSubNumSub(t.Context(), "kasse:{p0}:changed").Result()
	if err != nil || subscribed["kasse:{p0}:changed"] != 1 {
		t.Errorf("%v subscriptions, %v", subscribed, err)
	}
}

func TestDrainingEndsFeedWaits(t *testing.T) {
	w := newEnv(t)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if page, took := w.follow("?wait=25"); len(page.Events) != 0 || took > 20*time.Second {
				t.Errorf("%+v after %s", page, took)
			}
		})
	}
	time.AfterFunc(300*time.Millisecond, func() { close(w.draining) })
	all.Wait()
	if _, took := w.follow("?wait=25"); took > 20*time.Second { // one that comes later
		t.Errorf("held for %s", took)
	}
}

func TestFeedHoldsNoFullPage(t *testing.T) {
	w := newEnv(t)
	w.deliverWebhooks()
	made := w.create("shop-1")
	if err := w.stripe.SetStatus(made.PaymentIntent, "requires_payment_method"); err != nil {
		t.Fatal(err)
	}
	w.reach(made.PaymentIntent, "failed")
	if page, took := w.follow("?wait=25"); len(page.Events) != 1 || took > 20*time.Second {
		t.Errorf("%+v after %s", page, took)
	}
	held := w.send(request{line: "GET /v1/events?wait=25&after=" + strings.Repeat("A", 20), token: fullKey})
	if held.status != http.StatusGone && held.status != http.StatusBadRequest {
		t.Errorf("a cursor that no page returned: %d", held.status)
	}
}
