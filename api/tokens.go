package api

import (
	"errors"
	"maps"
	"net/http"
	"reflect"
	"time"

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
	Now      func() time.Time
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

const tokenAlgorithm = "HS256"

// claims are what an order token says. Unknown ones are ignored.
type claims struct {
	jwt.RegisteredClaims
	Order            service.OrderID          `json:"order_id"`
	Amount           int64                    `json:"amount,omitempty"` // minor units
	Currency         string                   `json:"currency,omitempty"`
	Customer         service.CustomerID       `json:"customer,omitempty"`
	CaptureMethod    service.CaptureMethod    `json:"capture_method,omitempty"`
	SetupFutureUsage string                   `json:"setup_future_usage,omitempty"`
	Description      string                   `json:"description,omitempty"`
	ReceiptEmail     string                   `json:"receipt_email,omitempty"`
	Metadata         map[string]string        `json:"metadata,omitempty"`
	Session          *service.SessionFeatures `json:"customer_session,omitempty"`
	Rev              int64                    `json:"rev,omitempty"` // Unix milliseconds
}

// opens reports whether the token says what the order costs; one that does not only reads and refreshes.
func (t *claims) opens() bool { return t.Amount != 0 && t.Currency != "" }

// verifyToken checks an order token, and notes whose it is.
func (a *api) verifyToken(text string, x *exchange) error {
	var t claims
	_, err := jwt.NewParser(
		jwt.WithValidMethods([]string{tokenAlgorithm}), jwt.WithAudience(a.Tokens.Audience), jwt.WithExpirationRequired(),
		jwt.WithTimeFunc(a.Tokens.Now),
	).ParseWithClaims(text, &t, a.tokenKey)
	switch {
	case errors.Is(err, jwt.ErrTokenExpired) && !errors.Is(err, jwt.ErrTokenInvalidAudience):
		return &refusal{code: codeTokenExpired, detail: "The order token has expired: ask the backend for another."}
	case err != nil || !a.timely(&t) || !t.Order.Valid():
		return unauthenticated()
	}
	x.caller, x.claims = service.Caller{Order: t.Order}, &t
	return nil
}

var errNoSuchKey = errors.New("no secret has this kid")

func (a *api) tokenKey(t *jwt.Token) (any, error) {
	for _, secret := range a.Tokens.Secrets {
		if t.Header["kid"] == secret.KID {
			return []byte(secret.Key.Reveal()), nil
		}
	}
	return nil, errNoSuchKey
}

// timely checks what the library leaves open: how long a token may live, and how far ahead of us its clock may be.
func (a *api) timely(t *claims) bool {
	if t.IssuedAt == nil || t.Rev < 0 {
		return false
	}
	if t.Rev == 0 {
		t.Rev = t.IssuedAt.UnixMilli()
	}
	most := maxTokenLife
	if !t.opens() {
		most = maxReaderLife
	}
	ahead := a.Tokens.Now().Add(maxTokenFuture)
	return t.ExpiresAt.Sub(t.IssuedAt.Time) <= most && !t.IssuedAt.After(ahead) && t.Rev <= ahead.UnixMilli()
}

// request is the create that the token stands for.
func (t *claims) request() service.CreateRequest {
	r := service.CreateRequest{
		Order: t.Order, Rev: t.Rev, Description: t.Description, ReceiptEmail: t.ReceiptEmail, Metadata: t.Metadata,
		Terms: service.Terms{
			Amount: t.Amount, Currency: t.Currency, Customer: t.Customer, CaptureMethod: t.CaptureMethod, SetupFutureUsage: t.SetupFutureUsage,
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
	if !t.opens() {
		return &refusal{code: codeInsufficientScope, detail: "The order token names no amount: it only reads its order."}
	}
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
		{"/reopen", false},
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
	var body createBody
	if err := decode(c, &body, "order_id", "amount", "currency"); err != nil {
		return err
	}
	request := body.request()
	rev, err := a.service.RecordTerms(c.Request().Context(), request)
	if err != nil {
		return err
	}
	token, expires, err := a.Tokens.mint(request, rev)
	if err != nil {
		return err
	}
	return answerJSON(c, http.StatusCreated, struct {
		Token     string    `json:"token"`
		ExpiresAt time.Time `json:"expires_at"`
		Rev       int64     `json:"rev"`
	}{token, expires, rev})
}

// mint signs a token with the first secret.
func (t Tokens) mint(r service.CreateRequest, rev int64) (token string, expires time.Time, err error) {
	now := t.Now().UTC().Truncate(time.Second)
	expires = now.Add(t.TTL)
	unsigned := jwt.NewWithClaims(jwt.GetSigningMethod(tokenAlgorithm), claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Audience: jwt.ClaimStrings{t.Audience}, IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(expires),
		},
		Order: r.Order, Amount: r.Terms.Amount, Currency: r.Terms.Currency, Customer: r.Terms.Customer,
		CaptureMethod: r.Terms.CaptureMethod, SetupFutureUsage: r.Terms.SetupFutureUsage, Description: r.Description,
		ReceiptEmail: r.ReceiptEmail, Metadata: r.Metadata, Session: &r.Session, Rev: rev,
	})
	unsigned.Header["kid"] = t.Secrets[0].KID
	token, err = unsigned.SignedString([]byte(t.Secrets[0].Key.Reveal()))
	return token, expires, err
}
