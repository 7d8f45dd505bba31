package api

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"
	"time"
)

const (
	fuzzSecret  = "a secret of the fuzzer, thirty-two bytes or more"
	fuzzHeader  = `{"alg":"HS256","typ":"JWT","kid":"v1"}`
	fuzzPayload = `{"aud":"kasse","iat":1700000000,"exp":1700000600,` +
		`"order_id":"shop-1","amount":4999,"currency":"eur"}`
)

var fuzzNow = time.Unix(1_700_000_000, 0)

// tokenSeeds are headers, payloads and signatures; without a signature the fuzzer signs by itself.
var tokenSeeds = [][3]string{
	{fuzzHeader, fuzzPayload, ""},
	{fuzzHeader, fuzzPayload, "c2lnbmF0dXJl"},
	{fuzzHeader, strings.Replace(fuzzPayload, `,"amount":4999,"currency":"eur"`, "", 1), ""},
	{fuzzHeader, strings.TrimSuffix(fuzzPayload, "}") + `,"rev":1700000000001,"nbf":1700000000,"customer":"cus_1",` +
		`"metadata":{"a":"b"},"customer_session":{"redisplay_limit":3}}`, ""},
	{fuzzHeader, strings.Replace(fuzzPayload, "1700000600", "1700000600.5", 1), ""},
	{fuzzHeader, strings.Replace(fuzzPayload, "1700000600", "1e300", 1), ""},
	{fuzzHeader, strings.Replace(fuzzPayload, "1700000600", `"1700000600"`, 1), ""},
	{fuzzHeader, strings.Replace(fuzzPayload, "4999", "9223372036854775807", 1), ""},
	{fuzzHeader, strings.Replace(fuzzPayload, `"amount"`, `"amount":1,"amount"`, 1), ""},
	{fuzzHeader, strings.Replace(fuzzPayload, `"kasse"`, `["a","kasse"]`, 1), ""},
	{fuzzHeader, `null`, ""},
	{`null`, fuzzPayload, ""},
	{strings.Replace(fuzzHeader, "HS256", "none", 1), fuzzPayload, ""},
	{strings.Replace(fuzzHeader, "HS256", "RS256", 1), fuzzPayload, ""},
	{strings.Replace(fuzzHeader, "}", `,"crit":["b64"],"b64":false}`, 1), fuzzPayload, ""},
	{strings.Replace(fuzzHeader, `"v1"`, `["v1"]`, 1), fuzzPayload, ""},
}

// FuzzOrderToken signs any header and payload, or uses the signature as given. Nothing may panic. A verified
// token is signed by the secret that it names, is currently valid, and no longer than allowed.
func FuzzOrderToken(f *testing.F) {
	tokens := Tokens{
		Secrets:  []TokenSecret{{KID: "v1", Key: fuzzSecret}},
		Audience: "kasse", TTL: time.Minute, Now: func() time.Time { return fuzzNow },
	}
	for _, seed := range tokenSeeds {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, header, payload, signature string) {
		encoding := base64.RawURLEncoding
		text := encoding.EncodeToString([]byte(header)) + "." + encoding.EncodeToString([]byte(payload))
		mac := hmac.New(sha256.New, []byte(fuzzSecret))
		_, _ = mac.Write([]byte(text))
		if signature == "" {
			signature = encoding.EncodeToString(mac.Sum(nil))
		}
		got, err := tokens.verify(t.Context(), text+"."+signature)
		if err != nil {
			if strings.Contains(err.Error(), fuzzSecret) {
				t.Errorf("the error holds the secret: %v", err)
			}
			return
		}
		if sent, _ := encoding.DecodeString(signature); !hmac.Equal(sent, mac.Sum(nil)) {
			t.Error("the signature is not ours")
		}
		checkVerified(t, header, got)
	})
}

// checkVerified fails the test unless a token with this header and these claims may be good.
func checkVerified(t *testing.T, header string, got *claims) {
	t.Helper()
	switch life := got.ExpiresAt.Sub(got.IssuedAt.Time); {
	case !strings.Contains(header, "HS256") || !strings.Contains(header, "v1"):
		t.Errorf("the header is %s", header)
	case !got.Order.Valid() || !fuzzNow.Before(got.ExpiresAt.Time) || got.IssuedAt.After(fuzzNow.Add(time.Minute)):
		t.Errorf("claims are %+v", got)
	case got.age() < 1 || got.age() > fuzzNow.Add(time.Minute).UnixMilli():
		t.Errorf("rev is %d", got.age())
	case life > 30*24*time.Hour || (got.opens() && life > 24*time.Hour):
		t.Errorf("it lives %s", life)
	case got.opens() && (got.request().Order != got.Order || got.request().Rev < 1):
		t.Errorf("it asks for %+v", got.request())
	}
}
