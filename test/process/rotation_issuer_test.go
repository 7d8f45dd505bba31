package process_test

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// issuer is the shop's issuer of order tokens. It serves its keys as a JWKS.
type issuer struct {
	url string

	mu        sync.Mutex
	keys      map[string]ed25519.PrivateKey
	published map[string]bool
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	i := &issuer{keys: map[string]ed25519.PrivateKey{}, published: map[string]bool{"old": true}}
	for _, kid := range []string{"old", "new"} {
		_, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		i.keys[kid] = private
	}
	server := httptest.NewServer(i)
	t.Cleanup(server.Close)
	i.url = server.URL
	return i
}

func (i *issuer) publish(kid string)  { i.set(kid, true) }
func (i *issuer) withdraw(kid string) { i.set(kid, false) }

func (i *issuer) set(kid string, published bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.published[kid] = published
}

// ServeHTTP answers with the published keys.
func (i *issuer) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	keys := []map[string]string{}
	for kid, key := range i.keys {
		if public, ok := key.Public().(ed25519.PublicKey); ok && i.published[kid] {
			keys = append(keys, map[string]string{
				"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": base64.RawURLEncoding.EncodeToString(public),
			})
		}
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"keys": keys})
}

// token returns an order token that the issuer has signed with one of its keys.
func (i *issuer) token(kid, order string) string {
	text := unsignedToken("EdDSA", kid, claims(issuerName, order))
	return text + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(i.keys[kid], []byte(text)))
}

// claims returns the claims of an order token. Tokens of ORDER_TOKEN_SECRETS have no issuer.
func claims(issuer, order string) string {
	iss := ""
	if issuer != "" {
		iss = fmt.Sprintf(`"iss":%q,`, issuer)
	}
	now := time.Now().Unix()
	return fmt.Sprintf(
		`{%s"aud":"kasse","iat":%d,"exp":%d,"order_id":%q,"amount":4200,"currency":"eur"}`,
		iss, now, now+600, order,
	)
}

// hs256 returns a token with the claims, signed with a secret of ORDER_TOKEN_SECRETS.
func hs256(kid string, secret []byte, claims string) string {
	text := unsignedToken("HS256", kid, claims)
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// unsignedToken returns the header and the claims of a JWT, which the signature covers.
func unsignedToken(alg, kid, claims string) string {
	header := fmt.Sprintf(`{"alg":%q,"kid":%q}`, alg, kid)
	return base64.RawURLEncoding.EncodeToString([]byte(header)) + "." +
		base64.RawURLEncoding.EncodeToString([]byte(claims))
}
