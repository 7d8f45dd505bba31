package api_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"kasse/service/stripe/stripesim"
)

// twoCustomers is an order that Ada has opened, and that is Bob's now.
type twoCustomers struct {
	*apiEnv
	ada, bob, guest, adaReads, anyReads string // tokens
	first, second                       opened // Ada's payment, and Bob's
}

func newTwoCustomers(t *testing.T) *twoCustomers {
	t.Helper()
	o := &twoCustomers{apiEnv: newEnv(t)}
	ada, bob := o.customer(), o.customer()
	rev := o.now.UnixMilli() - 10_000
	o.ada = o.token(claims{"customer": ada, "rev": rev, "metadata": map[string]string{"of": "ada"}})
	o.bob = o.token(claims{"customer": bob, "rev": rev + 1, "metadata": map[string]string{"of": "bob"}})
	o.guest = o.token(claims{"rev": rev - 1})
	o.adaReads = o.token(claims{"customer": ada, "amount": nil, "currency": nil})
	o.anyReads = o.token(claims{"amount": nil, "currency": nil})
	o.send(request{line: createLine, token: o.ada}).into(t, http.StatusCreated, &o.first)
	o.send(request{line: createLine, token: o.bob}).into(t, http.StatusCreated, &o.second)
	return o
}

// TestFormerCustomerLearnsNothing: of a payment of another customer of its order a token gets no session and no view.
func TestFormerCustomerLearnsNothing(t *testing.T) {
	o := newTwoCustomers(t)
	dump, calls := o.dump(), len(o.stripe.Requests())
	second := "/v1/payments/" + o.second.PaymentIntent
	for name, token := range map[string]string{
		"ada": o.ada, "guest": o.guest, "ada's reader": o.adaReads, "reader": o.anyReads,
	} {
		for _, body := range []string{"", `{"customer_session":{"remove":true}}`} {
			answer := o.send(
				request{line: "POST " + second + "/customer-session", token: token, body: body},
			).says(t, 409, "order_conflict")
			if strings.Contains(answer.body, "cus_") || strings.Contains(answer.body, `"payment":`) {
				t.Errorf("%s is shown %s", name, answer.body)
			}
		}
	}
	o.checkUntouched(dump, calls)
	for name, token := range map[string]string{"ada": o.ada, "guest": o.guest, "ada's reader": o.adaReads} {
		o.send(request{line: "GET " + second, token: token}).says(t, 404, "not_found")
		var seen struct {
			Payment    *opened
			Superseded []opened
		}
		answer := o.send(request{line: "GET /v1/orders/shop-1", token: token})
		answer.into(t, http.StatusOK, &seen)
		if strings.Contains(answer.body, o.second.PaymentIntent) || seen.Payment != nil ||
			(name == "guest") != (len(seen.Superseded) == 0) {
			t.Errorf("%s is shown %s", name, answer.body)
		}
	}
	o.send(request{line: createLine, token: o.ada}).says(t, 409, "order_conflict")
	o.send(request{line: "GET /v1/payments/" + o.first.PaymentIntent, token: o.bob}).says(t, 404, "not_found")
	if answer := o.send(
		request{line: "GET /v1/orders/shop-1", token: o.bob},
	); strings.Contains(answer.body, o.first.PaymentIntent) ||
		!strings.Contains(answer.body, o.second.PaymentIntent) {
		t.Errorf("bob is shown %s", answer.body)
	}
}

// TestReaderWithoutCustomerSeesWhatASecretShows: no customer, no metadata, no dispute.
func TestReaderWithoutCustomerSeesWhatASecretShows(t *testing.T) {
	o := newTwoCustomers(t)
	for _, made := range []opened{o.first, o.second} {
		line := "GET /v1/payments/" + made.PaymentIntent
		byToken, bySecret := o.send(request{line: line, token: o.anyReads}), o.send(
			request{line: line, token: made.ClientSecret},
		)
		if byToken.status != http.StatusOK || byToken.body != bySecret.body {
			t.Errorf("token sees %s, secret sees %s", byToken.body, bySecret.body)
		}
	}
	answer := o.send(request{line: "GET /v1/orders/shop-1", token: o.anyReads})
	if strings.Contains(answer.body, "cus_") || strings.Contains(answer.body, `"metadata"`) ||
		!strings.Contains(answer.body, o.first.PaymentIntent) {
		t.Errorf("order is %s", answer.body)
	}
}

// TestPaidByAnother: the refusal of a create shows no payment of another customer.
func TestPaidByAnother(t *testing.T) {
	o := newTwoCustomers(t)
	o.deliverWebhooks()
	o.bring(o.second.PaymentIntent, "succeeded")
	o.reach(o.second.PaymentIntent, "paid")
	for _, token := range []string{o.ada, o.guest} {
		answer := o.send(request{line: createLine, token: token})
		if answer.status != http.StatusConflict || strings.Contains(answer.body, o.second.PaymentIntent) ||
			strings.Contains(answer.body, "cus_") {
			t.Errorf("answer is %d %s", answer.status, answer.body)
		}
	}
	if answer := o.send(
		request{line: createLine, token: o.bob},
	).says(t, 409, "order_already_paid"); !strings.Contains(answer.body, o.second.PaymentIntent) {
		t.Errorf("bob is shown %s", answer.body)
	}
}

// TestMintedReaderIsForTheOrdersCustomer: the token names the order's customer, and minting records
// nothing.
func TestMintedReaderIsForTheOrdersCustomer(t *testing.T) {
	o := newTwoCustomers(t)
	dump := o.dump()
	reader := o.mint(`{"order_id":"shop-1"}`)
	o.checkUntouched(dump, len(o.stripe.Requests()))
	o.send(request{line: "GET /v1/payments/" + o.first.PaymentIntent, token: reader.Token}).says(t, 404, "not_found")
	var seen opened
	o.send(
		request{line: "GET /v1/payments/" + o.second.PaymentIntent, token: reader.Token},
	).into(t, http.StatusOK, &seen)
	o.send(
		request{line: "POST /v1/payments/" + o.second.PaymentIntent + "/customer-session", token: reader.Token},
	).into(t, http.StatusCreated, &opened{})
	o.send(request{line: createLine, token: reader.Token}).says(t, 403, "insufficient_scope")
	if seen.Customer == nil {
		t.Error("the customer's own view is cut")
	}
	o.send(request{line: mintLine, token: shopKey, body: `{"order_id":"shop-9"}`}).says(t, 404, "not_found")
	o.checkRefusal(refused{
		line: mintLine, token: shopKey, body: `{"order_id":"shop-1","amount":1}`, status: 400,
		code: "invalid_request", where: []string{"/currency"},
	})
	o.checkRefusal(refused{
		line: mintLine, token: shopKey, body: `{"order_id":"shop-1","metadata":{}}`, status: 400,
		code: "invalid_request", where: []string{"/amount", "/currency"},
	})
}

// TestTokenNarrowsItsSession: a page may ask for less than its token allows, and never for more.
func TestTokenNarrowsItsSession(t *testing.T) {
	w := newEnv(t)
	customer := w.customer()
	said := w.token(claims{"customer": customer, "customer_session": claims{
		"redisplay_limit": 5, "save": true, "save_usage": "off_session", "allow_redisplay_filters": []string{
			"always", "limited",
		},
	}})
	silent := w.token(claims{"customer": customer})
	var made opened
	w.send(request{line: createLine, token: silent}).into(t, http.StatusCreated, &made)
	line := "POST /v1/payments/" + made.PaymentIntent + "/customer-session"
	for _, test := range []struct {
		token, session string
		where          []string // empty: it is allowed
	}{
		{said, `{"redisplay_limit":5,"allow_redisplay_filters":["limited"]}`, nil},
		{said, `{"save":true,"save_usage":"off_session","redisplay":false}`, nil},
		{said, `{"redisplay_limit":6}`, []string{"/customer_session/redisplay_limit"}},
		{
			said, `{"remove":true,"save":true,"save_usage":"on_session"}`,
			[]string{"/customer_session/remove", "/customer_session/save_usage"},
		},
		{
			said, `{"allow_redisplay_filters":["always","unspecified"]}`,
			[]string{"/customer_session/allow_redisplay_filters"},
		},
		{said, `{"surface":"mobile"}`, []string{"/customer_session/surface"}},
		{silent, `{"redisplay_limit":2}`, nil},
		{silent, `{"redisplay_limit":4}`, []string{"/customer_session/redisplay_limit"}},
		{silent, `{"save":true,"save_usage":"on_session"}`, []string{"/customer_session/save"}},
		{silent, `{"remove":true}`, []string{"/customer_session/remove"}},
	} {
		for _, at := range []string{line, createLine} {
			calls := len(w.stripe.Requests())
			body := `{"customer_session":` + test.session + `}`
			if test.where != nil {
				w.checkRefusal(refused{
					line: at, token: test.token, body: body, status: 422, code: "claim_mismatch", where: test.where,
				})
				if asked := len(w.stripe.Requests()); asked != calls {
					t.Errorf("%s: Stripe was asked", body)
				}
			} else if answer := w.send(request{line: at, token: test.token, body: body}); answer.status >= 300 {
				t.Errorf("%s %s: %d %s", at, body, answer.status, answer.body)
			}
		}
	}
	w.send(
		request{line: line, token: said, body: `{"customer_session":{"redisplay_limit":4}}`},
	).into(t, http.StatusCreated, &opened{})
	asked := w.stripe.Requests()
	if sent := asked[len(asked)-1].Body; !strings.Contains(sent, "redisplay_limit]=4") ||
		!strings.Contains(sent, "[payment_method_save]=disabled") {
		t.Errorf("Stripe was asked for %s", sent)
	}
}

// TestMintedTokenKeepsThePaymentsSession: a token that is minted without a customer session has no such claim. Its page
// gets the session that the backend has opened the payment with, and may narrow it.
func TestMintedTokenKeepsThePaymentsSession(t *testing.T) {
	const terms = `"amount":4999,"currency":"eur","customer":%q`
	w := newEnv(t)
	for i, test := range []struct {
		minted, asked string // customer_session of the token and of the page; empty: none
		sent          string // part of what Stripe gets
	}{
		{"", "", "components[mobile_payment_element][features][payment_method_save]=enabled"},
		{"", `{"save":false}`, "components[mobile_payment_element][features][payment_method_save]=disabled"},
		{"", `{"surface":"mobile"}`, "components[mobile_payment_element][features][payment_method_save]=disabled"},
		{`{}`, "", "components[payment_element][features][payment_method_save]=disabled"},
	} {
		body := fmt.Sprintf(`{"order_id":"shop-%d",`+terms, i, w.customer())
		var made opened
		w.send(request{
			line: createLine, token: fullKey, body: body + `,"customer_session":{"surface":"mobile","save":true}}`,
		}).into(t, http.StatusCreated, &made)
		if test.minted != "" {
			body += `,"customer_session":` + test.minted
		}
		token := w.mint(body + "}").Token
		if test.asked != "" {
			test.asked = `{"customer_session":` + test.asked + `}`
		}
		for line, status := range map[string]int{
			"POST /v1/payments/" + made.PaymentIntent + "/customer-session": http.StatusCreated,
			createLine: http.StatusOK,
		} {
			calls := len(w.stripe.Requests())
			w.send(request{line: line, token: token, body: test.asked}).into(t, status, &opened{})
			if !slices.ContainsFunc(w.stripe.Requests()[calls:], func(r stripesim.Request) bool {
				return strings.Contains(r.Body, test.sent)
			}) {
				t.Errorf("case %d, %s: Stripe got %+v", i, line, w.stripe.Requests()[calls:])
			}
		}
	}
}

// TestImpossibleSessionIsInvalid: a session that no payment can have is 400 on both routes, with every token. It is not
// compared with the token.
func TestImpossibleSessionIsInvalid(t *testing.T) {
	w := newEnv(t)
	customer := w.customer()
	saves := claims{"save": true, "save_usage": "on_session"}
	claimed := w.token(claims{"customer": customer, "customer_session": saves})
	silent := w.token(claims{"customer": customer})
	var made opened
	w.send(request{line: createLine, token: silent}).into(t, http.StatusCreated, &made)
	calls := len(w.stripe.Requests())
	for session, where := range map[string]string{
		`{"save":true}`:                         "save_usage",
		`{"save_usage":"on_session"}`:           "save_usage",
		`{"allow_redisplay_filters":["never"]}`: "allow_redisplay_filters/0",
		`{"redisplay_limit":11}`:                "redisplay_limit",
		`{"surface":"watch"}`:                   "surface",
		`{"save_allow_redisplay":"always"}`:     "save_allow_redisplay",
	} {
		for _, line := range []string{createLine, "POST /v1/payments/" + made.PaymentIntent + "/customer-session"} {
			for _, token := range []string{claimed, silent} {
				w.checkRefusal(refused{
					line: line, token: token, body: `{"customer_session":` + session + `}`, status: 400,
					code: "invalid_request", where: []string{"/customer_session/" + where},
				})
			}
		}
	}
	for claim, where := range map[string]string{
		"save": "save_usage", "surface": "surface", "redisplay_limit": "redisplay_limit",
	} {
		session := claims{claim: map[string]any{"save": true, "surface": "watch", "redisplay_limit": 11}[claim]}
		opens := claims{"customer": customer, "customer_session": session}
		reads := claims{"customer": customer, "customer_session": session, "amount": nil, "currency": nil}
		for _, token := range []string{w.token(opens), w.token(reads)} {
			w.checkRefusal(refused{
				line: "POST /v1/payments/" + made.PaymentIntent + "/customer-session", token: token, status: 400,
				code: "invalid_request", where: []string{"/customer_session/" + where},
			})
		}
	}
	if asked := len(w.stripe.Requests()); asked != calls {
		t.Errorf("Stripe got %d requests", asked-calls)
	}
}
