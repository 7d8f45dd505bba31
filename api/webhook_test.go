package api_test

import (
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"
)

// event is a PaymentIntent event as Stripe writes it; there is more in a real one.
func event(id, payment, status, metadata string) string {
	return fmt.Sprintf(`{"id":%q,"object":"event","api_version":"2020-08-27","created":%d,"livemode":false,"type":"payment_intent.processing",
		"data":{"object":{"id":%q,"object":"payment_intent","status":%q,"amount":4999,"amount_received":0,"amount_capturable":0,"currency":"eur",
		"capture_method":"automatic_async","created":1700000000,"customer":null,"latest_charge":"ch_1","livemode":false,"metadata":{%s}}}}`,
		id, time.Now().Unix()+1, payment, status, metadata)
}

func TestWebhookOutcomes(t *testing.T) {
	w := newEnv(t)
	made := w.create("shop-1")
	ours := `"kasse_service":"kasse","kasse_order_id":"shop-1","kasse_attempt":"1"`
	processing := event("evt_1", made.PaymentIntent, "processing", ours)
	for _, step := range []struct{ name, body, want string }{
		{"news", processing, "applied"},
		{"again", processing, "unchanged"},
		{"not ours", event("evt_2", "pi_foreign", "processing", ""), "ignored"},
		{
			"other type",
			`{"id":"evt_3","object":"event","created":1700000000,"livemode":false,"type":"invoice.paid","data":` +
				`{"object":{"id":"in_1"}}}`,
			"ignored",
		},
		{"no event", `<xml/>`, "quarantined"},
	} {
		w.checkOutcome(step.name, step.body, "application/json; charset=utf-8", step.want)
	}
	w.checkOutcome("other Content-Type", processing, "text/plain", "unchanged")
	if got := w.reach(made.PaymentIntent, "processing"); !strings.Contains(got.body, `"poll_after_ms":60000`) {
		t.Errorf("status is %s", got.body)
	}
}

func (w *apiEnv) checkOutcome(name, body, contentType, want string) {
	w.t.Helper()
	header := map[string]string{"Content-Type": contentType}
	maps.Copy(header, signed(body))
	bad := contentType == "text/plain" || !strings.HasPrefix(body, "{") || strings.Contains(
		body, strings.Repeat("}", 1000),
	)
	answer := w.send(request{line: "POST /webhooks/stripe", body: body, header: header, bad: bad})
	if answer.status != http.StatusOK || answer.body != `{"outcome":"`+want+`"}` {
		w.t.Errorf("%s: %d %s, want %s", name, answer.status, answer.body, want)
	}
}

// TestWebhookAcceptsAnyQuery: platforms add a query string, and credentials in the webhook's URL arrive as
// a header. Neither blocks a signed delivery, and neither admits an unsigned one.
func TestWebhookAcceptsAnyQuery(t *testing.T) {
	w := newEnv(t)
	made := w.create("shop-1")
	body := event("evt_1", made.PaymentIntent, "requires_action", "")
	w.checkOutcome("plain", body, "application/json", "applied")
	for _, query := range []string{
		"?", "?x-vercel-protection-bypass=hunter2", "?a=1&a=2", "?wait=99&after=x", "?%zz", "?a;b",
		"?" + strings.Repeat("x", 4000),
	} {
		for name, value := range map[string]string{
			"X-None": "", "Authorization": "Basic c3RyaXBlOmh1bnRlcjI=", "Origin": "https://dashboard.stripe.com",
			"Idempotency-Key": "a b", "If-Match": "x",
			"Content-Encoding": "identity", "X-Request-Id": "a b", "Accept": "text/html", "Prefer": "wait=1",
		} {
			header := signed(body)
			header[name] = value
			line := "POST /webhooks/stripe" + query
			if answer := w.send(
				request{line: line, body: body, header: header, bad: true},
			); answer.status != http.StatusOK || answer.body != `{"outcome":"unchanged"}` {
				t.Errorf("%.60s with %s: %d %s", line, name, answer.status, answer.body)
			}
			header["Stripe-Signature"] = "t=1,v1=00"
			w.send(
				request{line: line, body: body, header: header, bad: true},
			).says(t, http.StatusBadRequest, "invalid_signature")
		}
	}
	if log := w.logs.String(); strings.Contains(log, "hunter2") || strings.Contains(log, "c3RyaXBl") {
		t.Error("the log holds what the address held")
	}
}

func TestWebhookIsRefusedWithoutRedis(t *testing.T) {
	w := newFailingEnv(t)
	made := w.create("shop-1")
	body := event("evt_1", made.PaymentIntent, "processing", "")
	w.redis.SetError("LOADING Redis is loading")
	answer := w.send(request{line: "POST /webhooks/stripe", body: body, header: signed(body)})
	if answer.status != http.StatusServiceUnavailable || !strings.Contains(answer.body, `"code":"store_unavailable"`) {
		t.Errorf("%d %s", answer.status, answer.body)
	}
	w.redis.SetError("")
	w.checkOutcome("later", body, "application/json", "applied")
}
