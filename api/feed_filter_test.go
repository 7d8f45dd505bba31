package api_test

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestFeedFilters(t *testing.T) {
	w := newEnv(t)
	w.deliverWebhooks()
	for _, order := range []string{"shop-1", "shop-2"} {
		made := w.create(order)
		for status, state := range map[string]string{"succeeded": "paid"} {
			if err := w.stripe.SetStatus(made.PaymentIntent, status); err != nil {
				t.Fatal(err)
			}
			w.reach(made.PaymentIntent, state)
		}
	}
	all, _ := w.follow("?")
	for query, want := range map[string]int{
		"?type=order.paid": 2, "?type=order.paid,order.refunded": 2, "?type=order.refunded": 0,
		"?order_id=shop-1&type=order.paid": 1, "?order_id=shop-3": 0, "?order_id=shop-1": len(all.Events) / 2,
	} {
		page, _ := w.follow(query)
		if len(page.Events) != want || page.Next == "" {
			t.Errorf("%s: %+v, want %d events", query, page, want)
		}
		if behind, _ := w.follow(query + "&after=" + page.Next); len(behind.Events) != 0 {
			t.Errorf("%s: %+v behind the page", query, behind)
		}
	}
}

// TestFilteredWaitEndsAtAMatch: what a filter leaves out wakes the waiter, and does not end the wait.
func TestFilteredWaitEndsAtAMatch(t *testing.T) {
	w := newEnv(t)
	w.deliverWebhooks()
	mine, other := w.create("shop-1"), w.create("shop-2")
	start, _ := w.follow("?after=latest")
	const between = time.Second
	time.AfterFunc(between, func() { _ = w.stripe.SetStatus(other.PaymentIntent, "requires_payment_method") })
	time.AfterFunc(2*between, func() { _ = w.stripe.SetStatus(mine.PaymentIntent, "requires_payment_method") })
	for _, query := range []string{"?order_id=shop-1", "?type=order.failed&order_id=shop-1"} {
		page, _ := w.follow(query + "&wait=25&after=" + start.Next)
		if len(page.Events) != 1 || !strings.HasPrefix(page.Events[0].ID, mine.PaymentIntent) {
			t.Errorf("%s: got %+v, want the event of shop-1", query, page)
		}
	}
	if page, took := w.follow("?type=order.paid&wait=1&after=" + start.Next); len(page.Events) != 0 ||
		took < time.Second {
		t.Errorf("%+v after %s, want nothing after a second", page, took)
	}
}

func TestFeedFiltersThatAreRefused(t *testing.T) {
	w := newEnv(t)
	for query, parameter := range map[string]string{
		"?type=order.payed": "type", "?type=": "type", "?type=order.paid,": "type",
		"?type=order.paid,%20order.held": "type",
		"?order_id=":                     "order_id", "?order_id=a/b": "order_id",
		"?order_id=" + strings.Repeat("a", 65): "order_id",
		"?type=order.paid&type=order.held":     "type",
	} {
		refused := w.send(request{line: "GET /v1/events" + query, token: fullKey, bad: true})
		var p struct {
			Code   string
			Errors []struct{ Parameter string }
		}
		refused.into(t, http.StatusBadRequest, &p)
		if p.Code != "invalid_request" || len(p.Errors) != 1 || p.Errors[0].Parameter != parameter {
			t.Errorf("%s: got %+v, want %s", query, p, parameter)
		}
	}
}
