package api_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// refused is a request and what has to be wrong with it.
type refused struct {
	name   string
	line   string // PAYMENT stands for a payment that exists
	token  string
	body   string
	header map[string]string
	status int
	code   string
	where  []string // pointers, parameters and headers, in any order
}

const (
	createLine  = "POST /v1/payments"
	mintLine    = "POST /v1/order-tokens"
	sessionLine = "POST /v1/payments/PAYMENT/customer-session"
	order       = `{"order_id":"shop-2","amount":100,"currency":"eur"}`
)

func headerRefusals() []refused {
	all := []refused{
		{
			name: "idempotency key", line: createLine, body: order,
			header: map[string]string{"Idempotency-Key": "a b"}, status: 400, code: "invalid_request",
			where: []string{"Idempotency-Key"},
		},
		{
			name: "empty idempotency key", line: sessionLine, header: map[string]string{"Idempotency-Key": ""},
			status: 400, code: "invalid_request", where: []string{"Idempotency-Key"},
		},
		{
			name: "gzip", line: createLine, body: order, header: map[string]string{"Content-Encoding": "gzip"},
			status: 415, code: "unsupported_media_type", where: []string{"Content-Encoding"},
		},
	}
	for _, contentType := range []string{
		"", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1",
		"application/json; version=1", "application/problem+json", "application/json, text/plain", ";",
	} {
		all = append(all, refused{
			name: "type " + contentType, line: createLine, body: order, header: map[string]string{
				"Content-Type": contentType,
			},
			status: 415, code: "unsupported_media_type", where: []string{"Content-Type"},
		})
	}
	for i := range all {
		all[i].token = fullKey
	}
	return append(all,
		refused{
			name: "unsigned", line: "POST /webhooks/stripe", body: `{}`, status: 400, code: "invalid_signature",
			where: []string{"Stripe-Signature"},
		},
		refused{
			name: "badly signed", line: "POST /webhooks/stripe", body: `{"id":"evt_1"}`,
			header: signed(`{"id":"evt_2"}`), status: 400, code: "invalid_signature",
			where: []string{"Stripe-Signature"},
		},
		refused{
			name: "no signature at all", line: "POST /webhooks/stripe", body: `{}`,
			header: map[string]string{"Stripe-Signature": "t=1"}, status: 400, code: "invalid_signature",
			where: []string{"Stripe-Signature"},
		},
	)
}

func addressRefusals() []refused {
	var all []refused
	for _, id := range []string{
		"x", "pi_", "pi_a-b", "pi_1%2F..", "%2e%2e", "..", ".", "pi_1%0A", "pi_1%0D%0A", "pi_1%00", "pi_%7D%7B",
		"%2E%2e%2F", "pi_%FF", "search", "pi_" + strings.Repeat("a", 251),
	} {
		for _, line := range []string{
			"GET /v1/payments/ID", "GET /v1/payments/ID/history", "POST /v1/payments/ID/customer-session",
		} {
			all = append(all, refused{
				name: "id " + id, line: strings.Replace(line, "ID", id, 1), status: 400, code: "invalid_request",
				where: []string{"payment_intent"},
			})
		}
	}
	for _, id := range []string{
		"..", "%2e", "a%2Fb", "-a", "a%20b", "%3A", "%7D%7B", "a%00", "a%0D%0Ab", strings.Repeat("a", 65),
	} {
		all = append(all, refused{
			name: "id " + id, line: "GET /v1/orders/" + id, status: 400, code: "invalid_request",
			where: []string{"order_id"},
		})
	}
	for _, line := range []string{
		"GET /", "GET /v1", "GET /v2/payments", "GET /v1/payments/", "POST /v1/payments/", "GET /v1/payments/PAYMENT/",
		"GET /v1/payments//history", "GET /v1//config",
		"GET /v1/config/", "GET /v1/orders/", "GET /v1/payments/PAYMENT/histor", "GET /v1/payments/PAYMENT%2Fhistory/x",
		"GET /V1/config", "GET /livez", "GET /v1/../v1/config",
	} {
		all = append(all, refused{name: line, line: line, token: fullKey, status: 404, code: "not_found"})
	}
	for _, line := range []string{
		"DELETE /v1/payments", "GET /v1/payments", "OPTIONS /v1/payments", "PUT /v1/payments/PAYMENT",
		"GET /v1/payments/PAYMENT/cancel", "GET /v1/order-tokens", "POST /v1/config", "GET /webhooks/stripe",
		"OPTIONS /v1/config", "TRACE /v1/config",
	} {
		all = append(all, refused{name: line, line: line, token: fullKey, status: 405, code: "method_not_allowed"})
	}
	return all
}

func queryRefusals() []refused {
	var all []refused
	for query, name := range map[string]string{
		"GET /v1/payments/PAYMENT?wait=26":                       "wait",
		"GET /v1/payments/PAYMENT?wait=-1":                       "wait",
		"GET /v1/payments/PAYMENT?wait=":                         "wait",
		"GET /v1/payments/PAYMENT?wait=1s":                       "wait",
		"GET /v1/payments/PAYMENT?wait=01":                       "wait",
		"GET /v1/payments/PAYMENT?wait=1&wait=1":                 "wait",
		"GET /v1/payments/PAYMENT?expand=customer":               "expand",
		"GET /v1/payments/PAYMENT/history?limit=1":               "limit",
		"GET /v1/events?limit=0":                                 "limit",
		"GET /v1/events?limit=501":                               "limit",
		"GET /v1/events?limit=%2B1":                              "limit",
		"GET /v1/events?limit=99999999999999999999":              "limit",
		"GET /v1/events?after=a%20b":                             "after",
		"GET /v1/events?after=nonsense":                          "after",
		"GET /v1/events?after=" + strings.Repeat("a", 1025):      "after",
		"GET /v1/events?After=":                                  "After",
		"GET /v1/events?wait=26":                                 "wait",
		"GET /v1/events?wait=-1":                                 "wait",
		"GET /v1/orders/shop-1?%FF=1":                            "\ufffd",
		"GET /v1/config?x":                                       "x",
		"GET /openapi.yaml?version=2":                            "version",
		"POST /v1/payments?dry_run=true":                         "dry_run",
		"POST /v1/payments/PAYMENT/customer-session?client=none": "client",
	} {
		all = append(all, refused{
			name: query[:min(len(query), 60)], line: query, token: fullKey, status: 400, code: "invalid_request",
			where: []string{name},
		})
	}
	return append(all, refused{
		name: "malformed query", line: "GET /v1/events?limit=1;after=a", token: fullKey, status: 400,
		code: "invalid_request",
	})
}

// TestBadInputChangesNothing: a clear refusal, nothing written, nothing sent to Stripe.
func TestBadInputChangesNothing(t *testing.T) {
	w := newEnv(t)
	made := w.create("shop-1")
	dump, calls := w.dump(), len(w.stripe.Requests())
	for _, r := range slices.Concat(bodyRefusals(), headerRefusals(), addressRefusals(), queryRefusals()) {
		t.Run(r.name, func(t *testing.T) {
			r.line = strings.Replace(r.line, "PAYMENT", made.PaymentIntent, 1)
			w.t = t
			w.checkRefusal(r)
		})
	}
	if got := w.dump(); got != dump {
		t.Errorf("Redis was\n%s\nand is\n%s", dump, got)
	}
	if got := w.stripe.Requests(); len(got) != calls {
		t.Errorf("Stripe was asked: %+v", got[calls:])
	}
}

func (w *apiEnv) checkRefusal(r refused) {
	w.t.Helper()
	answer := w.send(request{line: r.line, token: r.token, body: r.body, header: r.header, bad: true})
	var problem struct {
		Code   string
		Errors []struct{ Pointer, Parameter, Header, Detail string }
	}
	answer.into(w.t, r.status, &problem)
	var where []string
	for _, e := range problem.Errors {
		where = append(where, e.Pointer+e.Parameter+e.Header)
	}
	slices.Sort(where)
	slices.Sort(r.where)
	if problem.Code != r.code || !slices.Equal(where, r.where) {
		w.t.Errorf("%s at %q, want %s at %q: %s", problem.Code, where, r.code, r.where, answer.body)
	}
	if allow := answer.header.Get("Allow"); (r.status == http.StatusMethodNotAllowed) != (allow != "") ||
		strings.Contains(allow, "OPTIONS") {
		w.t.Errorf("Allow is %q", allow)
	}
	for _, text := range []string{"json:", "jsontext", "strconv", "echo", "goroutine", ".go:", "*api"} {
		if strings.Contains(answer.body, text) {
			w.t.Errorf("the answer speaks of our insides: %s", answer.body)
		}
	}
}
