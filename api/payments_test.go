package api_test

import (
	"net/http"
	"strings"
	"testing"
)

func TestPaymentFromCreateToPaid(t *testing.T) {
	w := newEnv(t)
	w.deliverWebhooks()
	body := `{"order_id":"shop:1","amount":4999,"currency":"eur","customer":"` + w.customer() +
		`","metadata":{"channel":"web"}}`
	var made opened
	first := w.send(request{line: "POST /v1/payments", token: fullKey, body: body})
	first.into(t, http.StatusCreated, &made)
	want := map[string]string{
		"Location": "/v1/payments/" +
			made.PaymentIntent, "Cache-Control": "no-store", "Content-Type": "application/json",
	}
	for name, value := range want {
		if got := first.header.Get(name); got != value {
			t.Errorf("%s is %q, want %q", name, got, value)
		}
	}
	if !strings.HasPrefix(made.ClientSecret, made.PaymentIntent+"_secret_") || made.Session == nil ||
		made.PublishableKey != publishableKey {
		t.Errorf("the page cannot pay with %s", first.body)
	}

	if err := w.stripe.SetStatus(made.PaymentIntent, "succeeded"); err != nil {
		t.Fatal(err)
	}
	paid := w.reach(made.PaymentIntent, "paid")
	if !strings.Contains(paid.body, `"fulfillable":true`) {
		t.Errorf("not fulfillable: %s", paid.body)
	}
	public := w.send(request{line: "GET /v1/payments/" + made.PaymentIntent, token: made.ClientSecret})
	for _, hidden := range []string{`"customer"`, `"metadata"`, `"dispute"`, "secret"} {
		if public.status != http.StatusOK || strings.Contains(public.body, hidden) {
			t.Errorf("the holder of a client secret sees %s in %d %s", hidden, public.status, public.body)
		}
	}
	w.checkRecords(made)
	w.checkSecrets(made)

	again := w.send(request{line: "POST /v1/payments", token: fullKey, body: body})
	if again.status != http.StatusConflict || !strings.Contains(again.body, `"code":"order_already_paid"`) ||
		!strings.Contains(again.body, `"payment":{"payment_intent":`) {
		t.Errorf("a paid order is opened again: %d %s", again.status, again.body)
	}
}

// checkRecords reads what is kept of the paid order elsewhere than in its status.
func (w *apiEnv) checkRecords(made opened) {
	w.t.Helper()
	var order struct {
		OrderID    string `json:"order_id"`
		Payment    opened
		Superseded []opened
	}
	w.send(request{line: "GET /v1/orders/shop%3A1", token: readKey}).into(w.t, http.StatusOK, &order)
	if order.OrderID != "shop:1" || order.Payment.PaymentIntent != made.PaymentIntent || order.Superseded == nil {
		w.t.Errorf("order is %+v", order)
	}
	var past struct{ History []struct{ To, Cause string } }
	w.send(
		request{line: "GET /v1/payments/" + made.PaymentIntent + "/history", token: readKey},
	).into(w.t, http.StatusOK, &past)
	if n := len(past.History); n < 2 || past.History[0].To != "pending" || past.History[n-1].To != "paid" {
		w.t.Errorf("history is %+v", past)
	}
	var page struct {
		Events []struct{ Type string }
		Next   string
	}
	w.send(request{line: "GET /v1/events", token: fullKey}).into(w.t, http.StatusOK, &page)
	paid := 0
	for _, event := range page.Events {
		if event.Type == "order.paid" {
			paid++
		}
	}
	if paid != 1 {
		w.t.Errorf("events are %+v", page)
	}
	w.send(request{line: "GET /v1/events?limit=1&after=" + page.Next, token: fullKey}).into(w.t, http.StatusOK, &page)
	if len(page.Events) != 0 {
		w.t.Errorf("there is more behind the end: %+v", page)
	}
}

func TestCreateAgainIsTheSamePayment(t *testing.T) {
	w := newEnv(t)
	made := w.create("shop-1")
	if made.Session != nil || made.Customer != nil {
		t.Errorf("a guest has a session: %+v", made)
	}
	var again opened
	answer := w.send(request{
		line: "POST /v1/payments", token: fullKey,
		body: `{"order_id":"shop-1","amount":4999,"currency":"eur","customer":null}`,
	})
	answer.into(t, http.StatusOK, &again)
	if again.PaymentIntent != made.PaymentIntent || again.ClientSecret != made.ClientSecret {
		t.Errorf("another payment: %+v, then %+v", made, again)
	}
	if answer.header.Get("Location") != "" || answer.header.Get("ETag") == "" {
		t.Errorf("headers are %v", answer.header)
	}
	other := w.send(
		request{
			line: "POST /v1/payments", token: fullKey, body: `{"order_id":"shop-1","amount":5000,"currency":"eur"}`,
		},
	)
	if other.status != http.StatusConflict || !strings.Contains(other.body, `"code":"order_conflict"`) {
		t.Errorf("other terms: %d %s", other.status, other.body)
	}
}

func TestCustomerSession(t *testing.T) {
	w := newEnv(t)
	var made opened
	w.send(request{
		line: "POST /v1/payments", token: fullKey,
		body: `{"order_id":"shop-1","amount":4999,"currency":"eur","customer":"` + w.customer() + `"}`,
	}).
		into(t, http.StatusCreated, &made)
	line := "POST /v1/payments/" + made.PaymentIntent + "/customer-session"
	for _, body := range []string{
		"", "{}", `{"customer_session":null}`,
		`{"customer_session":{"redisplay_limit":5,"save":true,"save_usage":"off_session"}}`,
	} {
		var fresh opened
		answer := w.send(request{line: line, token: fullKey, body: body})
		answer.into(t, http.StatusCreated, &fresh)
		if fresh.Session == nil || fresh.Session.ClientSecret == made.Session.ClientSecret {
			t.Errorf("%s: no fresh session in %s", body, answer.body)
		}
		if answer.header.Get("Cache-Control") != "no-store" ||
			answer.header.Get("Location") != "/v1/payments/"+made.PaymentIntent {
			t.Errorf("%s: headers are %v", body, answer.header)
		}
	}
	guest := w.send(
		request{line: "POST /v1/payments/" + w.create("shop-2").PaymentIntent + "/customer-session", token: fullKey},
	)
	if guest.status != http.StatusConflict || !strings.Contains(guest.body, `"code":"invalid_state"`) {
		t.Errorf("a guest: %d %s", guest.status, guest.body)
	}
}

func TestCustomerThatStripeDoesNotKnow(t *testing.T) {
	w := newEnv(t)
	answer := w.send(request{
		line: "POST /v1/payments", token: fullKey,
		body: `{"order_id":"shop-1","amount":4999,"currency":"eur","customer":"cus_nobody"}`,
	})
	if answer.status != http.StatusUnprocessableEntity || !strings.Contains(
		answer.body, `"code":"customer_not_found"`,
	) ||
		!strings.Contains(
			answer.body, `"stripe_request_id":"req_`,
		) || strings.Contains(answer.body, "No such customer") {
		t.Errorf("%d %s", answer.status, answer.body)
	}
}
