package api_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"kasse/api"
)

const slipped = "pi_slipped_secret_hunter2hunter2"

// routed are the routes with ids in them, and addresses and methods that have none.
func routed() []string {
	lines := []string{
		"GET /nowhere/" + slipped, "DELETE /v1/payments/" + slipped, "OPTIONS /v1/config",
		"GET /v1/payments/" + slipped, "GET /v1/orders/" + slipped + "%0A",
	}
	for _, r := range api.Routes() {
		path := strings.NewReplacer("{payment_intent}", "pi_1", "{order_id}", "shop-1").Replace(r.Path)
		if lines = append(lines, r.Method+" "+path); r.Method == http.MethodGet {
			lines = append(lines, "HEAD "+path)
		}
	}
	return lines
}

// TestNothingOfARequestIsLogged puts a secret everywhere in a request: in the query, the path, the usual
// headers and the body. Neither the log at debug level nor a response contains it.
func TestNothingOfARequestIsLogged(t *testing.T) {
	w := newEnv(t)
	crashing := httptest.NewServer(
		api.New(nil, w.options(slog.New(slog.NewJSONHandler(w.logs, &slog.HandlerOptions{Level: slog.LevelDebug})))),
	)
	t.Cleanup(crashing.Close)
	carried := map[string]string{
		"Referer": "https://shop.example/thanks?payment_intent_client_secret=" +
			slipped, "User-Agent": slipped, "Cookie": "session=" + slipped, "Origin": "https://" + slipped,
		"X-Forwarded-For": slipped, "X-Request-Id": slipped +
			"?", "Traceparent": slipped, "X-Api-Key": slipped, "Content-Type": "text/" +
			slipped, "If-Match": slipped, "Stripe-Signature": "t=1,v1=" + slipped,
	}
	for _, server := range []*httptest.Server{w.api, crashing} {
		w.api = server
		for _, line := range routed() {
			for query, token := range map[string]string{
				"": slipped, "?client_secret=" + slipped: fullKey, "?wait=" +
					slipped: "ksk_" + slipped, "?" + slipped: "", "?after=" + slipped + "&%zz": "a." + slipped + ".b",
			} {
				answer := w.send(request{
					line: line + query, token: token, header: carried,
					body: `{"order_id":"shop-1","amount":"` + slipped + `","receipt_email":"` + slipped + `"}`,
					bad:  true,
				})
				if strings.Contains(answer.body, "hunter2") && !strings.Contains(
					answer.body, `"parameter":"`+slipped+`"`,
				) { // the answer may name the caller's own mistake
					t.Errorf("%s%s is answered with %s", line, query, answer.body)
				}
			}
			w.send(request{line: line, token: fullKey, header: carried, bad: true})
		}
	}
	log := w.logs.String()
	if strings.Contains(log, "hunter2") || !strings.Contains(log, `"route":"/v1/payments/{payment_intent}"`) ||
		!strings.Contains(log, "panic") {
		at := max(strings.Index(log, "hunter2"), 0)
		t.Errorf("the log says %s", log[max(at-300, 0):min(at+100, len(log))])
	}
	w.checkHidden(fullKey + "." + fullKey)
}

// TestHeadersOfSafety: every response forbids sniffing, and caller-dependent ones stay out of shared caches.
func TestHeadersOfSafety(t *testing.T) {
	w := newEnv(t)
	open := map[string]bool{"/v1/config": true, "/openapi.yaml": true, "/webhooks/stripe": true}
	for _, line := range routed() {
		for _, token := range []string{fullKey, ""} {
			answer := w.send(request{line: line, token: token, bad: true})
			_, path, _ := strings.Cut(line, " ")
			if got := answer.header.Get("X-Content-Type-Options"); got != "nosniff" {
				t.Errorf("%s: %d, X-Content-Type-Options is %q", line, answer.status, got)
			}
			caching := answer.header.Get("Cache-Control")
			if caching != "no-store" && caching != "private, no-cache" && (!open[path] || answer.status >= 300) {
				t.Errorf("%s: %d, Cache-Control is %q", line, answer.status, caching)
			}
			for _, header := range []string{
				"Server", "X-Powered-By", "Set-Cookie", "Strict-Transport-Security", "Access-Control-Allow-Origin",
			} {
				if got := answer.header.Get(header); got != "" {
					t.Errorf("%s: %s is %q", line, header, got)
				}
			}
		}
	}
}

// TestErrorsHideTheirCauses: what fails below is named by a code, and its text stays in the log.
func TestErrorsHideTheirCauses(t *testing.T) {
	w := newFailingEnv(t)
	w.create("shop-1")
	w.redis.SetError("ERR hunter2 at redis://joe:hunter2@10.0.0.1")
	t.Cleanup(func() { w.redis.SetError("") })
	for _, r := range []request{
		{line: "GET /v1/payments/pi_1", token: fullKey},
		{line: "GET /v1/orders/shop-1", token: fullKey},
		{line: "GET /v1/events", token: fullKey},
		{line: createLine, token: fullKey, body: order},
		{line: createLine, token: w.token(nil)},
		{line: "POST /v1/order-tokens", token: fullKey, body: order},
	} {
		answer := w.send(r)
		if answer.status < 500 || strings.Contains(answer.body, "hunter2") ||
			strings.Contains(answer.body, "10.0.0.1") || !strings.Contains(answer.body, `"code":"`) {
			t.Errorf("%s: %d %s", r.line, answer.status, answer.body)
		}
	}
}

// TestSecretInAPathIsNotKept: a caller puts a client secret into the path by mistake. It reaches neither Redis nor
// Stripe.
func TestSecretInAPathIsNotKept(t *testing.T) {
	w := newEnv(t)
	made := w.create("shop-1")
	otherToken, calls := w.token(claims{"order_id": "shop-9"}), w.stripe.Requests()
	for _, secret := range []string{made.ClientSecret, "pi_missing_secret_hunter2"} {
		for _, token := range []string{fullKey, otherToken, made.ClientSecret} {
			w.send(request{line: "GET /v1/payments/" + secret, token: token}).says(t, http.StatusNotFound, "not_found")
		}
	}
	if dump := w.dump(); strings.Contains(dump, made.ClientSecret) || strings.Contains(dump, "hunter2") {
		t.Errorf("Redis holds the secret: %s", dump)
	}
	if after := w.stripe.Requests(); len(after) != len(calls) {
		t.Errorf("Stripe was asked: %v", after[len(calls):])
	}
}
