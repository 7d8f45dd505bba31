package api_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"kasse/api"
)

// auditLine is a line of the audit low.
type auditLine struct {
	Level, Msg, Operation, Result, Credential, Key, Currency, Refund, Client string
	Order                                                                    string `json:"order_id"`
	Payment                                                                  string `json:"payment_intent"`
	RequestID                                                                string `json:"request_id"`
	Amount                                                                   int64
	Audit, Reopen                                                            bool
}

// audited returns the audit lines of a request.
func (l *lines) audited(t *testing.T, requestID string) []auditLine {
	t.Helper()
	var found []auditLine
	for text := range strings.Lines(l.String()) {
		var entry auditLine
		if err := json.Unmarshal([]byte(text), &entry); err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		if entry.Audit && entry.RequestID == requestID {
			found = append(found, entry)
		}
	}
	return found
}

// TestAuditLog: one line for each call that moves money or changes an order, with its result; for a refusal, with the
// address that it came from. Reads have none.
func TestAuditLog(t *testing.T) {
	w := newWorld(t)
	o := w.options(slog.New(slog.NewJSONHandler(w.logs, nil)))
	o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	w.api = httptest.NewServer(api.New(w.service, o))
	t.Cleanup(w.api.Close)
	w.deliverWebhooks()
	n := 0
	send := func(r request, want auditLine) {
		t.Helper()
		n++
		id := fmt.Sprintf("audit-%d", n)
		header := map[string]string{"X-Request-Id": id, "X-Forwarded-For": "192.0.2.7"}
		maps.Copy(header, r.header)
		r.header, r.bad = header, true
		answer := w.send(r)
		want.Level, want.Msg, want.Audit, want.RequestID = "INFO", "audit", true, id
		if want.Result != "ok" {
			want.Client = "192.0.2.7"
		}
		got := w.logs.audited(t, id)
		if want.Refund != "" && len(got) == 1 {
			want.Refund = got[0].Refund
		}
		if len(got) != 1 || got[0] != want {
			t.Errorf("%s: %d\n%+v, want\n%+v", r.line, answer.status, got, want)
		}
	}
	var made, manual opened
	token := w.token(claims{"order_id": "shop-2", "capture_method": "manual"})
	key := auditLine{Result: "ok", Credential: "service_key", Key: "full", Order: "shop-1", Amount: 4999, Currency: "eur"}
	as := func(edit func(*auditLine)) auditLine {
		line := key
		edit(&line)
		return line
	}
	terms := `{"order_id":"shop-1","amount":4999,"currency":"eur"`
	send(request{line: mintLine, token: fullKey, body: terms + "}"}, as(func(l *auditLine) { l.Operation = "mintOrderToken" }))
	create := request{line: createLine, token: fullKey, body: terms + `,"reopen":true}`}
	w.send(request{line: createLine, token: shopKey, body: terms + "}"}).into(t, http.StatusCreated, &made)
	w.send(request{line: createLine, token: token}).into(t, http.StatusCreated, &manual)
	payment := "/v1/payments/" + made.PaymentIntent
	key.Payment = made.PaymentIntent
	send(create, as(func(l *auditLine) { l.Operation, l.Reopen = "createPayment", true }))
	send(request{line: createLine, token: token}, auditLine{
		Operation: "createPayment", Result: "ok", Credential: "order_token", Order: "shop-2", Payment: manual.PaymentIntent, Amount: 4999, Currency: "eur",
	})
	send(request{line: createLine, token: fullKey, body: `{"order_id":"shop-1","amount":1,"currency":"eur"}`},
		as(func(l *auditLine) {
			l.Operation, l.Result, l.Amount, l.Payment = "createPayment", "order_conflict", 1, ""
		}))
	send(request{line: "PATCH " + payment, token: fullKey, body: `{"amount":5999}`, header: ifMatch("*")},
		as(func(l *auditLine) { l.Operation, l.Amount = "changePayment", 5999 }))
	send(request{line: "PATCH " + payment, token: fullKey, body: `{"amount":6999}`, header: ifMatch(`"1"`)},
		as(func(l *auditLine) { l.Operation, l.Result, l.Amount = "changePayment", "version_mismatch", 6999 }))

	w.bring(made.PaymentIntent, "succeeded")
	w.reach(made.PaymentIntent, "paid")
	refund := request{line: "POST " + payment + "/refunds", token: fullKey, body: `{"amount":1000}`, header: map[string]string{"Idempotency-Key": "1"}}
	send(refund, as(func(l *auditLine) { l.Operation, l.Amount, l.Refund = "createRefund", 1000, "re_" }))
	refund.body, refund.header = `{"amount":9000}`, map[string]string{"Idempotency-Key": "2"}
	send(refund, as(func(l *auditLine) {
		l.Operation, l.Result, l.Amount = "createRefund", "refund_exceeds_payment", 9000
	}))
	cancel := request{line: "POST " + payment + "/cancel", token: fullKey}
	send(cancel, as(func(l *auditLine) { l.Operation, l.Result, l.Amount = "cancelPayment", "invalid_state", 5999 }))

	w.bring(manual.PaymentIntent, "requires_capture")
	w.reach(manual.PaymentIntent, "authorized")
	send(request{line: "POST /v1/payments/" + manual.PaymentIntent + "/capture", token: fullKey, body: `{"amount":3000}`},
		as(func(l *auditLine) {
			l.Operation, l.Order, l.Payment, l.Amount = "capturePayment", "shop-2", manual.PaymentIntent, 3000
		}))
	w.checkSecrets(made)
}

// TestAuditLogOfStrangers: who may not come is in the log with the address, and with nothing that was made up or secret.
func TestAuditLogOfStrangers(t *testing.T) {
	w := newWorld(t)
	made := w.create("shop-1")
	payment := "/v1/payments/" + made.PaymentIntent
	garbage := strings.Repeat("hunter2", 100)
	for n, test := range []struct {
		request
		operation, result, key string
	}{
		{request{line: createLine}, "createPayment", "unauthenticated", ""},
		{request{line: createLine, token: unknownKey, body: `{"order_id":"` + garbage + `"}`}, "createPayment", "unauthenticated", ""},
		{request{line: createLine, token: fullKey, body: `{"order_id":"` + garbage + `","currency":"` + garbage + `","amount":1}`}, "createPayment", "invalid_request", "full"},
		{request{line: createLine, token: fullKey, body: `{"` + garbage}, "createPayment", "invalid_json", "full"},
		{request{line: createLine, token: readKey, body: order}, "createPayment", "insufficient_scope", "read"},
		{request{line: "POST " + payment + "/capture", token: shopKey}, "capturePayment", "insufficient_scope", "shop"},
		{request{line: "POST " + payment + "/cancel", token: made.ClientSecret}, "cancelPayment", "insufficient_scope", ""},
		{request{line: "POST /v1/payments/" + made.ClientSecret + "/refunds", token: fullKey, header: map[string]string{"Idempotency-Key": "1"}}, "createRefund", "not_found", "full"},
		{request{line: "POST /v1/payments/" + garbage + "/refunds", token: fullKey}, "createRefund", "invalid_request", ""},
		{request{line: mintLine, token: w.token(nil), body: order}, "mintOrderToken", "insufficient_scope", ""},
	} {
		id := fmt.Sprintf("stranger-%d", n)
		test.bad = true
		if test.header == nil {
			test.header = map[string]string{}
		}
		test.header["X-Request-Id"] = id
		w.send(test.request)
		got := w.logs.audited(t, id)
		if len(got) != 1 || got[0].Operation != test.operation || got[0].Result != test.result || got[0].Key != test.key || got[0].Client != "127.0.0.1" {
			t.Errorf("%.60s: %+v, want %s %s by %s", test.line, got, test.operation, test.result, test.key)
		}
	}
	if strings.Contains(w.logs.String(), "hunter2") {
		t.Errorf("the log holds what strangers made up: %s", w.logs)
	}
	w.checkSecrets(made)
	for _, r := range []request{{line: "GET " + payment, token: fullKey}, {line: "GET /v1/orders/shop-1"}, {line: "POST " + payment + "/customer-session", token: fullKey}} {
		r.header = map[string]string{"X-Request-Id": "read"}
		w.send(r)
	}
	if got := w.logs.audited(t, "read"); len(got) > 0 {
		t.Errorf("a read is audited: %+v", got)
	}
}

// TestEveryChangeIsAudited: a new route that is not a read says whether it moves money or changes an order.
func TestEveryChangeIsAudited(t *testing.T) {
	not := map[string]bool{"POST /v1/payments/{payment_intent}/customer-session": true, "POST /webhooks/stripe": true}
	doc := contract(t)
	for _, route := range api.Routes() {
		name := route.Method + " " + route.Path
		operation := doc.Paths.Find(route.Path).GetOperation(route.Method).OperationID
		switch audit := route.Audit(); {
		case route.Method == http.MethodGet || not[name]:
			if audit != "" {
				t.Errorf("%s changes nothing, and is audited", name)
			}
		case audit != operation:
			t.Errorf("%s is audited as %q, want %q", name, audit, operation)
		}
	}
}
