package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// TestMobile: a native app gets a session for Stripe's own component, at creation and when it asks again.
func TestMobile(t *testing.T) {
	w := newEnv(t)
	body := fmt.Sprintf(
		`{"order_id":"shop-1","amount":4999,"currency":"eur","customer":%q,"customer_session":{"surface":"mobile",`+
			`"save":true,"save_allow_redisplay":"limited"}}`,
		w.customer(),
	)
	var made opened
	w.send(request{line: createLine, token: fullKey, body: body}).into(t, http.StatusCreated, &made)
	again := w.send(request{line: "POST /v1/payments/" + made.PaymentIntent + "/customer-session", token: fullKey})
	if made.Session == nil || again.status != http.StatusCreated {
		t.Fatalf("%+v, then %d %s", made, again.status, again.body)
	}
	sessions := 0
	for _, r := range w.stripe.Requests() {
		if r.Path != "/v1/customer_sessions" {
			continue
		}
		sessions++
		if !strings.Contains(
			r.Body, "components[mobile_payment_element]",
		) || strings.Contains(r.Body, "components[payment_element]") ||
			!strings.Contains(r.Body, "[payment_method_save_allow_redisplay_override]=limited") {
			t.Errorf("asked for %s", r.Body)
		}
	}
	if sessions != 2 {
		t.Errorf("%d sessions", sessions)
	}
}
