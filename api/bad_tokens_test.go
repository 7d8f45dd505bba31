package api_test

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// badTokens are order tokens that must be refused.
func badTokens(t *testing.T, w *apiEnv) map[string]string {
	t.Helper()
	bad := badSignatures(t, w)
	good := encode(t, w.claims(nil))
	for _, header := range badHeaders {
		bad["header "+header] = sign(t, header, good, newSecret, sha256.New)
	}
	for _, changed := range []map[string]claims{badTimes(w.now.Unix()), badTerms} {
		for name, changes := range changed {
			bad[name] = sign(t, goodHeader, encode(t, w.claims(changes)), newSecret, sha256.New)
		}
	}
	open := strings.TrimSuffix(good, "}")
	for _, payload := range []string{
		`null`, `[]`, `{}`, `"x"`, `1`, ``, `{`, good + good, strings.Repeat("[", 20000),
		open + `,"amount":1}`, open + `,"order_id":"shop-2"}`,
		strings.Replace(good, `"amount"`, `"amount":1,"amount"`, 1), strings.Replace(good, "shop-1", "shop\xff", 1),
	} {
		bad["payload "+payload[:min(len(payload), 40)]] = sign(t, goodHeader, payload, newSecret, sha256.New)
	}
	return bad
}

// badSignatures are tokens with malformed parts or wrong signatures.
func badSignatures(t *testing.T, w *apiEnv) map[string]string {
	t.Helper()
	good := encode(t, w.claims(nil))
	valid := sign(t, goodHeader, good, newSecret, sha256.New)
	parts := strings.Split(valid, ".")
	cheap := strings.Split(sign(t, goodHeader, encode(t, w.claims(claims{"amount": 1})), oldSecret, sha256.New), ".")
	return map[string]string{
		"two dots":             "..",
		"garbage":              "a.b.c",
		"no signature":         parts[0] + "." + parts[1] + ".",
		"two parts":            parts[0] + "." + parts[1],
		"four parts":           valid + ".x",
		"cut off":              valid[:len(valid)-1],
		"cut in the middle":    valid[:len(valid)/2],
		"padded":               valid + "=",
		"other payload":        parts[0] + "." + cheap[1] + "." + parts[2],
		"signature of another": parts[0] + "." + parts[1] + "." + cheap[2],
		"empty payload":        parts[0] + ".." + parts[2],
		"HS384":                sign(t, `{"alg":"HS384","kid":"v2"}`, good, newSecret, sha512.New384),
		"HS512":                sign(t, `{"alg":"HS512","kid":"v2"}`, good, newSecret, sha512.New),
		"wrong secret":         sign(t, goodHeader, good, newSecret+"x", sha256.New),
		"no secret":            sign(t, goodHeader, good, "", sha256.New),
		"other kid":            sign(t, `{"alg":"HS256","kid":"v1"}`, good, newSecret, sha256.New),
	}
}

// badHeaders are headers of tokens that must be refused.
var badHeaders = []string{
	`{"alg":"HS256"}`, `{"alg":"HS256","kid":"v3"}`, `{"alg":"HS256","kid":""}`, `{"alg":"HS256","kid":null}`,
	`{"alg":"HS256","kid":["v2"]}`, `{"alg":"HS256","kid":{"v2":1}}`,
	`{"alg":"HS256","kid":0}`, `{"alg":"HS256","kid":"V2"}`, `{"alg":"none","kid":"v2"}`,
	`{"alg":"None","kid":"v2"}`, `{"alg":"","kid":"v2"}`, `{"kid":"v2"}`, `{"alg":"hs256","kid":"v2"}`,
	`{"alg":["HS256"],"kid":"v2"}`, `{"alg":"RS256","kid":"v2"}`, `{"alg":"ES256","kid":"v2"}`,
	`{"alg":"EdDSA","kid":"v2"}`, `{"alg":"HS256","kid":"v2","crit":["exp"]}`,
	`{"alg":"HS256","kid":"v2","crit":null}`, `{"alg":"HS256","kid":"v2"} {}`, `null`, `[]`, `"HS256"`, `x`,
	`{"alg":"HS256","kid":"v2"`,
}

// badTimes are changes of a token's audience and times, in seconds since 1970, that must be refused.
func badTimes(now int64) map[string]claims {
	return map[string]claims{
		"no exp":                      {"exp": nil},
		"no iat":                      {"iat": nil},
		"no aud":                      {"aud": nil},
		"other aud":                   {"aud": "kasse2"},
		"other auds":                  {"aud": []string{"shop", "Kasse"}},
		"aud of a number":             {"aud": []any{"kasse", 1}},
		"empty aud":                   {"aud": ""},
		"long life":                   {"iat": now, "exp": now + 86401},
		"long life of half the terms": {"iat": now, "exp": now + 86401, "amount": nil},
		"longer life":                 {"iat": now, "exp": now + 30*86400 + 1, "amount": nil, "currency": nil},
		"endless life":                {"exp": int64(1) << 62},
		"life from long ago":          {"iat": json.RawMessage("-1e300")},
		"iat ahead":                   {"iat": now + 61},
		"nbf ahead":                   {"nbf": now + 61},
		"rev ahead":                   {"rev": (now + 61) * 1000},
		"rev 0":                       {"rev": 0},
		"rev below":                   {"rev": -1},
		"rev in words":                {"rev": "1700000000000"},
		"rev in parts":                {"rev": 1.5},
		"rev too great":               {"rev": json.RawMessage("1e30")},
		"exp in words":                {"exp": "tomorrow"},
		"exp of nothing":              {"exp": []int{}},
		"iat in words":                {"iat": "now"},
		"exp null":                    {"exp": json.RawMessage("null")},
	}
}

// badTerms are changes of a token's order and terms that must be refused.
var badTerms = map[string]claims{
	"no order_id":          {"order_id": nil},
	"order of a number":    {"order_id": 1},
	"order outside":        {"order_id": "../shop-1"},
	"order empty":          {"order_id": ""},
	"order too long":       {"order_id": strings.Repeat("a", 65)},
	"amount in words":      {"amount": "4999"},
	"amount in parts":      {"amount": 49.99},
	"amount of cents":      {"amount": json.RawMessage("4999.0")},
	"amount of powers":     {"amount": json.RawMessage("5e3")},
	"amount too great":     {"amount": json.RawMessage("9223372036854775808")},
	"currency of a number": {"currency": 978},
	"metadata of numbers":  {"metadata": claims{"a": 1}},
	"session of a word":    {"customer_session": "web"},
}

// TestBadTokensAreRefused: 401 on every route, no write, no call to Stripe, no part of the token in the log.
func TestBadTokensAreRefused(t *testing.T) {
	w := newEnv(t)
	payment := "/v1/payments/" + w.create("shop-1").PaymentIntent
	dump, calls, bad := w.dump(), len(w.stripe.Requests()), badTokens(t, w)
	for name, token := range bad {
		t.Run(name, func(t *testing.T) {
			w.t = t
			for _, line := range []string{
				createLine, "POST " + payment + "/customer-session", "GET " + payment, "GET /v1/orders/shop-1",
			} {
				answer := w.send(request{line: line, token: token})
				if answer.status != http.StatusUnauthorized || !strings.Contains(
					answer.body, `"code":"unauthenticated"`,
				) || answer.header.Get("WWW-Authenticate") == "" {
					t.Errorf("%s: %d %s", line, answer.status, answer.body)
				}
			}
		})
	}
	w.t = t
	w.checkHidden(slices.Collect(maps.Values(bad))...)
	w.checkUntouched(dump, calls)
	if strings.Contains(w.logs.String(), `"level":"ERROR"`) {
		t.Errorf("the log complains: %s", w.logs.String())
	}
}

// badClaims are changed claims with the pointer of the error.
func badClaims(now int64) []badClaim {
	return []badClaim{
		{claims{"amount": "4999"}, []string{"/amount"}},
		{claims{"amount": 49.99, "currency": 978, "rev": "now"}, []string{"/amount", "/currency", "/rev"}},
		{claims{"exp": "tomorrow", "iat": []int{}, "nbf": true}, []string{"/exp", "/iat", "/nbf"}},
		{claims{"aud": []any{"kasse", 1}}, []string{"/aud"}},
		{
			claims{"order_id": 1, "customer": 2, "capture_method": 3, "setup_future_usage": 4},
			[]string{"/order_id", "/customer", "/capture_method", "/setup_future_usage"},
		},
		{
			claims{"description": 1, "receipt_email": claims{}, "iss": 1, "sub": 1, "jti": 1},
			[]string{"/description", "/receipt_email", "/iss", "/sub", "/jti"},
		},
		{claims{"metadata": "web"}, []string{"/metadata"}},
		{claims{"metadata": claims{"a/b": 1}}, []string{"/metadata/a~1b"}},
		{claims{"customer_session": "web"}, []string{"/customer_session"}},
		{claims{"customer_session": claims{"save": "yes"}}, []string{"/customer_session/save"}},
		{
			claims{"customer_session": claims{"allow_redisplay_filters": []any{"always", 1}}},
			[]string{"/customer_session/allow_redisplay_filters/1"},
		},
		{
			claims{"aud": "other", "order_id": "..", "exp": nil, "iat": nil, "rev": 0},
			[]string{"/aud", "/order_id", "/exp", "/iat", "/rev"},
		},
		{claims{"exp": now + 86400*2}, []string{"/exp"}},
		{claims{"iat": now + 61, "nbf": now + 61}, []string{"/iat", "/nbf"}},
	}
}

type badClaim struct {
	changed claims
	where   []string // pointers
}

// refusedToken is a create with the payload in a token that is signed by the secret.
func refusedToken(t *testing.T, payload, secret string, where ...string) refused {
	t.Helper()
	return refused{
		line: createLine, token: sign(t, goodHeader, payload, secret, sha256.New),
		status: http.StatusUnauthorized, code: "unauthenticated", where: where,
	}
}

// TestBadClaimsAreNamed: an error in the claims is reported with pointers, to those who can sign
// and to no others.
func TestBadClaimsAreNamed(t *testing.T) {
	w := newEnv(t)
	for _, test := range badClaims(w.now.Unix()) {
		t.Run(encode(t, test.changed), func(t *testing.T) {
			w.t = t
			payload := encode(t, w.claims(test.changed))
			w.checkRefusal(refusedToken(t, payload, newSecret, test.where...))
			w.checkRefusal(refusedToken(t, payload, oldSecret))
		})
	}
	w.t = t
	good := encode(t, w.claims(nil))
	for payload, where := range map[string]string{
		strings.TrimSuffix(good, "}") + `,"amount":1}`: "/amount", `[]`: "", `null`: "",
		strings.Replace(good, "shop-1", "shop\xff", 1): "",
	} {
		w.checkRefusal(refusedToken(t, payload, newSecret, where))
	}
}

// checkUntouched fails the test if anything was written since, or Stripe was called.
func (w *apiEnv) checkUntouched(dump string, calls int) {
	w.t.Helper()
	if got := w.dump(); got != dump {
		w.t.Errorf("Redis was\n%s\nand is\n%s", dump, got)
	}
	if got := w.stripe.Requests(); len(got) != calls {
		w.t.Errorf("Stripe was asked: %+v", got[calls:])
	}
}
