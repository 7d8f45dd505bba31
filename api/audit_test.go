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

// auditedEnv is an environment behind a proxy on the loopback interface.
type auditedEnv struct {
	*apiEnv
	sent int
}

func newAuditedEnv(t *testing.T) *auditedEnv {
	t.Helper()
	w := &auditedEnv{apiEnv: newEnv(t)}
	o := w.options(slog.New(slog.NewJSONHandler(w.logs, nil)))
	o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	w.api = httptest.NewServer(api.New(w.service, o))
	t.Cleanup(w.api.Close)
	w.deliverWebhooks()
	return w
}

// expectAudit sends a request from 192.0.2.7, and fails the test unless the log has exactly the line for it.
// The id of a refund is Stripe's to choose.
func (w *auditedEnv) expectAudit(r request, want auditLine) {
	w.t.Helper()
	w.sent++
	id := fmt.Sprintf("audit-%d", w.sent)
	header := map[string]string{"X-Request-Id": id, "X-Forwarded-For": "192.0.2.7"}
	maps.Copy(header, r.header)
	r.header, r.bad = header, true
	answer := w.send(r)
	want.Level, want.Msg, want.Audit, want.RequestID = "INFO", "audit", true, id
	if want.Result != "ok" {
		want.Client = "192.0.2.7"
	}
	got := w.logs.audited(w.t, id)
	if want.Refund != "" && len(got) == 1 && strings.HasPrefix(got[0].Refund, want.Refund) {
		want.Refund = got[0].Refund
	}
	if len(got) != 1 || got[0] != want {
		w.t.Errorf("%s: %d\n%+v, want\n%+v", r.line, answer.status, got, want)
	}
}

// byFullKey is the line of a call with the full key about an order of 49.99 euros.
func byFullKey(operation, result, order, payment string) auditLine {
	return auditLine{
		Operation: operation, Result: result, Credential: "service_key", Key: "full", Order: order, Payment: payment,
		Amount: 4999, Currency: "eur",
	}
}

// ofAmount is the line with another amount.
func (l auditLine) ofAmount(amount int64) auditLine {
	l.Amount = amount
	return l
}

// TestAuditLogOfOpening: one line for each call that changes an order, with its result; for a refusal,
// with the address that it came from.
func TestAuditLogOfOpening(t *testing.T) {
	w := newAuditedEnv(t)
	w.stripe.RemoveWebhooks() // one may be stored before the call that it is about: then the history names no call
	var made opened
	terms := `{"order_id":"shop-1","amount":4999,"currency":"eur"`
	w.expectAudit(
		request{line: mintLine, token: fullKey, body: terms + "}"}, byFullKey("mintOrderToken", "ok", "shop-1", ""),
	)
	w.send(request{line: createLine, token: shopKey, body: terms + "}"}).into(t, http.StatusCreated, &made)
	payment := "/v1/payments/" + made.PaymentIntent
	reopened := byFullKey("createPayment", "ok", "shop-1", made.PaymentIntent)
	reopened.Reopen = true
	w.expectAudit(request{line: createLine, token: fullKey, body: terms + `,"reopen":true}`}, reopened)
	w.expectAudit(request{line: createLine, token: w.token(nil)}, auditLine{
		Operation: "createPayment", Result: "ok", Credential: "order_token", Order: "shop-1",
		Payment: made.PaymentIntent,
		Amount:  4999, Currency: "eur",
	})
	w.expectAudit(request{line: createLine, token: fullKey, body: `{"order_id":"shop-1","amount":1,"currency":"eur"}`},
		byFullKey("createPayment", "order_conflict", "shop-1", "").ofAmount(1))
	change := request{line: "PATCH " + payment, token: fullKey, body: `{"amount":5999}`, header: ifMatch("*")}
	w.expectAudit(change, byFullKey("changePayment", "ok", "shop-1", made.PaymentIntent).ofAmount(5999))
	change.header = ifMatch(`"1"`)
	w.expectAudit(change, byFullKey("changePayment", "version_mismatch", "shop-1", made.PaymentIntent).ofAmount(5999))
	w.expectAudit(request{line: "POST " + payment + "/cancel", token: fullKey},
		byFullKey("cancelPayment", "ok", "shop-1", made.PaymentIntent).ofAmount(5999))
	w.checkHistory(payment, "createPayment shop *", "changePayment full audit-5", "cancelPayment full audit-7")
	w.checkSecrets(made)
}

// checkHistory looks for calls in the payment's history: operation, key and request id, "*" for any. An entry that
// no call has made names none.
func (w *auditedEnv) checkHistory(payment string, calls ...string) {
	w.t.Helper()
	var shown struct {
		History []struct {
			Cause string
			By    *struct {
				Operation, Key string
				RequestID      string `json:"request_id"`
			}
		}
	}
	w.send(request{line: "GET " + payment + "/history", token: fullKey}).into(w.t, http.StatusOK, &shown)
	for _, call := range calls {
		found := false
		for _, entry := range shown.History {
			if entry.By == nil {
				continue
			}
			text := entry.By.Operation + " " + entry.By.Key + " " + entry.By.RequestID
			prefix, any := strings.CutSuffix(call, "*")
			found = found || text == call || any && strings.HasPrefix(text, prefix) && len(text) > len(prefix)
		}
		if !found {
			w.t.Errorf("no entry of %s in %+v", call, shown.History)
		}
	}
	for _, entry := range shown.History {
		if (entry.By != nil) != (entry.Cause == "api") {
			w.t.Errorf("entry %+v", entry)
		}
	}
}

// TestAuditLogOfMoney: one line for each call that moves money.
func TestAuditLogOfMoney(t *testing.T) {
	w := newAuditedEnv(t)
	var held opened
	made := w.paid("shop-1")
	payment := "/v1/payments/" + made.PaymentIntent
	refund := request{
		line: "POST " + payment + "/refunds", token: fullKey, body: `{"amount":1000}`,
		header: map[string]string{"Idempotency-Key": "1"},
	}
	given := byFullKey("createRefund", "ok", "shop-1", made.PaymentIntent).ofAmount(1000)
	given.Refund = "re_"
	w.expectAudit(refund, given)
	refund.body, refund.header = `{"amount":9000}`, map[string]string{"Idempotency-Key": "2"}
	w.expectAudit(
		refund, byFullKey("createRefund", "refund_exceeds_payment", "shop-1", made.PaymentIntent).ofAmount(9000),
	)
	w.expectAudit(request{line: "POST " + payment + "/cancel", token: fullKey},
		byFullKey("cancelPayment", "invalid_state", "shop-1", made.PaymentIntent))

	token := w.token(claims{"order_id": "shop-2", "capture_method": "manual"})
	w.send(request{line: createLine, token: token}).into(t, http.StatusCreated, &held)
	w.bring(held.PaymentIntent, "requires_capture")
	w.reach(held.PaymentIntent, "authorized")
	w.expectAudit(request{
		line: "POST /v1/payments/" + held.PaymentIntent + "/capture", token: fullKey, body: `{"amount":3000}`,
	},
		byFullKey("capturePayment", "ok", "shop-2", held.PaymentIntent).ofAmount(3000))
	w.checkSecrets(made)
}

// audited is a request, and what the audit log has of it.
type audited struct {
	request
	operation, result, key string
}

// refusedRequests come without a right, or with garbage as a request.
func refusedRequests(w *apiEnv, made opened, garbage string) []audited {
	payment := "/v1/payments/" + made.PaymentIntent
	return []audited{
		{request{line: createLine}, "createPayment", "unauthenticated", ""},
		{
			request{line: createLine, token: unknownKey, body: `{"order_id":"` + garbage + `"}`},
			"createPayment", "unauthenticated", "",
		},
		{request{
			line: createLine, token: fullKey,
			body: `{"order_id":"` + garbage + `","currency":"` + garbage + `","amount":1}`,
		}, "createPayment", "invalid_request", "full"},
		{request{line: createLine, token: fullKey, body: `{"` + garbage}, "createPayment", "invalid_json", "full"},
		{request{line: createLine, token: readKey, body: order}, "createPayment", "insufficient_scope", "read"},
		{request{line: "POST " + payment + "/capture", token: shopKey}, "capturePayment", "insufficient_scope", "shop"},
		{
			request{line: "POST " + payment + "/cancel", token: made.ClientSecret},
			"cancelPayment", "insufficient_scope", "",
		},
		{request{
			line: "POST /v1/payments/" + made.ClientSecret + "/refunds", token: fullKey,
			header: map[string]string{"Idempotency-Key": "1"},
		}, "createRefund", "not_found", "full"},
		{
			request{line: "POST /v1/payments/" + garbage + "/refunds", token: fullKey},
			"createRefund", "invalid_request", "",
		},
		{request{line: mintLine, token: w.token(nil), body: order}, "mintOrderToken", "insufficient_scope", ""},
	}
}

// TestAuditLogOfRefusedCallers: refused callers are in the log with their address, and with nothing that
// was made up or secret.
func TestAuditLogOfRefusedCallers(t *testing.T) {
	w := newEnv(t)
	made := w.create("shop-1")
	for n, test := range refusedRequests(w, made, strings.Repeat("hunter2", 100)) {
		id := fmt.Sprintf("refused-%d", n)
		test.bad = true
		if test.header == nil {
			test.header = map[string]string{}
		}
		test.header["X-Request-Id"] = id
		w.send(test.request)
		got := w.logs.audited(t, id)
		if len(got) != 1 || got[0].Operation != test.operation || got[0].Result != test.result ||
			got[0].Key != test.key || got[0].Client != "127.0.0.1" {
			t.Errorf("%.60s: %+v, want %s %s by %s", test.line, got, test.operation, test.result, test.key)
		}
	}
	if strings.Contains(w.logs.String(), "hunter2") {
		t.Errorf("the log holds what refused callers sent: %s", w.logs)
	}
	w.checkSecrets(made)
	w.readsAreNotAudited(made)
}

func (w *apiEnv) readsAreNotAudited(made opened) {
	w.t.Helper()
	payment := "/v1/payments/" + made.PaymentIntent
	for _, r := range []request{
		{line: "GET " + payment, token: fullKey},
		{line: "GET /v1/orders/shop-1"},
		{line: "POST " + payment + "/customer-session", token: fullKey},
	} {
		r.header = map[string]string{"X-Request-Id": "read"}
		w.send(r)
	}
	if got := w.logs.audited(w.t, "read"); len(got) > 0 {
		w.t.Errorf("a read is audited: %+v", got)
	}
}

// TestEveryChangeIsAudited: a new route that is not a read declares whether it moves money or changes an
// order.
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
