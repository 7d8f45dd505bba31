package api_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// fullToken has every claim.
func (w *apiEnv) fullToken(customer string) string {
	return w.token(claims{
		"customer": customer, "capture_method": "automatic", "setup_future_usage": "off_session",
		"description": "two bicycles", "receipt_email": "ada@example.org",
		"metadata": map[string]string{"channel": "web"}, "customer_session": claims{
			"redisplay_limit": 5, "save": true, "save_usage": "off_session",
			"allow_redisplay_filters": []string{"always"},
		},
	})
}

// TestBodyRepeatsTheToken: the body may be empty or equal to the token. A browser cannot change anything.
func TestBodyRepeatsTheToken(t *testing.T) {
	w := newEnv(t)
	customer := w.customer()
	token := w.fullToken(customer)
	all := map[string]string{
		"order_id": `"shop-1"`, "amount": "4999", "currency": `"eur"`, "customer": `"` + customer +
			`"`, "capture_method": `"automatic"`, "setup_future_usage": `"off_session"`,
		"description": `"two bicycles"`, "receipt_email": `"ada@example.org"`, "metadata": `{"channel":"web"}`,
		"reopen": "false", "statement_descriptor_suffix": "null",
		"customer_session": `{"redisplay_limit":5,"save":true,"save_usage":"off_session",` +
			`"allow_redisplay_filters":["always"]}`,
	}
	var members, nulls []string
	for name, value := range all {
		members, nulls = append(members, `"`+name+`":`+value), append(nulls, `"`+name+`":null`)
	}
	want := http.StatusCreated
	for _, body := range append(members, "", strings.Join(members, ","), strings.Join(nulls, ",")) {
		w.send(request{line: createLine, token: token, body: "{" + body + "}"}).into(t, want, &opened{})
		want = http.StatusOK
	}
	w.send(request{line: createLine, token: token}).into(t, http.StatusOK, &opened{})

	dump, calls := w.dump(), len(w.stripe.Requests())
	for _, r := range []refused{
		{body: `{"order_id":"shop-2"}`, where: []string{"/order_id"}},
		{body: `{"amount":1}`, where: []string{"/amount"}},
		{body: `{"amount":0}`, where: []string{"/amount"}},
		{body: `{"amount":4999,"currency":"usd"}`, where: []string{"/currency"}},
		{body: `{"customer":"cus_other"}`, where: []string{"/customer"}},
		{body: `{"capture_method":"manual"}`, where: []string{"/capture_method"}},
		{body: `{"setup_future_usage":"on_session"}`, where: []string{"/setup_future_usage"}},
		{body: `{"description":""}`, where: []string{"/description"}},
		{body: `{"receipt_email":"Ada@example.org"}`, where: []string{"/receipt_email"}},
		{body: `{"metadata":{}}`, where: []string{"/metadata"}},
		{body: `{"metadata":{"channel":"web","x":"y"}}`, where: []string{"/metadata"}},
		{body: `{"customer_session":{"remove":true}}`, where: []string{"/customer_session/remove"}},
		{body: `{"statement_descriptor_suffix":"BIKES"}`, where: []string{"/statement_descriptor_suffix"}},
		{body: `{"shipping":{"name":"Ada","address":{"line1":"1 Row"}}}`, where: []string{"/shipping"}},
		{body: `{"payment_method_configuration":"pmc_1"}`, where: []string{"/payment_method_configuration"}},
		{body: `{"reopen":true}`, where: []string{"/reopen"}},
		{
			body:  `{"amount":1,"currency":"usd","order_id":"shop-1","reopen":true}`,
			where: []string{"/amount", "/currency", "/reopen"},
		},
		{body: `{"amount":"4999"}`, status: 400, code: "invalid_request", where: []string{"/amount"}},
		{body: `{"terms":{}}`, status: 400, code: "invalid_request", where: []string{"/terms"}},
		{body: `{"amount":4999,"amount":1}`, status: 400, code: "invalid_json", where: []string{"/amount"}},
		{body: `amount=1`, status: 400, code: "invalid_json"},
	} {
		t.Run(r.body, func(t *testing.T) {
			w.t, r.line, r.token = t, createLine, token
			if r.code == "" {
				r.status, r.code = http.StatusUnprocessableEntity, "claim_mismatch"
			}
			w.checkRefusal(r)
		})
	}
	w.t = t
	w.checkUntouched(dump, calls)
}

var valuesInATokenCases = []struct {
	changed claims
	status  int
	code    string
	where   []string
}{
	{claims{"amount": 0}, 422, "amount_out_of_range", []string{"/amount"}},
	{claims{"amount": -1}, 422, "amount_out_of_range", []string{"/amount"}},
	{claims{"amount": 1_000_000_000_000}, 422, "amount_out_of_range", []string{"/amount"}},
	{claims{"amount": 1<<53 + 1}, 422, "amount_out_of_range", []string{"/amount"}},
	{claims{"currency": "xxx"}, 422, "unsupported_currency", []string{"/currency"}},
	{claims{"currency": "EUR"}, 400, "invalid_request", []string{"/currency"}},
	{claims{"currency": ""}, 400, "invalid_request", []string{"/currency"}},
	{claims{"amount": 0, "currency": ""}, 400, "invalid_request", []string{"/currency"}},
	{claims{"customer": "ada"}, 400, "invalid_request", []string{"/customer"}},
	{claims{"customer": "cus_x}{"}, 400, "invalid_request", []string{"/customer"}},
	{
		claims{"capture_method": "later", "setup_future_usage": "always"},
		400, "invalid_request",
		[]string{"/capture_method", "/setup_future_usage"},
	},
	{claims{"description": strings.Repeat("ä", 1001)}, 400, "invalid_request", []string{"/description"}},
	{claims{"receipt_email": "ada"}, 400, "invalid_request", []string{"/receipt_email"}},
	{
		claims{"metadata": claims{"kasse_order_id": "shop-2", "": "x", "empty": ""}},
		400, "invalid_request",
		[]string{"/metadata", "/metadata/empty", "/metadata/kasse_order_id"},
	},
	{
		claims{"customer_session": claims{"surface": "watch"}},
		400, "invalid_request",
		[]string{"/customer_session/surface"},
	},
	{
		claims{"customer_session": claims{"redisplay_limit": 0, "save_usage": "on_session"}},
		400,
		"invalid_request",
		[]string{"/customer_session/redisplay_limit", "/customer_session/save_usage"},
	},
	{
		claims{"customer_session": claims{"save": true}},
		400, "invalid_request",
		[]string{"/customer_session/save_usage"},
	},
	{
		claims{"customer_session": claims{"save_usage": "on_session"}},
		400, "invalid_request",
		[]string{"/customer_session/save_usage"},
	},
	{claims{"amount": nil}, 403, "insufficient_scope", nil},
	{claims{"currency": nil}, 403, "insufficient_scope", nil},
	{claims{"currency": json.RawMessage("null")}, 403, "insufficient_scope", nil},
	{claims{"amount": nil, "currency": nil}, 403, "insufficient_scope", nil},
}

// TestValuesInAToken: a value that a body may not have, a token may not have either. The answer points to the claim.
func TestValuesInAToken(t *testing.T) {
	w := newEnv(t)
	dump, calls := w.dump(), len(w.stripe.Requests())
	for _, test := range valuesInATokenCases {
		t.Run(encode(t, test.changed), func(t *testing.T) {
			w.t = t
			w.checkRefusal(refused{
				line: createLine, token: w.token(test.changed), status: test.status, code: test.code,
				where: test.where,
			})
		})
	}
	w.t = t
	w.checkUntouched(dump, calls)
}

// TestTokenWithoutTerms reads its order and refreshes its session, a month long, and opens nothing.
func TestTokenWithoutTerms(t *testing.T) {
	w := newEnv(t)
	var made, fresh opened
	customer := w.customer()
	w.send(request{
		line: createLine, token: shopKey,
		body: strings.TrimSuffix(shopOne, "}") + `,"customer":"` + customer + `"}`,
	}).into(t, http.StatusCreated, &made)
	now := w.now.Unix()
	reader := w.token(claims{"customer": customer, "amount": nil, "currency": nil, "iat": now, "exp": now + 30*86400})
	for _, line := range []string{"GET /v1/orders/shop-1", "GET /v1/payments/" + made.PaymentIntent} {
		if got := w.send(request{line: line, token: reader}); got.status != http.StatusOK ||
			strings.Contains(got.body, "_secret_") {
			t.Errorf("%s: %d %s", line, got.status, got.body)
		}
	}
	w.send(
		request{line: "POST /v1/payments/" + made.PaymentIntent + "/customer-session", token: reader},
	).into(t, http.StatusCreated, &fresh)
	dump, calls := w.dump(), len(w.stripe.Requests())
	for _, body := range []string{"", `{}`, shopOne, `{"amount":"x"`} {
		w.send(
			request{line: createLine, token: reader, body: body, bad: true},
		).says(t, http.StatusForbidden, "insufficient_scope")
	}
	w.checkUntouched(dump, calls)
}
