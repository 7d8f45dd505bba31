package api_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"kasse/service"
	"kasse/service/payment"
)

// foundOrders is a page of orders as a backend reads it.
type foundOrders struct {
	Orders []struct {
		ID         string `json:"order_id"`
		Closed     bool
		Payment    *struct{ State, Customer string }
		Superseded []json.RawMessage
	}
	Next *string
}

func (w *apiEnv) find(query string) foundOrders {
	w.t.Helper()
	var page foundOrders
	w.send(request{line: "GET /v1/orders" + query, token: readKey}).into(w.t, http.StatusOK, &page)
	return page
}

func (p foundOrders) ids() (ids []string) {
	for _, o := range p.Orders {
		ids = append(ids, o.ID)
	}
	return ids
}

// createFor opens a payment of an order for a customer; empty for a guest.
func (w *apiEnv) createFor(order, customer, more string) opened {
	w.t.Helper()
	body := `{"order_id":"` + order + `","amount":4999,"currency":"eur"` + more
	if customer != "" {
		body += `,"customer":"` + customer + `"`
	}
	var made opened
	w.send(request{line: "POST /v1/payments", token: fullKey, body: body + "}"}).into(w.t, http.StatusCreated, &made)
	return made
}

func TestOrdersAreFound(t *testing.T) {
	w := newEnv(t)
	w.deliverWebhooks()
	ann, bob := w.customer(), w.customer()
	first := w.createFor("shop-1", ann, "")
	w.createFor("shop-2", "", "")
	w.createFor("shop-3", bob, "")
	w.createFor("shop-4", ann, "")
	if err := w.stripe.SetStatus(first.PaymentIntent, "succeeded"); err != nil {
		t.Fatal(err)
	}
	w.reach(first.PaymentIntent, "paid")
	w.send(request{
		line: "POST /v1/order-tokens", token: fullKey,
		body: `{"order_id":"shop-5","amount":1,"currency":"eur","customer":"` + bob + `"}`,
	}).
		into(t, http.StatusCreated, &struct{}{})
	hour := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	for query, want := range map[string][]string{
		"":                                      {"shop-5", "shop-4", "shop-3", "shop-2", "shop-1"},
		"?customer=" + ann:                      {"shop-4", "shop-1"},
		"?customer=" + bob:                      {"shop-5", "shop-3"},
		"?state=paid":                           {"shop-1"},
		"?state=pending&customer=" + ann:        {"shop-4"},
		"?state=refunded":                       nil,
		"?customer=cus_none":                    nil,
		"?created_after=2026-01-01T00:00:00.5Z": {"shop-5", "shop-4", "shop-3", "shop-2", "shop-1"},
		"?created_after=" + hour:                nil,
		"?created_after=2026-01-01T00:00:00Z&limit=100&state=paid&after=&customer=" + ann: {"shop-1"},
	} {
		page := w.find(query)
		if !slices.Equal(page.ids(), want) || page.Next != nil {
			t.Errorf("%s: got %v and next %v, want %v", query, page.ids(), page.Next, want)
		}
	}
	var all []string
	for query := "?limit=2"; query != ""; {
		page := w.find(query)
		all, query = append(all, page.ids()...), ""
		if page.Next != nil {
			query = "?limit=2&after=" + *page.Next
		}
	}
	if want := []string{"shop-5", "shop-4", "shop-3", "shop-2", "shop-1"}; !slices.Equal(all, want) {
		t.Errorf("page by page: got %v, want %v", all, want)
	}
	w.sameAsOneByOne()
}

// sameAsOneByOne: an order of a page equals the order's own response.
func (w *apiEnv) sameAsOneByOne() {
	w.t.Helper()
	var page struct{ Orders []json.RawMessage }
	w.send(request{line: "GET /v1/orders", token: fullKey}).into(w.t, http.StatusOK, &page)
	for _, raw := range page.Orders {
		var named struct {
			ID string `json:"order_id"`
		}
		if err := json.Unmarshal(raw, &named); err != nil {
			w.t.Fatal(err)
		}
		one := w.send(request{line: "GET /v1/orders/" + named.ID, token: fullKey})
		if one.body != string(raw) {
			w.t.Errorf("listed %s, by itself %s", raw, one.body)
		}
	}
}

// TestReopenedOrderIsFoundUnderItsCustomer: a former customer does not find the order any more.
func TestReopenedOrderIsFoundUnderItsCustomer(t *testing.T) {
	w := newEnv(t)
	w.deliverWebhooks()
	ann, bob := w.customer(), w.customer()
	w.createFor("shop-1", ann, "")
	made := w.createFor("shop-1", bob, `,"reopen":true`)
	if page := w.find("?customer=" + ann); len(page.Orders) != 0 {
		t.Errorf("the former customer finds %v", page.ids())
	}
	page := w.find("?customer=" + bob)
	if len(page.Orders) != 1 || page.Orders[0].Payment.Customer != bob || len(page.Orders[0].Superseded) != 1 {
		t.Errorf("got %+v after %s", page, made.PaymentIntent)
	}
}

// TestCustomersChangeWhilePagesAreRead: an order keeps its place in the list, so no page repeats it. The list of a
// customer has the orders that are the customer's when their page is read.
func TestCustomersChangeWhilePagesAreRead(t *testing.T) {
	w := newEnv(t)
	w.deliverWebhooks()
	ann, bob := w.customer(), w.customer()
	w.createFor("shop-1", ann, "")
	w.createFor("shop-2", bob, "")
	w.createFor("shop-3", ann, "")
	w.createFor("shop-4", bob, "")
	lists := []struct {
		query        string
		before, rest []string // the orders of the pages that are read before and after the change
	}{
		{"?limit=1", []string{"shop-4"}, []string{"shop-3", "shop-2", "shop-1"}},
		{"?limit=1", []string{"shop-4", "shop-3", "shop-2"}, []string{"shop-1"}},
		{"?limit=1&customer=" + ann, []string{"shop-3"}, []string{"shop-2", "shop-1"}},
		{"?limit=1&customer=" + bob, []string{"shop-4"}, []string{"shop-3"}},
		{"?limit=1&customer=" + bob, []string{"shop-4", "shop-2"}, nil},
	}
	next := make([]*string, len(lists))
	for i, list := range lists {
		before, after := w.findPages(list.query, new(""), len(list.before))
		if next[i] = after; !slices.Equal(before, list.before) {
			t.Errorf("%s: got %v, want %v", list.query, before, list.before)
		}
	}
	w.createFor("shop-3", bob, `,"reopen":true`)
	w.createFor("shop-2", ann, `,"reopen":true`)
	for i, list := range lists {
		if rest, _ := w.findPages(list.query, next[i], 10); !slices.Equal(rest, list.rest) {
			t.Errorf("%s after %v: got %v, want %v", list.query, list.before, rest, list.rest)
		}
	}
}

// findPages reads so many pages of a list, from a cursor on.
func (w *apiEnv) findPages(query string, after *string, pages int) (ids []string, next *string) {
	for ; after != nil && pages > 0; pages-- {
		page := w.find(query + "&after=" + *after)
		ids, after = append(ids, page.ids()...), page.Next
	}
	return ids, after
}

func TestOrderQueriesThatAreRefused(t *testing.T) {
	w := newEnv(t)
	for query, parameter := range map[string]string{
		"?customer=": "customer", "?customer=ann": "customer", "?state=payed": "state", "?state=paid,pending": "state",
		"?created_after=yesterday": "created_after", "?created_after=1795435200": "created_after",
		"?created_after=2026-11-23T1:00:00Z": "created_after", "?created_after=2026-11-23T10:00:00,5Z": "created_after",
		"?created_after=2026-11-23T10:00:00%2B24:00": "created_after", "?created_after=": "created_after",
		"?limit=0": "limit", "?limit=101": "limit", "?after=latest": "after", "?after=" + strings.Repeat(
			"A", 1025,
		): "after",
		"?page=2": "page", "?limit=1&limit=2": "limit",
	} {
		var p struct {
			Code   string
			Errors []struct{ Parameter string }
		}
		w.send(request{line: "GET /v1/orders" + query, token: readKey, bad: true}).into(t, http.StatusBadRequest, &p)
		if p.Code != "invalid_request" || len(p.Errors) != 1 || p.Errors[0].Parameter != parameter {
			t.Errorf("%s: got %+v, want %s", query, p, parameter)
		}
	}
}

// TestCreatedAfterTakesEveryRFC3339Time: the letters may be small, and the offset may be any (RFC 3339, section 5.6).
func TestCreatedAfterTakesEveryRFC3339Time(t *testing.T) {
	w := newEnv(t)
	w.createFor("shop-1", "", "")
	hour, east := time.Now().Add(-time.Hour), time.FixedZone("", 2*60*60)
	for _, text := range []string{
		strings.ToLower(hour.UTC().Format(time.RFC3339)), hour.In(east).Format(time.RFC3339),
		hour.UTC().Format(time.RFC3339Nano), hour.In(east).Format("2006-01-02t15:04:05-07:00"),
	} {
		line := "GET /v1/orders?created_after=" + url.QueryEscape(text)
		answer := w.send(request{line: line, token: readKey, bad: true}) // the checker takes capital letters only
		if answer.status != http.StatusOK || !strings.Contains(answer.body, `"order_id":"shop-1"`) {
			t.Errorf("%s: %d %s", text, answer.status, answer.body)
		}
	}
}

func TestOrdersWithoutAnIndex(t *testing.T) {
	w := newEnv(t, func(o *service.Options) { o.OrderIndex = false })
	w.createFor("shop-1", "", "")
	var p struct{ Code, Detail string }
	w.send(request{line: "GET /v1/orders", token: readKey}).into(t, http.StatusNotFound, &p)
	if p.Code != string(payment.CodeNotFound) || !strings.Contains(p.Detail, "ORDER_INDEX") {
		t.Errorf("got %+v", p)
	}
	keys, err := w.keys.Keys(t.Context(), "kasse:*:index:*").Result()
	if err != nil || len(keys) != 0 {
		t.Errorf("%v, %v", keys, err)
	}
}
