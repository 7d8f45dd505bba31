package api_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kasse/api"
)

const issuerName = "https://login.shop.example/"

// issuer is the shop's own: an HTTP server on the loopback interface that publishes keys, by hand and without the
// libraries that read them.
type issuer struct {
	*httptest.Server
	fetches atomic.Int64

	mu     sync.Mutex
	keys   []map[string]string
	answer http.HandlerFunc // instead of the keys
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	i := &issuer{}
	i.Server = httptest.NewServer(http.HandlerFunc(i.serve))
	t.Cleanup(i.Close)
	return i
}

func (i *issuer) serve(w http.ResponseWriter, r *http.Request) {
	i.fetches.Add(1)
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.answer != nil {
		i.answer(w, r)
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"keys": i.keys})
}

// publish replaces the keys.
func (i *issuer) publish(keys ...map[string]string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys, i.answer = keys, nil
}

// say sets the issuer's response.
func (i *issuer) say(answer http.HandlerFunc) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.answer = answer
}

func base64url(raw []byte) string { return base64.RawURLEncoding.EncodeToString(raw) }

// jwk writes a public key as RFC 7517 wants it, with more members or others.
func jwk(t testing.TB, kid string, key crypto.Signer, more ...string) map[string]string {
	t.Helper()
	all := map[string]string{"kid": kid, "use": "sig"}
	switch public := key.Public().(type) {
	case *rsa.PublicKey:
		all["kty"], all["n"], all["e"] = "RSA", base64url(public.N.Bytes()), base64url(
			big.NewInt(int64(public.E)).Bytes(),
		)
	case *ecdsa.PublicKey:
		point, err := public.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		size := len(point) / 2
		all["kty"], all["crv"], all["x"], all["y"] = "EC", public.Curve.Params().Name, base64url(
			point[1:1+size],
		), base64url(point[1+size:])
	case ed25519.PublicKey:
		all["kty"], all["crv"], all["x"] = "OKP", "Ed25519", base64url(public)
	}
	for n := 0; n < len(more); n += 2 {
		all[more[n]] = more[n+1]
	}
	return all
}

// issue signs a JWT with the key's own algorithm, which the header need not name.
func issue(t testing.TB, key crypto.Signer, header, payload string) string {
	t.Helper()
	text := base64url([]byte(header)) + "." + base64url([]byte(payload))
	digest := sha256.Sum256([]byte(text))
	var signature []byte
	var err error
	switch key := key.(type) {
	case *rsa.PrivateKey:
		signature, err = rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:])
	case *ecdsa.PrivateKey:
		var r, s *big.Int
		r, s, err = ecdsa.Sign(rand.Reader, key, digest[:])
		size := min((key.Curve.Params().BitSize+7)/8, 48)
		signature = append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
	case ed25519.PrivateKey:
		signature = ed25519.Sign(key, []byte(text))
	}
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + base64url(signature)
}

func header(algorithm, kid string) string {
	return fmt.Sprintf(`{"alg":%q,"typ":"JWT","kid":%q}`, algorithm, kid)
}

// The keys of the tests' issuer; a key of RSA takes long to find.
var (
	rsaKey  = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	weakKey = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 1024)) })
	ecKey   = sync.OnceValue(
		func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) },
	)
	ec384Key = sync.OnceValue(
		func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)) },
	)
	edwardsKey = sync.OnceValue(func() ed25519.PrivateKey {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return must(key, err)
	})
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// issued is an environment whose shop has its own issuer, and a clock for the key fetches.
type issued struct {
	*apiEnv
	issuer *issuer
	passed atomic.Int64 // nanoseconds
}

func newIssued(t *testing.T) *issued {
	t.Helper()
	i := &issued{apiEnv: newEnv(t), issuer: newIssuer(t)}
	i.issuer.publish(jwk(t, "rsa", rsaKey()), jwk(t, "ec", ecKey()), jwk(t, "ed", edwardsKey()))
	i.serve(i.issuer.URL + "/keys?token=hunter2")
	return i
}

// serve replaces the API by one that fetches keys from the URL.
func (i *issued) serve(keysURL string) {
	transport := &http.Transport{}
	i.t.Cleanup(transport.CloseIdleConnections)
	began, logger := i.now, slog.New(slog.NewJSONHandler(i.logs, nil))
	keys := api.NewIssuerKeys(api.IssuerOptions{
		URL: keysURL, Transport: transport, Logger: logger, Now: func() time.Time {
			return began.Add(time.Duration(i.passed.Load()))
		},
	})
	i.inBackground(keys.Run)
	o := i.options(logger)
	o.Tokens.Issuer, o.Tokens.Keys = issuerName, keys
	i.api = httptest.NewServer(api.New(i.service, o))
	i.t.Cleanup(i.api.Close)
}

// token is what the issuer signs.
func (i *issued) token(key crypto.Signer, header string, changed claims) string {
	i.t.Helper()
	all := i.claims(claims{"iss": issuerName})
	for name, value := range changed {
		if all[name] = value; value == nil {
			delete(all, name)
		}
	}
	return issue(i.t, key, header, encode(i.t, all))
}

// reads sends a read of the token's order, and returns its status.
func (i *issued) reads(token string) int {
	i.t.Helper()
	return i.send(request{line: "GET /v1/orders/shop-1", token: token}).status
}
