package kasse_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	kasse "kasse/clients/go"
)

// testOrders lists the orders of one customer, so that the list has no orders of other tests.
func testOrders(d *dev) {
	t, ctx := d.t, d.t.Context()
	customer := d.newCustomer()
	var ids []string
	for i := range 5 {
		terms := kasse.PaymentCreate{OrderID: "listed-" + strconv.Itoa(i), Amount: 100, Currency: "eur"}
		terms.Customer = &customer
		opened := must(d.client.CreatePayment(ctx, terms))(t)
		ids = slices.Insert(ids, 0, opened.OrderID)
		if i == 0 {
			d.pay(opened, "pm_card_visa")
			d.until(d.client, opened.PaymentIntent, kasse.StatePaid)
		}
		time.Sleep(5 * time.Millisecond) // orders of one millisecond are in the order of their ids
	}
	for name, test := range map[string]struct {
		query kasse.OrderQuery
		want  []string
	}{
		"all, in three pages": {kasse.OrderQuery{Limit: 2}, ids},
		"paid":                {kasse.OrderQuery{State: kasse.StatePaid}, ids[4:]},
		"newer than now":      {kasse.OrderQuery{CreatedAfter: time.Now().Add(time.Hour)}, nil},
		"of the last hour":    {kasse.OrderQuery{CreatedAfter: time.Now().Add(-time.Hour)}, ids},
	} {
		test.query.Customer = customer
		if got := d.listed(test.query); !slices.Equal(got, test.want) {
			t.Errorf("%s: the orders are %v, want %v", name, got, test.want)
		}
	}
	page := must(d.client.ListOrders(ctx, kasse.OrderQuery{Customer: customer, Limit: 3}))(t)
	if len(page.Orders) != 3 || page.Next == nil {
		t.Fatalf("the first page is %+v", page)
	}
	if got := d.listed(kasse.OrderQuery{Customer: customer, After: *page.Next}); !slices.Equal(got, ids[3:]) {
		t.Errorf("after the first page the orders are %v, want %v", got, ids[3:])
	}
	for _, query := range []kasse.OrderQuery{{Limit: 101}, {State: "payed"}, {Customer: "invalid"}} {
		if _, err := d.client.ListOrders(ctx, query); !errors.Is(err, kasse.ProblemCodeInvalidRequest) {
			t.Errorf("%+v gives %v", query, err)
		}
	}
}

// listed collects what Orders yields.
func (d *dev) listed(query kasse.OrderQuery) (ids []string) {
	d.t.Helper()
	for order, err := range d.client.Orders(d.t.Context(), query) {
		if err != nil {
			d.t.Fatal(err)
		}
		ids = append(ids, order.OrderID)
	}
	return ids
}

// newCustomer makes a customer at the simulated Stripe.
func (d *dev) newCustomer() kasse.CustomerID {
	d.t.Helper()
	request, err := http.NewRequest(http.MethodPost, d.stripe+"/v1/customers", http.NoBody)
	if err != nil {
		d.t.Fatal(err)
	}
	request.SetBasicAuth("sk_test_kasse_dev", "")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		d.t.Fatal(err)
	}
	defer answer.Body.Close()
	var customer struct{ ID string }
	if err := json.NewDecoder(answer.Body).Decode(&customer); err != nil || customer.ID == "" {
		d.t.Fatalf("the customer is %v, %v", customer, err)
	}
	return customer.ID
}

// TestOrdersAskForPagesWhenNeeded: an empty page is not the last one, a failed page is requested
// again, and no page is requested after the caller has stopped.
func TestOrdersAskForPagesWhenNeeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := script{t: t, answers: []http.HandlerFunc{
			answer(200, `{"orders":[{"order_id":"a"}],"next":"c1"}`), hangUp,
			answer(200, `{"orders":[],"next":"c2"}`), answer(200, `{"orders":[{"order_id":"b"}],"next":null}`),
			answer(200, `{"orders":[{"order_id":"a"}],"next":"c1"}`),
		}}
		client, query := s.client(), kasse.OrderQuery{Customer: "cus_1", Limit: 7}
		var ids []string
		for order, err := range client.Orders(t.Context(), query) {
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, order.OrderID)
		}
		for range client.Orders(t.Context(), query) {
			break
		}
		if !slices.Equal(ids, []string{"a", "b"}) || len(s.paths) != 5 {
			t.Errorf("the orders are %v, by %v", ids, s.paths)
		}
		if !strings.HasSuffix(s.paths[3], "/v1/orders?after=c2&customer=cus_1&limit=7") {
			t.Errorf("the request for the last page is %s", s.paths[3])
		}
	})
}

// TestOrdersEndWithAnError: an end without one would look like the end of the list.
func TestOrdersEndWithAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := script{t: t, answers: []http.HandlerFunc{
			answer(200, `{"orders":[{"order_id":"a"}],"next":"c1"}`), hangUp,
		}}
		reason := errors.New("the caller stops")
		ctx, stop := context.WithCancelCause(t.Context())
		defer stop(nil)
		var last error
		for _, err := range s.client().Orders(ctx, kasse.OrderQuery{}) {
			time.AfterFunc(100*time.Millisecond, func() { stop(reason) })
			last = err
		}
		if !errors.Is(last, reason) {
			t.Errorf("the list ends with %v", last)
		}
	})
}
