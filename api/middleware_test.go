package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"kasse/api"
	"kasse/service"
)

func TestRequestID(t *testing.T) {
	w := newEnv(t)
	for given, kept := range map[string]bool{
		"a.B-9_": true, strings.Repeat("x", 64): true, strings.Repeat("x", 65): false, "": false, "a b": false,
		"ä": false,
	} {
		answer := w.send(request{line: "GET /v1/config", header: map[string]string{"X-Request-Id": given}})
		if got := answer.header.Get("X-Request-Id"); (got == given) != kept {
			t.Errorf("%q becomes %q", given, got)
		}
	}
}

func TestAllowNamesTheMethods(t *testing.T) {
	w := newEnv(t)
	for line, want := range map[string]string{
		"GET /v1/payments": "POST", "OPTIONS /v1/payments": "POST", "PUT /v1/payments/pi_1": "GET, HEAD, PATCH",
		"DELETE /v1/payments/pi_1/customer-session": "POST", "POST /openapi.yaml": "GET, HEAD",
	} {
		answer := w.send(request{line: line, bad: true})
		if got := answer.header.Get("Allow"); answer.status != http.StatusMethodNotAllowed || got != want {
			t.Errorf("%s: %d, Allow %q, want %q", line, answer.status, got, want)
		}
	}
}

// TestLargeBodyIsRefusedUnread: a Content-Length over the limit is refused before the body is sent, and the
// connection closes, since the following bytes are no request.
func TestLargeBodyIsRefusedUnread(t *testing.T) {
	w := newEnv(t)
	payment := "/v1/payments/" + w.create("shop-1").PaymentIntent
	for _, line := range []string{
		"POST /v1/payments", "POST /v1/order-tokens", "POST " + payment +
			"/customer-session", "POST " + payment + "/cancel", "POST " + payment + "/capture",
		"POST " + payment + "/refunds", "PATCH " + payment, "POST /webhooks/stripe",
	} {
		for _, length := range []string{"262145", "1000000000000"} {
			for _, expect := range []string{"", "Expect: 100-continue\r\n"} {
				conn, err := net.Dial("tcp", w.api.Listener.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				_, _ = fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: kasse\r\nAuthorization: Bearer %s\r\nContent-Type: "+
					"application/json\r\nIdempotency-Key: 1\r\nIf-Match: \"1\"\r\nStripe-Signature: "+
					"t=1,v1=00\r\n%sContent-Length: %s\r\n\r\n", line, fullKey,
					expect, length)
				text, err := io.ReadAll(conn)
				if err != nil || !strings.HasPrefix(string(text), "HTTP/1.1 413 ") || !strings.Contains(
					string(text), `"code":"body_too_large"`,
				) {
					t.Errorf("%s, %s bytes: %v %s", line, length, err, text)
				}
				_ = conn.Close()
			}
		}
	}
}

// line is an access-log line.
type line struct {
	Msg, Level, Method, Route, Credential, Key, Code string
	Status                                           int
	RequestID                                        string `json:"request_id"`
}

func (l *lines) find(t *testing.T, requestID string) []line {
	t.Helper()
	var found []line
	for text := range strings.Lines(l.String()) {
		var entry line
		if err := json.Unmarshal([]byte(text), &entry); err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		if entry.RequestID == requestID {
			found = append(found, entry)
		}
	}
	return found
}

func TestAccessLog(t *testing.T) {
	w := newEnv(t)
	made := w.create("shop-1")
	path := "/v1/payments/" + made.PaymentIntent
	route := "/v1/payments/{payment_intent}"
	tests := map[string]struct {
		request
		want line
	}{
		"key": {
			request{line: "GET " + path, token: readKey},
			line{Method: "GET", Route: route, Status: 200, Credential: "service_key", Key: "read"},
		},
		"secret": {
			request{line: "GET " + path + "?wait=0", token: made.ClientSecret},
			line{Method: "GET", Route: route, Status: 200, Credential: "client_secret"},
		},
		"none": {
			request{line: "GET " + path},
			line{Method: "GET", Route: route, Status: 401, Credential: "none", Code: "unauthenticated"},
		},
		"public": {
			request{line: "GET /v1/config"},
			line{Method: "GET", Route: "/v1/config", Status: 200, Credential: "none"},
		},
		"query": {
			request{line: "GET /v1/config?leak=" + made.ClientSecret, bad: true},
			line{Method: "GET", Route: "/v1/config", Status: 400, Credential: "none", Code: "invalid_request"},
		},
		"nowhere": {
			request{line: "GET /v1/" + made.ClientSecret, bad: true},
			line{Method: "GET", Route: "", Status: 404, Credential: "none", Code: "not_found"},
		},
	}
	for name, test := range tests {
		test.header = map[string]string{"X-Request-Id": "log-" + name}
		w.send(test.request)
		test.want.Msg, test.want.Level, test.want.RequestID = "request", "INFO", "log-"+name
		if got := w.logs.find(t, "log-"+name); len(got) != 1 || got[0] != test.want {
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
	}
	w.checkSecrets(made)
}

// checkSecrets looks for the secrets of a payment, and for our own, in the logs and in Redis.
func (w *apiEnv) checkSecrets(made opened) {
	w.t.Helper()
	secrets := []string{made.ClientSecret, fullKey, shopKey, readKey, webhookSecret, "sk_test_kasse", "_secret_"}
	if made.Session != nil {
		secrets = append(secrets, made.Session.ClientSecret)
	}
	for where, text := range map[string]string{"the log": w.logs.String(), "Redis": w.dump()} {
		for _, secret := range secrets {
			if strings.Contains(text, secret) {
				w.t.Errorf("%s holds %.12s…", where, secret)
			}
		}
	}
}

// TestPanicIsInternal uses an API without a service, so every call panics.
func TestPanicIsInternal(t *testing.T) {
	w := &apiEnv{t: t, logs: &lines{}, client: checkedClient(t)}
	logger := slog.New(slog.NewJSONHandler(w.logs, nil))
	w.api = httptest.NewServer(
		api.New(nil, api.Options{Keys: []api.Key{newKey("read", readKey, service.ScopeRead)}, Logger: logger}),
	)
	t.Cleanup(w.api.Close)
	answer := w.send(
		request{line: "GET /v1/orders/shop-1", token: readKey, header: map[string]string{"X-Request-Id": "boom"}},
	)
	if answer.status != http.StatusInternalServerError || !strings.Contains(answer.body, `"code":"internal"`) ||
		strings.Contains(answer.body, "nil pointer") {
		t.Errorf("%d %s", answer.status, answer.body)
	}
	if got := w.logs.find(t, "boom"); len(got) != 2 || got[0].Level != "ERROR" || got[1].Status != 500 {
		t.Errorf("log lines are %+v", got)
	}
	if log := w.logs.String(); !strings.Contains(log, "nil pointer") || !strings.Contains(log, "orders.go") {
		t.Errorf("the stack is missing in %s", log)
	}
}

// TestDisconnectIsNoError: a caller who hangs up is no error of ours, and a create continues.
func TestDisconnectIsNoError(t *testing.T) {
	w := newEnv(t)
	if err := w.stripe.SetLatency(makeIntent, 300*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.api.URL+"/v1/payments", strings.NewReader(order))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+fullKey)
	r.Header.Set("Content-Type", "application/json")
	if res, err := w.client.Do(r); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("%v %v", res, err)
	}
	w.send(request{line: "POST /v1/payments", token: fullKey, body: order}).into(t, http.StatusOK, &opened{})
	if got := w.stripe.Count(makeIntent); got != 1 {
		t.Errorf("Stripe was asked for %d payments", got)
	}
	if log := w.logs.String(); strings.Contains(log, `"level":"ERROR"`) || strings.Contains(log, "request failed") {
		t.Errorf("the log complains: %s", log)
	}
}
