package api_test

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"kasse/api"
	"kasse/service"
)

// The secrets of the tests' tokens; the older one is about to be rotated out.
const (
	newSecret = "a secret of the tests, thirty-two bytes or more"
	oldSecret = "another secret, which was the first a year ago."
)

// TestTokenFromMintToPaid is the life of a single-page app's order.
func TestTokenFromMintToPaid(t *testing.T) {
	w := newEnv(t)
	w.deliverWebhooks()
	token := w.mint(`{"order_id":"shop:1","amount":4999,"currency":"eur","customer":"` + w.customer() +
		`","metadata":{"channel":"app"},"receipt_email":"ada@example.org"}`)
	if life := time.Until(token.ExpiresAt); life > 15*time.Minute || life < 14*time.Minute ||
		time.Since(time.UnixMilli(token.Rev)).Abs() > time.Minute {
		t.Errorf("token is %+v", token)
	}
	if before := w.send(
		request{line: "GET /v1/orders/shop:1", token: token.Token},
	); before.body != `{"order_id":"shop:1","closed":false,"payment":null,"superseded":[]}` {
		t.Errorf("before the create: %d %s", before.status, before.body)
	}
	if got := w.stripe.Count(makeIntent); got != 0 {
		t.Errorf("the mint made %d payments", got)
	}
	var made, again opened
	w.send(request{line: createLine, token: token.Token}).into(t, http.StatusCreated, &made)
	w.send(request{line: createLine, token: token.Token, body: `{}`}).into(t, http.StatusOK, &again)
	if again.PaymentIntent != made.PaymentIntent || made.Session == nil || made.Amount != 4999 || made.Customer == nil {
		t.Errorf("made %+v, again %+v", made, again)
	}
	var fresh opened
	w.send(
		request{line: "POST /v1/payments/" + made.PaymentIntent + "/customer-session", token: token.Token},
	).into(t, http.StatusCreated, &fresh)
	if fresh.Session == nil || fresh.Session.ClientSecret == made.Session.ClientSecret {
		t.Errorf("no fresh session: %+v", fresh)
	}
	w.bring(made.PaymentIntent, "succeeded")
	w.reach(made.PaymentIntent, "paid")
	for _, line := range []string{"GET /v1/payments/" + made.PaymentIntent, "GET /v1/orders/shop%3A1"} {
		if paid := w.send(request{line: line, token: token.Token}); paid.status != http.StatusOK ||
			!strings.Contains(paid.body, `"metadata":{"channel":"app"}`) {
			t.Errorf("%s: %d %s", line, paid.status, paid.body)
		}
	}
	w.checkSecrets(made)
	w.checkHidden(token.Token)
}

// bring leads a payment to a status at Stripe, as a customer and a bank would.
func (w *apiEnv) bring(id, status string) {
	w.t.Helper()
	if err := w.stripe.SetStatus(id, status); err != nil {
		w.t.Fatal(err)
	}
}

// checkHidden looks for tokens' signatures and for the secrets in the logs and in Redis.
func (w *apiEnv) checkHidden(tokens ...string) {
	w.t.Helper()
	hidden := []string{newSecret, oldSecret}
	for _, token := range tokens {
		if signature := token[strings.LastIndex(token, ".")+1:]; len(signature) > 20 {
			hidden = append(hidden, signature)
		}
	}
	for where, text := range map[string]string{"the log": w.logs.String(), "Redis": w.dump()} {
		for _, secret := range hidden {
			if strings.Contains(text, secret) {
				w.t.Errorf("%s holds %.12s…", where, secret)
			}
		}
	}
}

func TestExpiredTokenHasItsOwnError(t *testing.T) {
	w := newEnv(t)
	now := w.now.Unix()
	old := claims{"iat": now - 600, "exp": now - 1}
	for token, want := range map[string]string{
		w.token(old): "token_expired",
		w.token(
			claims{"iat": now - 40*86400, "exp": now - 11*86400, "amount": nil, "currency": nil},
		): "token_expired",
		sign(
			t, goodHeader, encode(t, w.claims(old)), oldSecret, sha256.New,
		): "unauthenticated",
		sign(
			t, goodHeader, encode(t, w.claims(old)), newSecret, sha512.New,
		): "unauthenticated",
		w.token(
			claims{"iat": now - 600, "exp": now - 1, "aud": "other"},
		): "unauthenticated",
		w.token(
			claims{"iat": now - 86400*3, "exp": now - 1},
		): "unauthenticated",
		sign(
			t, `{"alg":"HS256","kid":"v3"}`, encode(t, w.claims(old)), newSecret, sha256.New,
		): "unauthenticated",
		sign(
			t, `{"alg":"none","kid":"v2"}`, encode(t, w.claims(old)), newSecret, sha256.New,
		): "unauthenticated",
		sign(
			t, goodHeader, encode(t, w.claims(claims{"exp": now, "iat": now})), newSecret, sha256.New,
		): "token_expired",
	} {
		answer := w.send(request{line: "GET /v1/orders/shop-1", token: token})
		if answer.status != http.StatusUnauthorized || !strings.Contains(answer.body, `"code":"`+want+`"`) {
			t.Errorf("%d %s, want %s", answer.status, answer.body, want)
		}
	}
}

func TestValidTokensAreAccepted(t *testing.T) {
	w := newEnv(t)
	w.create("shop-1")
	now := w.now.Unix()
	for name, token := range map[string]string{
		"plain":   w.token(nil),
		"rotated": sign(t, `{"alg":"HS256","kid":"v1"}`, encode(t, w.claims(nil)), oldSecret, sha256.New),
		"other typ": sign(
			t, `{"alg":"HS256","kid":"v2","typ":"at+jwt","x":{"y":1}}`, encode(t, w.claims(nil)), newSecret,
			sha256.New,
		),
		"several auds": w.token(claims{"aud": []string{"shop", "kasse"}}),
		"unknown claims": w.token(claims{
			"sub": "ada", "Amount": 1, "reopen": true, "statement_descriptor_suffix": "X",
			"roles": []string{"admin"},
		}),
		"a day":       w.token(claims{"iat": now, "exp": now + 86400}),
		"clock ahead": w.token(claims{"iat": now + 60, "nbf": now + 60, "rev": (now + 60) * 1000}),
		"parts":       w.token(claims{"iat": float64(now) - 0.5, "exp": float64(now) + 600.25}),
		"thirty days": w.token(claims{"iat": now, "exp": now + 30*86400, "amount": nil, "currency": nil}),
		"null terms": w.token(
			claims{"exp": now + 86400*2, "amount": json.RawMessage("null"), "currency": json.RawMessage("null")},
		),
		"only an amount": w.token(claims{"currency": nil}),
		"odd session":    w.token(claims{"customer_session": claims{"later": true}}),
	} {
		if answer := w.send(request{line: "GET /v1/orders/shop-1", token: token}); answer.status != http.StatusOK {
			t.Errorf("%s: %d %s", name, answer.status, answer.body)
		}
	}
}

// TestMintRefusesMembersThatNoTokenHas: nothing is dropped in silence, and nothing is recorded.
func TestMintRefusesMembersThatNoTokenHas(t *testing.T) {
	w := newEnv(t)
	dump := w.dump()
	much := strings.Repeat("ü", 500)
	long := with(`"metadata":{"a":"` + much + `","b":"` + much + `"},"description":"` + strings.Repeat("€", 1000) + `"`)
	many := with(
		`"metadata":{"a":"` + much + `","b":"` + much + `","c":"` + much + `","d":"` + much + `","e":"` + much + `"}`,
	)
	for _, r := range []refused{
		{
			name: "suffix", body: with(`"statement_descriptor_suffix":"BIKES"`),
			where: []string{"/statement_descriptor_suffix"},
		},
		{
			name: "shipping", body: with(`"shipping":{"name":"Ada","address":{"line1":"1 Row"}}`),
			where: []string{"/shipping"},
		},
		{
			name: "configuration", body: with(`"payment_method_configuration":"pmc_1"`),
			where: []string{"/payment_method_configuration"},
		},
		{name: "reopen", body: with(`"reopen":true`), where: []string{"/reopen"}},
		{
			name: "both", body: with(`"reopen":true,"statement_descriptor_suffix":"BIKES"`),
			where: []string{"/reopen", "/statement_descriptor_suffix"},
		},
		{name: "long description", body: long, where: []string{"/description"}},
		{name: "long metadata", body: many, where: []string{"/metadata"}},
	} {
		t.Run(r.name, func(t *testing.T) {
			w.t, r.line, r.token, r.status, r.code = t, mintLine, shopKey, http.StatusBadRequest, "invalid_request"
			w.checkRefusal(r)
		})
	}
	w.t = t
	if got := w.dump(); got != dump {
		t.Errorf("Redis was\n%s\nand is\n%s", dump, got)
	}
	for _, body := range []string{
		with(`"reopen":false,"statement_descriptor_suffix":null`), with(
			`"metadata":{"a":"` + strings.Repeat("x", 500) + `"},"description":"` + strings.Repeat("€", 1000) + `"`,
		),
	} {
		if token := w.mint(body); len(token.Token) > 6<<10 {
			t.Errorf("a token of %d bytes", len(token.Token))
		}
	}
}

// TestMintWhileRedisIsAhead: a minted token is accepted even if Redis's clock is ahead of ours, and has the
// recorded terms.
func TestMintWhileRedisIsAhead(t *testing.T) {
	w := newEnv(t)
	w.now = time.Now().Add(-5 * time.Minute)
	var made opened
	for _, amount := range []string{"4999", "5999"} {
		token := w.mint(`{"order_id":"shop-1","amount":` + amount + `,"currency":"eur"}`)
		answer := w.send(request{line: createLine, token: token.Token})
		if err := unmarshal([]byte(answer.body), &made); err != nil || answer.status >= 300 ||
			encode(t, made.Amount) != amount {
			t.Errorf("%d %s, want %s", answer.status, answer.body, amount)
		}
	}
}

func TestTokensSwitchedOff(t *testing.T) {
	w := &apiEnv{t: t, logs: &lines{}, client: checkedClient(t)}
	without := w.tokens()
	without.Secrets = nil
	w.api = httptest.NewServer(api.New(nil, api.Options{
		Keys: []api.Key{
			newKey("shop", shopKey, service.ScopeWrite),
		}, Tokens: without, Logger: slog.New(slog.DiscardHandler),
	}))
	t.Cleanup(w.api.Close)
	if answer := w.send(
		request{line: "POST /v1/order-tokens", token: shopKey, body: order},
	); answer.status != http.StatusNotFound {
		t.Errorf("mint: %d %s", answer.status, answer.body)
	}
	if answer := w.send(request{line: createLine, token: w.token(nil)}); answer.status != http.StatusUnauthorized {
		t.Errorf("create: %d %s", answer.status, answer.body)
	}
}
