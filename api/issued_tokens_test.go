package api_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/pem"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// TestIssuedTokens: each algorithm opens a payment, and its terms and revs are those of any other token.
func TestIssuedTokens(t *testing.T) {
	i := newIssued(t)
	rev := i.now.UnixMilli()
	for n, step := range []struct {
		token  string
		status int
		amount int64
	}{
		{i.token(rsaKey(), header("RS256", "rsa"), claims{"rev": rev}), 201, 4999},
		{i.token(ecKey(), header("ES256", "ec"), claims{"rev": rev}), 200, 4999},
		{i.token(edwardsKey(), header("EdDSA", "ed"), claims{"rev": rev}), 200, 4999},
		{i.token(ecKey(), header("ES256", "ec"), claims{"rev": rev + 5, "amount": 6000}), 200, 6000},
		{i.token(rsaKey(), header("RS256", "rsa"), claims{"rev": rev + 1, "amount": 1}), 200, 6000},
		{i.apiEnv.token(claims{"rev": rev + 6, "amount": 7000}), 200, 7000},
		{i.token(edwardsKey(), header("EdDSA", "ed"), claims{"rev": rev + 2, "amount": 1}), 200, 7000},
	} {
		var made opened
		i.send(request{line: createLine, token: step.token}).into(t, step.status, &made)
		if made.Amount != step.amount || i.atStripe(made.PaymentIntent).Amount != step.amount {
			t.Errorf("step %d: %+v", n, made)
		}
		i.checkHidden(step.token)
	}
	reader := i.token(rsaKey(), header("RS256", "rsa"), claims{"amount": nil, "currency": nil})
	i.send(request{line: createLine, token: reader}).says(t, http.StatusForbidden, "insufficient_scope")
	expired := i.token(ecKey(), header("ES256", "ec"), claims{"iat": i.now.Unix() - 600, "exp": i.now.Unix() - 1})
	i.send(request{line: createLine, token: expired}).says(t, http.StatusUnauthorized, "token_expired")
	if got := i.issuer.fetches.Load(); got != 1 {
		t.Errorf("the keys were fetched %d times", got)
	}
	if log := i.logs.String(); strings.Contains(log, "hunter2") {
		t.Errorf("the log holds the query of the keys' URL: %s", log)
	}
}

// badIssuedTokens have a valid signature of a wrong signer or key.
func badIssuedTokens(t *testing.T, i *issued) map[string]string {
	t.Helper()
	payload := encode(t, i.claims(claims{"iss": issuerName}))
	bad := bySharedSecrets(t, payload)
	maps.Copy(bad, byWrongKeys(t, i, payload))
	maps.Copy(bad, byOddKIDs(t, i, payload))
	for name, changed := range map[string]claims{
		"no iss": {"iss": nil}, "another iss": {"iss": "https://evil.example/"},
		"iss without its slash": {"iss": strings.TrimSuffix(issuerName, "/")}, "an empty iss": {"iss": ""},
		"iss in capitals": {"iss": strings.ToUpper(issuerName)}, "several iss": {"iss": []string{issuerName}},
		"iss of a number": {"iss": 1}, "no aud": {"aud": nil}, "another aud": {"aud": "shop"},
		"no exp": {"exp": nil}, "no iat": {"iat": nil}, "no order": {"order_id": nil},
		"a long life": {"exp": i.now.Unix() + 2*86400}, "iat ahead": {"iat": i.now.Unix() + 61},
		"rev ahead": {"rev": (i.now.Unix() + 61) * 1000},
	} {
		bad[name] = i.token(rsaKey(), header("RS256", "rsa"), changed)
	}
	return bad
}

// bySharedSecrets are signed by something that is public, as if it were a shared secret, or not at all.
func bySharedSecrets(t *testing.T, payload string) map[string]string {
	t.Helper()
	public, err := x509.MarshalPKIXPublicKey(rsaKey().Public())
	if err != nil {
		t.Fatal(err)
	}
	onPaper := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})
	return map[string]string{
		"HS256 by the public key": sign(t, header("HS256", "rsa"), payload, string(onPaper), sha256.New),
		"HS256 by its DER":        sign(t, header("HS256", "rsa"), payload, string(public), sha256.New),
		"HS256 by its modulus": sign(
			t, header("HS256", "rsa"), payload, string(rsaKey().N.Bytes()), sha256.New,
		),
		"HS256 by the public Ed25519 key": sign(
			t, header("HS256", "ed"), payload, string(edwardsKey()[32:]), sha256.New,
		),
		"HS256 by a published secret":     sign(t, header("HS256", "oct"), payload, newSecret, sha256.New),
		"HS256 by nothing":                sign(t, header("HS256", "rsa"), payload, "", sha256.New),
		"HS512 by the public key":         sign(t, header("HS512", "rsa"), payload, string(onPaper), sha512.New),
		"a shared secret, said to be RSA": sign(t, header("RS256", "v2"), payload, newSecret, sha256.New),
		"a shared secret's kid":           issue(t, rsaKey(), header("RS256", "v2"), payload),
		"a secret, said to be EdDSA":      sign(t, header("EdDSA", "oct"), payload, newSecret, sha256.New),
		"none": strings.TrimRight(
			sign(t, header("none", "rsa"), payload, "", sha256.New),
			"-_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
		),
		"none, signed": issue(t, rsaKey(), header("none", "rsa"), payload),
	}
}

// byWrongKeys are signed by a key of another algorithm or purpose, or by one that they bring along.
func byWrongKeys(t *testing.T, i *issued, payload string) map[string]string {
	t.Helper()
	own := jwk(t, "own", edwardsKey())
	return map[string]string{
		"RS256 for the EC key":            issue(t, rsaKey(), header("RS256", "ec"), payload),
		"RS256 for the Ed25519 key":       issue(t, rsaKey(), header("RS256", "ed"), payload),
		"ES256 for the RSA key":           issue(t, ecKey(), header("ES256", "rsa"), payload),
		"EdDSA for the EC key":            issue(t, edwardsKey(), header("EdDSA", "ec"), payload),
		"RS256 by the EC key":             issue(t, ecKey(), header("RS256", "ec"), payload),
		"RS384":                           issue(t, rsaKey(), header("RS384", "rsa"), payload),
		"PS256":                           issue(t, rsaKey(), header("PS256", "rsa"), payload),
		"ES384":                           issue(t, ec384Key(), header("ES384", "ec384"), payload),
		"ES256 on another curve":          issue(t, ec384Key(), header("ES256", "ec384"), payload),
		"RSA of 1024 bits":                issue(t, weakKey(), header("RS256", "weak"), payload),
		"a key to encrypt with":           issue(t, ecKey(), header("ES256", "encrypt"), payload),
		"a key of another algorithm":      issue(t, rsaKey(), header("RS256", "other"), payload),
		"a key whose private half is out": issue(t, edwardsKey(), header("EdDSA", "private"), payload),
		"a key of its own, in the header": issue(
			t, edwardsKey(), `{"alg":"EdDSA","kid":"own","jwk":`+encode(t, own)+`}`, payload,
		),
		"a key of its own, by an address": issue(
			t, edwardsKey(),
			`{"alg":"EdDSA","kid":"own","jku":"`+i.issuer.URL+`/own","x5u":"`+i.issuer.URL+`/own"}`, payload,
		),
	}
}

// byOddKIDs name no key, or one that has not signed them.
func byOddKIDs(t *testing.T, i *issued, payload string) map[string]string {
	t.Helper()
	return map[string]string{
		"no kid":                           issue(t, rsaKey(), `{"alg":"RS256"}`, payload),
		"an empty kid":                     issue(t, rsaKey(), header("RS256", ""), payload),
		"a kid of a number":                issue(t, rsaKey(), `{"alg":"RS256","kid":1}`, payload),
		"two kids":                         issue(t, rsaKey(), `{"alg":"RS256","kid":["rsa"]}`, payload),
		"a kid that is a path":             issue(t, rsaKey(), header("RS256", "../rsa"), payload),
		"something critical":               issue(t, rsaKey(), `{"alg":"RS256","kid":"rsa","crit":["exp"]}`, payload),
		"another's signature":              issue(t, edwardsKey(), header("EdDSA", "rsa"), payload),
		"its payload swapped":              swapped(t, i),
		"the same key under an unknown id": issue(t, rsaKey(), header("RS256", "RSA"), payload),
	}
}

// swapped is a good token with the payload of a cheaper one.
func swapped(t *testing.T, i *issued) string {
	t.Helper()
	good := strings.Split(i.token(ecKey(), header("ES256", "ec"), nil), ".")
	cheap := strings.Split(i.token(edwardsKey(), header("EdDSA", "ed"), claims{"amount": 1}), ".")
	return good[0] + "." + cheap[1] + "." + good[2]
}

// TestBadIssuedTokensAreRefused: 401, nothing written, nothing sent to Stripe, nothing of them in the log.
func TestBadIssuedTokensAreRefused(t *testing.T) {
	i := newIssued(t)
	i.issuer.publish(
		jwk(
			t, "rsa", rsaKey(), "alg", "RS256",
		), jwk(t, "ec", ecKey()), jwk(t, "ed", edwardsKey()), jwk(t, "ec384", ec384Key()), jwk(t, "weak", weakKey()),
		map[string]string{
			"kty": "oct", "kid": "oct", "k": base64url([]byte(newSecret)),
		}, jwk(t, "encrypt", ecKey(), "use", "enc"), jwk(t, "other", rsaKey(), "alg", "PS256"),
		jwk(
			t, "private", edwardsKey(), "d", base64url(edwardsKey()[:32]),
		), jwk(t, "", rsaKey()), map[string]string{"kty": "later", "kid": "v2"},
		jwk(t, "rsa", weakKey()),
	)
	i.serve(i.issuer.URL)
	dump, calls, bad := i.dump(), len(i.stripe.Requests()), badIssuedTokens(t, i)
	for name, token := range bad {
		t.Run(name, func(t *testing.T) {
			i.t = t
			for _, line := range []string{createLine, "GET /v1/orders/shop-1"} {
				i.send(request{line: line, token: token}).says(t, http.StatusUnauthorized, "unauthenticated")
			}
		})
	}
	i.t = t
	i.checkHidden(slices.Collect(maps.Values(bad))...)
	i.checkUntouched(dump, calls)
	if strings.Contains(i.logs.String(), `"level":"ERROR"`) {
		t.Errorf("the log complains: %s", i.logs.String())
	}
	for _, token := range []string{
		i.token(rsaKey(), header("RS256", "rsa"), nil), i.token(ecKey(), header("ES256", "ec"), nil), i.token(
			edwardsKey(), header("EdDSA", "ed"), nil,
		),
	} {
		if got := i.reads(token); got != http.StatusNotFound && got != http.StatusOK {
			t.Errorf("a good token among them gets %d", got)
		}
	}
}

// TestKeysWithOneKID: a kid is distinct only among keys of one type, and a key may use either name
// of its algorithm.
func TestKeysWithOneKID(t *testing.T) {
	other := must(rsa.GenerateKey(rand.Reader, 2048))
	for _, algorithm := range []string{"", "EdDSA", "Ed25519"} {
		i := newIssued(t)
		edwards := jwk(t, "one", edwardsKey())
		if algorithm != "" {
			edwards["alg"] = algorithm
		}
		i.issuer.publish(
			jwk(t, "one", rsaKey()), jwk(t, "one", ecKey(), "alg", "ES256"), edwards, jwk(t, "one", other),
			jwk(t, "fixed", edwardsKey(), "alg", "Ed448"),
		)
		i.serve(i.issuer.URL)
		for _, token := range []string{
			i.token(
				rsaKey(), header("RS256", "one"), nil,
			), i.token(other, header("RS256", "one"), nil), i.token(ecKey(), header("ES256", "one"), nil),
			i.token(edwardsKey(), header("EdDSA", "one"), nil), i.token(edwardsKey(), header("Ed25519", "one"), nil),
		} {
			if got := i.reads(token); got != http.StatusNotFound {
				t.Errorf("a key of algorithm %q: a good token gets %d", algorithm, got)
			}
		}
		for _, token := range []string{
			i.token(ecKey(), header("RS256", "one"), nil), i.token(
				edwardsKey(), header("ES256", "one"), nil,
			), i.token(rsaKey(), header("Ed25519", "one"), nil),
			i.token(
				edwardsKey(), header("ed25519", "one"), nil,
			), i.token(edwardsKey(), header("Ed448", "one"), nil), i.token(edwardsKey(), header("EdDSA", "fixed"), nil),
		} {
			if got := i.reads(token); got != http.StatusUnauthorized {
				t.Errorf("a key of algorithm %q: a bad token gets %d", algorithm, got)
			}
		}
	}
}
