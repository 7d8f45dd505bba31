package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

func TestCapture(t *testing.T) {
	w := newEnv(t)
	w.deliverWebhooks()
	made := w.authorized("shop-1")
	var got money
	w.capture(made, `{"amount":5000}`).says(t, http.StatusUnprocessableEntity, "amount_out_of_range")
	answer := w.capture(made, `{"amount":3000}`)
	answer.into(t, http.StatusOK, &got)
	if got.State != "paid" || got.AmountReceived != 3000 || got.AmountCapturable != 0 || !got.Fulfillable ||
		answer.header.Get("ETag") != fmt.Sprintf(`"%d"`, got.Version) {
		t.Errorf("captured to %s", answer.body)
	}
	w.capture(made, `{"amount":3000}`).into(t, http.StatusOK, &got)
	for _, body := range []string{`{}`, ``} { // all that could be captured: nothing more
		w.capture(made, body).into(t, http.StatusOK, &got)
	}
	for _, body := range []string{`{"amount":2000}`, `{"amount":4999}`} {
		if refused := w.capture(made, body).says(
			t, http.StatusConflict, "invalid_state",
		); !strings.Contains(refused.body, `"amount_received":3000`) {
			t.Errorf("it does not show the payment: %s", refused.body)
		}
	}
	var list struct{ Refunds []any }
	w.send(
		request{line: "GET /v1/payments/" + made.PaymentIntent + "/refunds", token: readKey},
	).into(t, http.StatusOK, &list)
	if view := w.reach(made.PaymentIntent, "paid"); len(list.Refunds) != 0 ||
		!strings.Contains(view.body, `"amount_refunded":0`) {
		t.Errorf("the release counts as a refund: %v %s", list, view.body)
	}
	w.checkAnnounced(made.PaymentIntent, "order.authorized", "order.paid")
}

func TestCaptureOfAll(t *testing.T) {
	w := newEnv(t)
	w.deliverWebhooks()
	made := w.authorized("shop-1")
	var got money
	for range 2 {
		w.capture(made, "").into(t, http.StatusOK, &got)
	}
	if got.State != "paid" || got.AmountReceived != 4999 {
		t.Errorf("%+v", got)
	}
}

// TestCaptureTooLate: what the customer, a bank or another backend did first is the truth, and never a 500.
func TestCaptureTooLate(t *testing.T) {
	w := newEnv(t) // without webhooks: only the refusal shows it
	for name, test := range map[string]struct {
		status string
		state  string
	}{"canceled": {"canceled", "canceled"}, "captured": {"succeeded", "paid"}} {
		var made opened
		w.send(request{
			line: createLine, token: fullKey,
			body: fmt.Sprintf(`{"order_id":"shop-%s","amount":4999,"currency":"eur","capture_method":"manual"}`, name),
		}).
			into(t, http.StatusCreated, &made)
		w.capture(made, "").says(t, http.StatusConflict, "invalid_state") // nothing is authorised
		w.bring(made.PaymentIntent, "requires_capture")
		w.read(made)
		w.bring(made.PaymentIntent, test.status)
		answer := w.capture(made, `{"amount":1000}`).says(t, http.StatusConflict, "invalid_state")
		if !strings.Contains(answer.body, `"state":"`+test.state+`"`) {
			t.Errorf("%s: it does not show the truth: %s", name, answer.body)
		}
	}
}
