package api_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// sees reads the members of an answer, or of its member `payment`.
func (r reply) sees(t *testing.T) map[string]json.RawMessage {
	t.Helper()
	var members, payment map[string]json.RawMessage
	if err := json.Unmarshal([]byte(r.body), &members); err != nil {
		t.Fatal(err)
	}
	if json.Unmarshal(members["payment"], &payment) == nil && payment != nil {
		return payment
	}
	return members
}

// TestReviewByCredential: while Radar reviews a payment it is held. The service key sees the review, with what was
// paid and the receipt; the order token sees these two; the holder of the client secret sees that it is held.
func TestReviewByCredential(t *testing.T) {
	w := newEnv(t)
	w.deliverWebhooks()
	token := w.token(claims{"metadata": claims{"review": "mine"}})
	var made opened
	w.send(request{line: createLine, token: token}).into(t, http.StatusCreated, &made)
	if err := w.stripe.PayWith(made.PaymentIntent, "pm_card_riskLevelElevated"); err != nil {
		t.Fatal(err)
	}
	w.reach(made.PaymentIntent, "paid")
	w.settled()
	status, order := "GET /v1/payments/"+made.PaymentIntent, "GET /v1/orders/shop-1"
	session := "POST /v1/payments/" + made.PaymentIntent + "/customer-session"
	for name, tt := range map[string]struct {
		request request
		sees    string // of the members that not every caller sees
	}{
		"service key":        {request{line: status, token: readKey}, "details receipt review"},
		"service key, order": {request{line: order, token: readKey}, "details receipt review"},
		"service key, create": {
			request{line: createLine, token: fullKey, body: `{"order_id":"shop-1","amount":1999,"currency":"eur"}`},
			"details receipt review",
		},
		"order token":             {request{line: status, token: token}, "details receipt"},
		"order token, order":      {request{line: order, token: token}, "details receipt"},
		"order token, create":     {request{line: createLine, token: token}, "details receipt"},
		"order token, session":    {request{line: session, token: token}, "details receipt"},
		"reader without customer": {request{line: status, token: w.token(claims{"amount": nil, "currency": nil})}, ""},
		"client secret":           {request{line: status, token: made.ClientSecret}, ""},
	} {
		answer := w.send(tt.request)
		members := answer.sees(t)
		var sees []string
		for short, member := range map[string]string{
			"details": "payment_method_details", "receipt": "receipt_url", "review": "review",
		} {
			if value, there := members[member]; there {
				sees = append(sees, short)
				if string(value) == "null" {
					t.Errorf("%s: %s is null", name, member)
				}
			}
		}
		if len(sees) != len(strings.Fields(tt.sees)) || string(members["hold_reason"]) != `"in_review"` ||
			string(members["fulfillable"]) != "false" {
			t.Errorf("%s sees %v in %d %s", name, sees, answer.status, answer.body)
		}
		for _, short := range sees {
			if !strings.Contains(tt.sees, short) {
				t.Errorf("%s sees the %s in %s", name, short, answer.body)
			}
		}
	}
	details := string(w.send(request{line: status, token: readKey}).sees(t)["payment_method_details"])
	if !strings.HasPrefix(details, `{"type":"card","brand":"visa","last4":"`) {
		t.Errorf("paid with %s", details)
	}
	w.checkReviewEnds(made)
}

// checkReviewEnds approves the payment's review: order.paid is announced, once.
func (w *apiEnv) checkReviewEnds(made opened) {
	w.t.Helper()
	var shown struct {
		Review struct{ ID string }
	}
	w.send(request{line: "GET /v1/payments/" + made.PaymentIntent, token: readKey}).into(w.t, http.StatusOK, &shown)
	w.stripe.Advance(2 * 1e9)
	if err := w.stripe.CloseReview(shown.Review.ID, "approved"); err != nil {
		w.t.Fatal(err)
	}
	w.settled()
	after := w.send(request{line: "GET /v1/payments/" + made.PaymentIntent, token: readKey}).sees(w.t)
	if string(after["review"]) != "null" || string(after["hold_reason"]) != "null" ||
		string(after["fulfillable"]) != "true" {
		w.t.Errorf("after the approval: %s %s %s", after["review"], after["hold_reason"], after["fulfillable"])
	}
	paid := 0
	for _, kind := range w.announced(made.PaymentIntent) {
		if kind == "order.paid" {
			paid++
		}
	}
	if paid != 1 {
		w.t.Errorf("order.paid was announced %d times", paid)
	}
}
