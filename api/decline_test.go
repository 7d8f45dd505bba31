package api_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"kasse/test/wait"
)

// TestPageSeesAGenericDecline: a page is not shown that a card was reported stolen; backends are, since they look for
// fraud.
func TestPageSeesAGenericDecline(t *testing.T) {
	w := newEnv(t)
	w.deliverWebhooks()
	token := w.token(claims{"metadata": map[string]string{"decline_code": "stolen_card"}}) // metadata stay as they are
	reader := w.token(claims{"amount": nil, "currency": nil})
	var made opened
	w.send(request{line: createLine, token: token}).into(t, http.StatusCreated, &made)
	line := "GET /v1/payments/" + made.PaymentIntent
	for code, shown := range map[string]string{
		"stolen_card": "generic_decline", "lost_card": "generic_decline", "pickup_card": "generic_decline",
		"restricted_card": "generic_decline", "fraudulent": "generic_decline", "merchant_blacklist": "generic_decline",
		"insufficient_funds": "insufficient_funds", "do_not_honor": "do_not_honor",
	} {
		if err := w.stripe.Decline(made.PaymentIntent, "card_declined", code); err != nil {
			t.Fatal(err)
		}
		w.reachDecline(line, code)
		for name, r := range map[string]request{
			"client secret": {line: line, token: made.ClientSecret}, "order token": {line: line, token: token},
			"reading token": {line: line, token: reader}, "order": {line: "GET /v1/orders/shop-1", token: token},
			"order to a reader": {
				line: "GET /v1/orders/shop-1", token: reader,
			}, "create": {line: createLine, token: token},
		} {
			answer := w.send(r)
			public := strings.ReplaceAll(answer.body, `{"decline_code":"stolen_card"}`, "{}")
			if answer.status != http.StatusOK || !strings.Contains(public, `"decline_code":"`+shown+`"`) ||
				strings.Count(public, "decline_code") != 1 {
				t.Errorf("%s by %s: %d %s", code, name, answer.status, answer.body)
			}
		}
	}
}

// reachDecline waits until a service key sees the decline code, as Stripe gave it.
func (w *apiEnv) reachDecline(line, code string) {
	w.t.Helper()
	deadline := time.Now().Add(wait.Patience)
	for !strings.Contains(w.send(request{line: line, token: fullKey}).body, `"decline_code":"`+code+`","message"`) {
		if time.Now().After(deadline) {
			w.t.Fatalf("the decline %s was not seen", code)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
