package api

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"
	"time"
)

// FuzzOrderToken signs whatever header and payload it is given, or takes the signature as it is given: nothing may
// panic, and what is verified is signed by the secret that it names, of this order's time, and no longer good than
// a token may be.
func FuzzOrderToken(f *testing.F) {
	const secret = "a secret of the fuzzer, thirty-two bytes or more"
	now := time.Unix(1_700_000_000, 0)
	tokens := Tokens{
		Secrets: []TokenSecret{
			{KID: "v1", Key: secret},
		}, Audience: "kasse", TTL: time.Minute, Now: func() time.Time { return now },
	}
	const header = `{"alg":"HS256","typ":"JWT","kid":"v1"}`
	const payload = `{"aud":"kasse","iat":1700000000,"exp":1700000600,"order_id":"shop-1","amount":4999,"currency":"eur"}`
	for _, seed := range [][3]string{
		{header, payload, ""},
		{header, payload, "c2lnbmF0dXJl"},
		{header, strings.Replace(payload, `,"amount":4999,"currency":"eur"`, "", 1), ""},
		{header, strings.TrimSuffix(payload, "}") +
			`,"rev":1700000000001,"nbf":1700000000,"customer":"cus_1","metadata":{"a":"b"},"customer_session":{"redisplay_limit":3}}`, ""},
		{header, strings.Replace(payload, "1700000600", "1700000600.5", 1), ""},
		{header, strings.Replace(payload, "1700000600", "1e300", 1), ""},
		{header, strings.Replace(payload, "1700000600", `"1700000600"`, 1), ""},
		{header, strings.Replace(payload, "4999", "9223372036854775807", 1), ""},
		{header, strings.Replace(payload, `"amount"`, `"amount":1,"amount"`, 1), ""},
		{header, strings.Replace(payload, `"kasse"`, `["a","kasse"]`, 1), ""},
		{header, `null`, ""},
		{`null`, payload, ""},
		{strings.Replace(header, "HS256", "none", 1), payload, ""},
		{strings.Replace(header, "HS256", "RS256", 1), payload, ""},
		{strings.Replace(header, "}", `,"crit":["b64"],"b64":false}`, 1), payload, ""},
		{strings.Replace(header, `"v1"`, `["v1"]`, 1), payload, ""},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, header, payload, signature string) {
		text := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString(
			[]byte(payload),
		)
		mac := hmac.New(sha256.New, []byte(secret))
		_, _ = mac.Write([]byte(text))
		if signature == "" {
			signature = base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
		}
		got, err := tokens.verify(t.Context(), text+"."+signature)
		if err != nil {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("the error holds the secret: %v", err)
			}
			return
		}
		sent, _ := base64.RawURLEncoding.DecodeString(signature)
		switch life := got.ExpiresAt.Sub(got.IssuedAt.Time); {
		case !hmac.Equal(sent, mac.Sum(nil)):
			t.Error("the signature is not ours")
		case !strings.Contains(header, "HS256") || !strings.Contains(header, "v1"):
			t.Errorf("the header is %s", header)
		case !got.Order.Valid() || !now.Before(got.ExpiresAt.Time) || got.IssuedAt.After(now.Add(time.Minute)):
			t.Errorf("claims are %+v", got)
		case got.age() < 1 || got.age() > now.Add(time.Minute).UnixMilli():
			t.Errorf("rev is %d", got.age())
		case life > 30*24*time.Hour || (got.opens() && life > 24*time.Hour):
			t.Errorf("it lives %s", life)
		case got.opens() && (got.request().Order != got.Order || got.request().Rev < 1):
			t.Errorf("it asks for %+v", got.request())
		}
	})
}
