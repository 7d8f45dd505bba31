package console

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// TestTimelineSeparatesOrders: a request belongs to an order by its payment, by Kasse's idempotency key, or
// by the customer of a CustomerSession.
func TestTimelineSeparatesOrders(t *testing.T) {
	created := time.Date(2026, 11, 28, 3, 45, 59, 0, time.UTC)
	o := order{ID: "o:1", Payment: &payment{PaymentIntent: "pi_1", Customer: "cus_1", CreatedAt: created}}
	_, f := start(t, orderWith("null"))
	c := New(Options{Kasse: f.server.URL, Service: "kasse"})
	for i, a := range []activity{
		{Kind: "request", Endpoint: "1", PaymentIntent: "pi_1"},
		{Kind: "request", Endpoint: "no", PaymentIntent: "pi_2"},
		{Kind: "request", Endpoint: "2", IdempotencyKey: "kasse:kasse:o:1:2"},
		{Kind: "request", Endpoint: "no", IdempotencyKey: "kasse:kasse:o:12"},
		{Kind: "request", Endpoint: "no", IdempotencyKey: "kasse:other:o:1:2"},
		{Kind: "request", Endpoint: "no", IdempotencyKey: "kasse:kasse:refund:abcdef"},
		{Kind: "request", Endpoint: "POST /v1/customer_sessions", Customer: "cus_1", At: created},
		{Kind: "request", Endpoint: "POST /v1/customer_sessions", Customer: "cus_2", At: created},
		{Kind: "request", Endpoint: "POST /v1/customer_sessions", Customer: "cus_1", At: created.Add(-time.Hour)},
		{Kind: "delivery", Type: "3", PaymentIntent: "pi_1"},
		{Kind: "delivery", Type: "no", PaymentIntent: ""},
	} {
		if a.At.IsZero() {
			a.At = created.Add(time.Duration(i) * time.Second)
		}
		c.seen.addActivities([]activity{a})
	}
	rows, err := c.timeline(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	var titles []string
	for _, r := range rows {
		titles = append(titles, r.Title)
	}
	slices.Sort(titles)
	if got := strings.Join(titles, ", "); got != "1, 2, 3, POST /v1/customer_sessions" {
		t.Errorf("the timeline has %s", got)
	}
}

// TestTimelineNamesAttemptsAndCauses: changes name their attempt and follow their cause, even if the cause's
// clock is slightly ahead.
func TestTimelineNamesAttemptsAndCauses(t *testing.T) {
	_, f := start(t, map[string]string{
		"GET /v1/payments/pi_1/history": `{"history":[{"version":1000,"from":null,"to":"pending","cause":"api"},` +
			`{"version":9000,"from":"pending","to":"canceled","cause":"payment_intent.canceled evt_1"}]}`,
		"GET /v1/payments/pi_2/history": `{"history":[{"version":10000,"from":null,"to":"pending","cause":"api"}]}`,
	})
	c := New(Options{Kasse: f.server.URL, Service: "kasse"})
	c.seen.addActivities([]activity{
		{
			Kind: "request", Endpoint: "create", PaymentIntent: "pi_1", At: time.UnixMilli(1001),
			Agent: "Stripe/v1 GoBindings/79",
		},
		{
			Kind: "delivery", Type: "canceled", Event: "evt_1", PaymentIntent: "pi_1", At: time.UnixMilli(9001),
			Status: 200,
		},
	})
	rows, err := c.timeline(t.Context(), order{
		ID: "o", Payment: &payment{PaymentIntent: "pi_2", Attempt: 2}, Earlier: []payment{
			{PaymentIntent: "pi_1", Attempt: 1},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	var titles []string
	for _, r := range rows {
		titles = append(titles, r.Title)
	}
	const want = "create, attempt 1: pending, canceled, attempt 1: pending → canceled, attempt 2: pending"
	if got := strings.Join(titles, ", "); got != want {
		t.Errorf("the timeline is %s", got)
	}
	if rows[0].Detail != "Kasse asked. Stripe did not answer." || !rows[0].Bad {
		t.Errorf("the request is %+v", rows[0])
	}
}
