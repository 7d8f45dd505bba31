package api

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/golang-jwt/jwt/v5"
	"github.com/labstack/echo/v4"

	"kasse/service"
)

// Tokens is what order tokens are signed and verified with.
type Tokens struct {
	Secrets  []TokenSecret // the first mints, all verify; none: there are no order tokens
	Audience string        // the aud that a token must name
	TTL      time.Duration // of minted tokens
	Issuer   string        // the iss that a token must name which Keys verify
	Keys     Keys          // of the shop's own issuer; nil: it has none
	Now      func() time.Time
}

// Keys finds the public keys of the shop's own issuer.
type Keys interface {
	// Key returns the key that the token's kid names, of the type that its algorithm needs; never a shared secret. It may
	// wait some seconds for a key that is not known yet. An error means that there is none.
	Key(ctx context.Context, token *jwt.Token) (any, error)
}

// TokenSecret is one shared secret of 32 bytes or more, named by the kid of a token's header.
type TokenSecret struct {
	KID string
	Key service.Secret
}

// Bounds of a token's times.
const (
	maxTokenLife   = 24 * time.Hour
	maxReaderLife  = 30 * 24 * time.Hour // of one without terms, which opens and changes nothing
	maxTokenFuture = time.Minute         // that its clock may be ahead of ours
)

// The algorithms of tokens: that of the shared secrets, and those of an issuer's keys.
const tokenAlgorithm = "HS256"

var issuerAlgorithms = []string{"RS256", "ES256", "EdDSA"}

// claims are what an order token says. Unknown ones are ignored.
type claims struct {
	jwt.RegisteredClaims
	Order            service.OrderID          `json:"order_id"`
	Amount           *int64                   `json:"amount,omitempty"` // minor units
	Currency         *string                  `json:"currency,omitempty"`
	Customer         service.CustomerID       `json:"customer,omitempty"`
	CaptureMethod    service.CaptureMethod    `json:"capture_method,omitempty"`
	SetupFutureUsage string                   `json:"setup_future_usage,omitempty"`
	Description      string                   `json:"description,omitempty"`
	ReceiptEmail     string                   `json:"receipt_email,omitempty"`
	Metadata         map[string]string        `json:"metadata,omitempty"`
	Session          *service.SessionFeatures `json:"customer_session,omitempty"`
	Rev              *int64                   `json:"rev,omitempty"` // Unix milliseconds
}

// UnmarshalJSON reads claims as strictly as bodies are read. encoding/json, which the library uses, would take the last
// of two amounts, and "Amount" for one.
func (t *claims) UnmarshalJSON(text []byte) error {
	type plain claims
	return json.Unmarshal(text, (*plain)(t))
}

// opens reports whether the token says what the order costs; one that does not only reads and refreshes.
func (t *claims) opens() bool { return t.Amount != nil && t.Currency != nil }

// age returns the rev of the token's terms, in Unix milliseconds.
func (t *claims) age() int64 {
	if t.Rev == nil {
		return t.IssuedAt.UnixMilli()
	}
	return *t.Rev
}

// mayLive returns how long after its iat the token may expire.
func (t *claims) mayLive() time.Duration {
	if t.Amount == nil && t.Currency == nil {
		return maxReaderLife
	}
	return maxTokenLife
}

// verify returns the claims of an order token. Why one is refused is said only to those whose signature is right.
func (k Tokens) verify(ctx context.Context, text string) (*claims, error) {
	var t claims
	algorithms := []string{tokenAlgorithm}
	if k.Keys != nil {
		algorithms = append(algorithms, issuerAlgorithms...)
	}
	parser := jwt.NewParser(jwt.WithValidMethods(algorithms), jwt.WithoutClaimsValidation()) // flaw validates them
	token, err := parser.ParseWithClaims(text, &t, func(token *jwt.Token) (any, error) { return k.key(ctx, token) })
	if err != nil {
		return nil, unauthenticated()
	}
	now := k.Now()
	flaw := k.flaw(&t, now)
	if token.Method.Alg() != tokenAlgorithm && t.Issuer != k.Issuer {
		flaw = "its iss is not the issuer whose key has signed it"
	}
	if flaw != "" {
		return nil, &refusal{code: codeUnauthenticated, detail: "The order token is not valid: " + flaw + "."}
	}
	if !now.Before(t.ExpiresAt.Time) {
		return nil, &refusal{code: codeTokenExpired, detail: "The order token has expired: ask the backend for another."}
	}
	return &t, nil
}

// flaw says what is wrong with the claims, but for their age; nothing where they are as they should be.
func (k Tokens) flaw(t *claims, now time.Time) string {
	latest := now.Add(maxTokenFuture)
	switch {
	case !slices.Contains(t.Audience, k.Audience):
		return "its aud does not name this service"
	case !t.Order.Valid():
		return "its order_id is missing or malformed"
	case t.ExpiresAt == nil || t.IssuedAt == nil:
		return "it needs exp and iat"
	case t.ExpiresAt.Sub(t.IssuedAt.Time) > t.mayLive():
		return "its exp is too long after its iat"
	case t.IssuedAt.After(latest) || (t.NotBefore != nil && t.NotBefore.After(latest)):
		return "its iat or nbf is in the future"
	case t.age() < 1 || t.age() > latest.UnixMilli():
		return "its rev is in the future, or is no number of milliseconds"
	}
	return ""
}

var errNoSuchKey = errors.New("no secret or key has this kid, or something is critical that is not known here")

// key finds the secret or the issuer's key by the kid, each for algorithms of its own. A token with a crit header asks
// for what we do not know, and must be refused (RFC 7515, section 4.1.11).
func (k Tokens) key(ctx context.Context, t *jwt.Token) (any, error) {
	if _, critical := t.Header["crit"]; critical {
		return nil, errNoSuchKey
	}
	if t.Method.Alg() != tokenAlgorithm {
		return k.Keys.Key(ctx, t)
	}
	for _, secret := range k.Secrets {
		if t.Header["kid"] == secret.KID {
			return []byte(secret.Key.Reveal()), nil
		}
	}
	return nil, errNoSuchKey
}

// request is the create that a token stands for which opens a payment.
func (t *claims) request() service.CreateRequest {
	r := service.CreateRequest{
		Order: t.Order, Rev: t.age(), Description: t.Description, ReceiptEmail: t.ReceiptEmail, Metadata: t.Metadata,
		Terms: service.Terms{
			Amount: *t.Amount, Currency: *t.Currency, Customer: t.Customer, CaptureMethod: t.CaptureMethod, SetupFutureUsage: t.SetupFutureUsage,
		},
	}
	if r.Terms.CaptureMethod == "" {
		r.Terms.CaptureMethod = service.CaptureAutomaticAsync
	}
	if t.Session != nil {
		r.Session = *t.Session
	}
	return r
}

// compare refuses a body that says anything else than the token: the browser has no say.
func (t *claims) compare(b createBody, present map[jsontext.Pointer]bool) error {
	said, asked := t.request(), b.request()
	var flaws []flaw
	for _, member := range []struct {
		pointer jsontext.Pointer
		same    bool
	}{
		{"/order_id", said.Order == asked.Order},
		{"/amount", said.Terms.Amount == asked.Terms.Amount},
		{"/currency", said.Terms.Currency == asked.Terms.Currency},
		{"/customer", said.Terms.Customer == asked.Terms.Customer},
		{"/capture_method", said.Terms.CaptureMethod == asked.Terms.CaptureMethod},
		{"/setup_future_usage", said.Terms.SetupFutureUsage == asked.Terms.SetupFutureUsage},
		{"/description", said.Description == asked.Description},
		{"/receipt_email", said.ReceiptEmail == asked.ReceiptEmail},
		{"/statement_descriptor_suffix", false},
		{"/metadata", maps.Equal(said.Metadata, asked.Metadata)},
		{"/customer_session", reflect.DeepEqual(said.Session, asked.Session)},
		{"/reopen", !asked.Reopen},
	} {
		if present[member.pointer] && !member.same {
			flaws = append(flaws, flaw{Pointer: string(member.pointer), Detail: "differs from the token"})
		}
	}
	if len(flaws) > 0 {
		return &refusal{codeClaimMismatch, "The body may only repeat what the token says.", flaws}
	}
	return nil
}

// mintOrderToken records an order's terms and signs a token for its page.
func (a *api) mintOrderToken(c echo.Context) error {
	if len(a.Tokens.Secrets) == 0 {
		return &refusal{code: service.CodeNotFound, detail: "Order tokens are switched off: ORDER_TOKEN_SECRETS is not set."}
	}
	request, err := a.keyRequest(c)
	if err != nil {
		return err
	}
	rev, err := a.service.RecordTerms(c.Request().Context(), request)
	if err != nil {
		return err
	}
	token, expires, err := a.Tokens.mint(request, rev)
	if err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderLocation, "/v1/orders/"+string(request.Order))
	return answerJSON(c, http.StatusCreated, struct {
		Token     string    `json:"token"`
		ExpiresAt time.Time `json:"expires_at"`
		Rev       int64     `json:"rev"`
	}{token, expires, rev})
}

// mint signs a token with the first secret.
func (k Tokens) mint(r service.CreateRequest, rev int64) (token string, expires time.Time, err error) {
	now := k.Now().UTC().Truncate(time.Second)
	expires = now.Add(k.TTL)
	unsigned := jwt.NewWithClaims(jwt.GetSigningMethod(tokenAlgorithm), claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Audience: jwt.ClaimStrings{k.Audience}, IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(expires),
		},
		Order: r.Order, Amount: &r.Terms.Amount, Currency: &r.Terms.Currency, Customer: r.Terms.Customer,
		CaptureMethod: r.Terms.CaptureMethod, SetupFutureUsage: r.Terms.SetupFutureUsage, Description: r.Description,
		ReceiptEmail: r.ReceiptEmail, Metadata: r.Metadata, Session: &r.Session, Rev: &rev,
	})
	unsigned.Header["kid"] = k.Secrets[0].KID
	token, err = unsigned.SignedString([]byte(k.Secrets[0].Key.Reveal()))
	return token, expires, err
}
