package api_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
)

const unknownKey = "ksk_test_none_none_none_none_none_none_none"

func TestInvalidCredentialsAreRefused(t *testing.T) {
	w := newEnv(t)
	id := w.create("shop-1").PaymentIntent
	tests := map[string]string{
		"none":              "",
		"no token":          "Bearer",
		"no scheme":         fullKey,
		"other scheme":      "Basic " + fullKey,
		"unknown key":       "Bearer " + unknownKey,
		"key cut off":       "Bearer " + fullKey[:len(fullKey)-1],
		"key too short":     "Bearer ksk_short",
		"key with more":     "Bearer " + fullKey + "!",
		"two spaces":        "Bearer  " + fullKey,
		"token":             "Bearer eyJhbGciOiJIUzI1NiJ9.e30.c2ln",
		"payment only":      "Bearer " + id,
		"secret without id": "Bearer pi__secret_x",
		"secret of nothing": "Bearer " + id + "_secret_",
		"Stripe's own key":  "Bearer sk_test_kasse",
	}
	for name, header := range tests {
		t.Run(name, func(t *testing.T) {
			w.t = t
			for _, line := range []string{
				"GET /v1/payments/" + id, "POST /v1/payments", "GET /v1/orders/shop-1", "GET /v1/events",
			} {
				answer := w.send(request{line: line, header: map[string]string{"Authorization": header}, bad: true})
				if answer.status != http.StatusUnauthorized || !strings.Contains(
					answer.body, `"code":"unauthenticated"`,
				) ||
					answer.header.Get("WWW-Authenticate") != `Bearer realm="kasse"` {
					t.Errorf("%s: %d %v %s", line, answer.status, answer.header, answer.body)
				}
			}
		})
	}
}

func TestSeveralAuthorizationHeadersAreRefused(t *testing.T) {
	w := newEnv(t)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.api.URL+"/v1/events", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header["Authorization"] = []string{"Bearer " + fullKey, "Bearer " + readKey}
	res, err := w.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusUnauthorized {
		t.Errorf("status is %d", res.StatusCode)
	}
}

func TestWhatEachCredentialMayDo(t *testing.T) {
	w := newEnv(t)
	mine, other := w.create("shop-1"), w.create("shop-2")
	payment := "/v1/payments/" + mine.PaymentIntent
	mayPay := w.token(nil)
	tests := []struct {
		line   string
		body   string
		full   int
		shop   int
		read   int
		token  int
		secret int
		others int // the client secret of another payment
	}{
		{"POST /v1/payments", `{"order_id":"shop-1","amount":4999,"currency":"eur"}`, 200, 200, 403, 200, 403, 403},
		{"POST " + payment + "/customer-session", "", 409, 409, 403, 409, 403, 403},
		{"GET " + payment, "", 200, 200, 200, 200, 200, 404},
		{"GET " + payment + "/history", "", 200, 200, 200, 403, 403, 403},
		{"PATCH " + payment, `{"amount":4999}`, 412, 412, 403, 403, 403, 403},
		{"GET /v1/orders/shop-1", "", 200, 200, 200, 200, 403, 403},
		{"POST /v1/order-tokens", `{"order_id":"shop-3","amount":4999,"currency":"eur"}`, 201, 201, 403, 403, 403, 403},
		{"GET /v1/events", "", 200, 200, 403, 403, 403, 403},
		{"GET /v1/config", "", 200, 200, 200, 200, 200, 200},
		{"GET /openapi.yaml", "", 200, 200, 200, 200, 200, 200},
		{"POST " + payment + "/capture", "", 409, 403, 403, 403, 403, 403},
		{"POST " + payment + "/refunds", "", 409, 403, 403, 403, 403, 403},
		{"GET " + payment + "/refunds", "", 200, 200, 200, 403, 403, 403},
		{"POST " + payment + "/cancel", "", 200, 403, 403, 403, 403, 403},
	}
	for _, test := range tests {
		for token, want := range map[string]int{
			fullKey: test.full, shopKey: test.shop, readKey: test.read, mayPay: test.token,
			mine.ClientSecret: test.secret, other.ClientSecret: test.others,
		} {
			answer := w.send(request{
				line: test.line, token: token, body: test.body,
				header: map[string]string{"If-Match": `"1"`, "Idempotency-Key": "key"},
			})
			if answer.status != want {
				t.Errorf("%s with %.12s…: %d, want %d: %s", test.line, token, answer.status, want, answer.body)
			}
			if want == http.StatusForbidden && !strings.Contains(answer.body, `"code":"insufficient_scope"`) {
				t.Errorf("%s: %s", test.line, answer.body)
			}
		}
	}
	lower := w.send(request{line: "GET " + payment, header: map[string]string{"Authorization": "bearer " + readKey}})
	if lower.status != http.StatusOK {
		t.Errorf("the scheme in lower case: %d", lower.status)
	}
}

var requestIDs = regexp.MustCompile(`"request_id":"[^"]*"`)

// TestForbiddenLooksMissing: a forbidden payment and a missing one get the same response.
func TestForbiddenLooksMissing(t *testing.T) {
	w := newEnv(t)
	mine := w.create("shop-1")
	answers := map[string]reply{
		"another's": w.send(
			request{line: "GET /v1/payments/" + mine.PaymentIntent, token: w.create("shop-2").ClientSecret},
		),
		"wrong secret": w.send(request{line: "GET /v1/payments/" + mine.PaymentIntent, token: mine.ClientSecret + "x"}),
		"not there":    w.send(request{line: "GET /v1/payments/pi_nothing", token: "pi_nothing_secret_nothing"}),
		"for a key":    w.send(request{line: "GET /v1/payments/pi_nothing", token: fullKey}),
		"by token": w.send(
			request{line: "GET /v1/payments/" + mine.PaymentIntent, token: w.token(claims{"order_id": "shop-3"})},
		),
		"no order":    w.send(request{line: "GET /v1/orders/shop-3", token: w.token(claims{"order_id": "shop-3"})}),
		"other order": w.send(request{line: "GET /v1/orders/shop-1", token: w.token(claims{"order_id": "shop-3"})}),
		"its session": w.send(request{
			line:  "POST /v1/payments/" + mine.PaymentIntent + "/customer-session",
			token: w.token(claims{"order_id": "shop-3"}),
		}),
	}
	want := requestIDs.ReplaceAllString(answers["not there"].body, "")
	for name, answer := range answers {
		if got := requestIDs.ReplaceAllString(answer.body, ""); answer.status != http.StatusNotFound || got != want {
			t.Errorf("%s: %d %s, want %s", name, answer.status, got, want)
		}
	}
	for _, line := range []string{
		"GET /v1/payments/pi_nothing/history", "POST /v1/payments/pi_nothing/customer-session",
		"GET /v1/orders/nothing", "POST /v1/payments/pi_nothing/cancel",
		"POST /v1/payments/pi_nothing/capture", "GET /v1/payments/pi_nothing/refunds",
	} {
		if answer := w.send(request{line: line, token: fullKey}); answer.status != http.StatusNotFound {
			t.Errorf("%s: %d %s", line, answer.status, answer.body)
		}
	}
}

// TestOrderOfChecks: path ids, then the credential, its scope, the query, headers, the body.
func TestOrderOfChecks(t *testing.T) {
	w := newEnv(t)
	bothers := map[string]string{"Idempotency-Key": " ", "Content-Type": "text/plain"}
	huge := strings.Repeat("x", 70<<10)
	tests := []struct {
		request
		code string
	}{
		{request{line: "POST /v1/payments/x/customer-session?y=1", header: bothers, body: huge}, "invalid_request"},
		{request{line: "POST /v1/payments/pi_1/customer-session?y=1", header: bothers, body: huge}, "unauthenticated"},
		{
			request{line: "POST /v1/payments/pi_1/customer-session?y=1", header: bothers, body: huge, token: readKey},
			"insufficient_scope",
		},
		{
			request{line: "POST /v1/payments/pi_1/customer-session?y=1", header: bothers, body: huge, token: fullKey},
			"invalid_request",
		},
		{request{
			line:   "POST /v1/payments/pi_1/customer-session",
			header: map[string]string{"Content-Type": "text/plain"}, body: huge, token: fullKey,
		}, "unsupported_media_type"},
		{request{line: "POST /v1/payments/pi_1/customer-session", body: huge, token: fullKey}, "body_too_large"},
		{request{line: "POST /v1/payments/pi_1/customer-session", body: "x", token: fullKey}, "invalid_json"},
		{request{line: "POST /v1/payments/pi_1/customer-session", token: fullKey}, "not_found"},
	}
	for _, test := range tests {
		test.bad = true
		if answer := w.send(test.request); !strings.Contains(answer.body, `"code":"`+test.code+`"`) {
			t.Errorf("%s: %s, want %s", test.line, answer.body, test.code)
		}
	}
}

// TestRefundAcrossARotatedKey: a service key is replaced by a second one of its name. A refund that
// was sent with the old key and is repeated with the new one is made once.
func TestRefundAcrossARotatedKey(t *testing.T) {
	w := newEnv(t)
	w.deliverWebhooks()
	made := w.paid("shop-2")
	ids := map[string]bool{}
	for _, token := range []string{fullKey, rotatedKey, fullKey, rotatedKey} {
		answer := w.send(request{
			line: "POST /v1/payments/" + made.PaymentIntent +
				"/refunds", token: token, body: `{"amount":1000}`, header: map[string]string{"Idempotency-Key": "one"},
		})
		var given givenBack
		if answer.into(t, http.StatusCreated, &given); given.Payment.AmountRefunded != 1000 {
			t.Errorf("given back: %s", answer.body)
		}
		ids[given.Refund.ID] = true
	}
	if len(ids) != 1 {
		t.Errorf("there are %d refunds", len(ids))
	}
}
