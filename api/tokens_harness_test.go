package api_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"hash"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"kasse/api"
)

// tokens stops the clock, so that tests can go to its bounds.
func (w *apiEnv) tokens() api.Tokens {
	w.now = time.Now()
	return api.Tokens{
		Secrets: []api.TokenSecret{
			{KID: "v2", Key: newSecret}, {KID: "v1", Key: oldSecret},
		}, Audience: "kasse", TTL: 15 * time.Minute,
		Now: func() time.Time { return w.now },
	}
}

// claims are a token's claims, or changes to those of a valid one; nil removes a claim.
type claims map[string]any

// claims returns those of a token that opens a payment for shop-1, with the terms of a moment ago.
func (w *apiEnv) claims(changed claims) claims {
	now := w.now.Unix()
	all := claims{
		"aud": "kasse", "iat": now - 1, "exp": now + 600, "order_id": "shop-1", "amount": 4999, "currency": "eur",
	}
	maps.Copy(all, changed)
	maps.DeleteFunc(all, func(_ string, value any) bool { return value == nil })
	return all
}

// sign makes a JWT without the library that the server reads it with.
func sign(t testing.TB, header, payload, secret string, digest func() hash.Hash) string {
	t.Helper()
	text := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString(
		[]byte(payload),
	)
	mac := hmac.New(digest, []byte(secret))
	_, _ = mac.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

const goodHeader = `{"alg":"HS256","typ":"JWT","kid":"v2"}`

// token is a token that a backend with the secret signs itself.
func (w *apiEnv) token(changed claims) string {
	w.t.Helper()
	return sign(w.t, goodHeader, encode(w.t, w.claims(changed)), newSecret, sha256.New)
}

func encode(t testing.TB, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// minted is the answer to a mint.
type minted struct {
	Token     string
	ExpiresAt time.Time `json:"expires_at"`
	Rev       int64
}

func (w *apiEnv) mint(body string) minted {
	w.t.Helper()
	var m minted
	answer := w.send(request{line: "POST /v1/order-tokens", token: shopKey, body: body})
	answer.into(w.t, http.StatusCreated, &m)
	if answer.header.Get("Cache-Control") != "no-store" || !strings.HasPrefix(
		answer.header.Get("Location"), "/v1/orders/shop",
	) {
		w.t.Errorf("headers are %v", answer.header)
	}
	return m
}
