package api

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/golang-jwt/jwt/v5"
)

// IssuerOptions configure the key set of the shop's own issuer.
type IssuerOptions struct {
	URL       string            // of its JWKS
	Transport http.RoundTripper // nil: one of its own
	Now       func() time.Time
	Logger    *slog.Logger
}

// IssuerKeys are the public keys of the shop's own issuer. Only Run fetches them; the last good ones stay
// while the issuer is unreachable. keyfunc parses the keys but does not fetch them: its fetch reads responses
// of any size, accepts an empty set, and lets one request after the other wait.
type IssuerKeys struct {
	IssuerOptions
	client *http.Client
	wanted chan struct{} // a request has an unknown kid

	mu      sync.Mutex
	keys    map[string][]issuerKey // by kid, of the last good answer
	began   time.Time              // the last fetch
	running chan struct{}          // closed when the fetch ends that is under way or wanted; nil: there is none
}

// How the keys are fetched.
const (
	keysFresh = 15 * time.Minute // between fetches, and so how long a key that was withdrawn may still sign
	keysRetry = 30 * time.Second // after a fetch that failed
	keysPause = 10 * time.Second // in which unknown kids, which any caller can invent, cause at most one fetch
	keysBound = 5 * time.Second  // of one fetch
	maxKeys   = 256 << 10        // bytes of an answer
)

// NewIssuerKeys returns the keys of an issuer. None is known before Run has fetched them.
func NewIssuerKeys(o IssuerOptions) *IssuerKeys {
	if o.Transport == nil {
		o.Transport = http.DefaultTransport.(*http.Transport).Clone() // net/http documents its type
	}
	return &IssuerKeys{IssuerOptions: o, wanted: make(chan struct{}, 1), client: &http.Client{
		Transport: o.Transport, Timeout: keysBound,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		}, // keys come only from the configured address
	}}
}

// issuerKey is one public key of the issuer. Several may have one kid, since the kid is only to be
// distinct among keys of one type (RFC 7517, section 4.5).
type issuerKey struct {
	public    any
	algorithm string // that the issuer allows it for; empty: every one of its type
}

// Key returns the keys that the token's kid names. For a kid that is not known, or not for this
// algorithm, it waits until the keys have been fetched again, if that has not just been done.
func (k *IssuerKeys) Key(ctx context.Context, token *jwt.Token) (any, error) {
	kid, _ := token.Header["kid"].(string)
	if kid == "" {
		return nil, errNoSuchKey
	}
	found := k.find(kid, token.Method.Alg())
	if len(found.Keys) == 0 {
		k.await(ctx)
		found = k.find(kid, token.Method.Alg())
	}
	if len(found.Keys) == 0 {
		return nil, errNoSuchKey
	}
	return found, nil
}

func (k *IssuerKeys) find(kid, algorithm string) (found jwt.VerificationKeySet) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, key := range k.keys[kid] {
		if key.verifies(algorithm) {
			found.Keys = append(found.Keys, key.public)
		}
	}
	return found
}

// verifies reports whether a key fits the algorithm and is strong enough. The token names the algorithm: an
// issuer has no shared secret, and a point of another curve must not be taken for one of P-256.
func (k issuerKey) verifies(algorithm string) bool {
	algorithm = knownAlgorithm(algorithm)
	if k.algorithm != "" && k.algorithm != algorithm {
		return false
	}
	switch key := k.public.(type) {
	case *rsa.PublicKey:
		return algorithm == "RS256" && key.N.BitLen() >= 2048
	case *ecdsa.PublicKey:
		return algorithm == "ES256" && key.Curve == elliptic.P256()
	case ed25519.PublicKey:
		return algorithm == "EdDSA"
	}
	return false
}

// knownAlgorithm returns the older name of an algorithm that has two.
func knownAlgorithm(name string) string {
	if name == algorithmEd25519 {
		return "EdDSA"
	}
	return name
}

// await returns when a fetch has ended: that which is under way, or another, unless the last one was a moment ago.
func (k *IssuerKeys) await(ctx context.Context) {
	k.mu.Lock()
	if k.running == nil && k.Now().Sub(k.began) >= keysPause {
		k.running = make(chan struct{})
		k.wanted <- struct{}{} // there is room: Run takes it before running is nil again
	}
	running := k.running
	k.mu.Unlock()
	if running == nil {
		return
	}
	select {
	case <-running:
	case <-ctx.Done():
	case <-time.After(keysBound + time.Second): // Run is not running
	}
}

// Run fetches the keys until the context ends: at once, at intervals, and after an unknown kid.
func (k *IssuerKeys) Run(ctx context.Context) {
	for failing := true; ; {
		k.begin()
		keys, err := k.fetch(ctx)
		k.end(keys)
		next := keysFresh
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			next = keysRetry
			k.Logger.WarnContext(
				ctx, "order tokens: cannot fetch the issuer's keys, keeping the last ones", "error", err,
			)
		case failing:
			k.Logger.InfoContext(ctx, "order tokens: fetched the issuer's keys", "keys", len(keys))
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return
		case <-k.wanted:
		case <-time.After(next):
		}
	}
}

func (k *IssuerKeys) begin() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.began = k.Now()
	if k.running == nil {
		k.running = make(chan struct{})
	}
	select {
	case <-k.wanted: // it is what begins
	default:
	}
}

// end stores new keys. It keeps the current ones if there are none.
func (k *IssuerKeys) end(keys map[string][]issuerKey) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(keys) > 0 {
		k.keys = keys
	}
	close(k.running)
	k.running = nil
}

// fetch requests the key set. Its errors do not contain the URL, whose query may contain a secret.
func (k *IssuerKeys) fetch(ctx context.Context) (map[string][]issuerKey, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, k.URL, http.NoBody)
	if err != nil {
		return nil, errors.New("the URL cannot be read")
	}
	response, err := k.client.Do(request)
	if err != nil {
		if failed, ok := errors.AsType[*url.Error](err); ok {
			err = failed.Err
		}
		return nil, err
	}
	defer response.Body.Close() //nolint:errcheck // it is only read
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the issuer answers %d", response.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxKeys+1))
	if err != nil {
		return nil, err
	}
	return readKeys(ctx, text)
}

// readKeys parses a JWKS. An unusable or unreadable key does not affect the others. A key whose private half
// is public is refused.
func readKeys(ctx context.Context, text []byte) (map[string][]issuerKey, error) {
	var set struct {
		Keys []jsontext.Value `json:"keys"`
	}
	if len(text) > maxKeys {
		return nil, errors.New("the issuer's response is too long")
	}
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, errors.New("the issuer's response is not a JWKS")
	}
	keys := make(map[string][]issuerKey)
	for _, raw := range set.Keys {
		if kid, key, ok := readKey(ctx, raw); ok {
			keys[kid] = append(keys[kid], key)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("the issuer's JWKS has no key that verifies signatures")
	}
	return keys, nil
}

// readKey reads one key. keyfunc refuses a key with an algorithm that it does not know, such as
// Ed25519, and so does not see it.
func readKey(ctx context.Context, raw jsontext.Value) (kid string, key issuerKey, ok bool) {
	var head struct {
		KID       string `json:"kid"`
		Type      string `json:"kty"`
		Use       string `json:"use"`
		Algorithm string `json:"alg"`
		Private   string `json:"d"`
	}
	var members map[string]jsontext.Value
	if json.Unmarshal(raw, &head) != nil || json.Unmarshal(raw, &members) != nil ||
		head.KID == "" || head.Type == "oct" || head.Use == "enc" || head.Private != "" {
		return "", issuerKey{}, false
	}
	delete(members, "alg")
	plain, err := json.Marshal(members)
	if err != nil {
		return "", issuerKey{}, false
	}
	parsed, err := keyfunc.NewJWKJSON(plain)
	if err != nil {
		return "", issuerKey{}, false
	}
	all, err := parsed.Storage().KeyReadAll(ctx)
	if err != nil || len(all) != 1 {
		return "", issuerKey{}, false
	}
	return head.KID, issuerKey{all[0].Key(), knownAlgorithm(head.Algorithm)}, true
}
