package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/golang-jwt/jwt/v5"
	"github.com/labstack/echo/v4"

	"kasse/service/payment"
)

// Tokens configures how order tokens are signed and verified.
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
	// Key returns the keys that the token's kid names (a jwt.VerificationKeySet) and whose type its
	// algorithm needs; never a shared secret. It may wait some seconds for a key that is not known
	// yet. An error means that there is none.
	Key(ctx context.Context, token *jwt.Token) (any, error)
}

// TokenSecret is one shared secret of 32 bytes or more, named by the kid of a token's header.
type TokenSecret struct {
	KID string
	Key payment.Secret
}

// Algorithms of tokens: that of the shared secrets, and those of an issuer's keys.
const tokenAlgorithm = "HS256"

var issuerAlgorithms = []string{"RS256", "ES256", "EdDSA", algorithmEd25519}

// algorithmEd25519 is the newer name of EdDSA with the one curve that is used (RFC 9864). The JWT
// library does not know it.
const algorithmEd25519 = "Ed25519"

// ed25519Method verifies tokens that use the newer name.
type ed25519Method struct{ *jwt.SigningMethodEd25519 }

// Alg returns the name.
func (ed25519Method) Alg() string { return algorithmEd25519 }

func init() {
	jwt.RegisterSigningMethod(
		algorithmEd25519, func() jwt.SigningMethod { return ed25519Method{jwt.SigningMethodEdDSA} },
	)
}

// signedPayload keeps the claims of a token as they are signed. The parser would read them before it verifies the
// signature.
type signedPayload struct {
	jwt.RegisteredClaims // stays empty, and is not validated
	text                 []byte
}

// UnmarshalJSON keeps the text.
func (p *signedPayload) UnmarshalJSON(text []byte) error {
	p.text = slices.Clone(text)
	return nil
}

// verify returns the claims of an order token. It verifies the signature first, then the claims. Only
// a token whose signature is right gets the reason of a refusal, with a pointer to the claim.
func (k Tokens) verify(ctx context.Context, text string) (*claims, error) {
	algorithms := []string{tokenAlgorithm}
	if k.Keys != nil {
		algorithms = append(algorithms, issuerAlgorithms...)
	}
	var signed signedPayload
	parser := jwt.NewParser(jwt.WithValidMethods(algorithms), jwt.WithoutClaimsValidation()) // check validates them
	token, err := parser.ParseWithClaims(
		text, &signed, func(token *jwt.Token) (any, error) { return k.key(ctx, token) },
	)
	if err != nil {
		return nil, unauthenticated()
	}
	t, fieldErrors := readClaims(signed.text)
	now, issuer := k.Now(), ""
	if token.Method.Alg() != tokenAlgorithm {
		issuer = k.Issuer
	}
	if len(fieldErrors) == 0 {
		fieldErrors = t.check(k.Audience, issuer, now)
	}
	if len(fieldErrors) > 0 {
		const detail = "The order token has claims that are missing, of a wrong type or not valid."
		return nil, &refusal{codeUnauthenticated, detail, fieldErrors}
	}
	if !now.Before(t.ExpiresAt.Time) {
		return nil, &refusal{
			code: codeTokenExpired, detail: "The order token has expired: ask the backend for another.",
		}
	}
	return t, nil
}

var errNoSuchKey = errors.New("no secret or key has this kid, or crit names an unknown extension")

// key finds the secret or the issuer's key by the kid, each only for its own algorithms. A token with a crit
// header uses an unknown extension and must be refused (RFC 7515, section 4.1.11).
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

// compare refuses a body that differs from the token, except for a narrower session: the browser decides
// nothing.
func (t *claims) compare(b createBody, present map[jsontext.Pointer]bool) error {
	said, asked := t.request(), b.request()
	var fieldErrors []fieldError
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
		{"/shipping", false},
		{"/payment_method_configuration", false},
		{"/metadata", maps.Equal(said.Metadata, asked.Metadata)},
		{"/reopen", !asked.Reopen},
	} {
		if present[member.pointer] && !member.same {
			fieldErrors = append(
				fieldErrors, fieldError{Pointer: string(member.pointer), Detail: "differs from the token"},
			)
		}
	}
	if !said.Unclaimed && b.Session != nil {
		_, wider := said.Session.Narrow(asked.Session, "/customer_session")
		for _, f := range wider {
			fieldErrors = append(fieldErrors, fieldError{Pointer: f.Pointer, Detail: f.Detail})
		}
	}
	if len(fieldErrors) > 0 {
		return &refusal{
			codeClaimMismatch, "The body may only repeat the token's claims and narrow its customer session.",
			fieldErrors,
		}
	}
	return nil
}

// mintOrderToken records an order's terms and signs a token for its page. A token without terms records nothing.
func (a *api) mintOrderToken(c echo.Context) error {
	if len(a.Tokens.Secrets) == 0 {
		return &refusal{
			code: payment.CodeNotFound, detail: "Order tokens are switched off: ORDER_TOKEN_SECRETS is not set.",
		}
	}
	request, reads, err := a.mintRequest(c)
	if err == nil && reads {
		return a.mintReader(c, request)
	}
	infoOf(c).subject.setTerms(request)
	if err = cmp.Or(err, a.Tokens.checkMint(request)); err != nil {
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
	return answerToken(c, request.Order, token, expires, rev)
}

// maxMintedToken is the longest token that is minted, in bytes. It travels in a header, and many
// proxies take 8 KiB for all of them.
const maxMintedToken = 6 << 10

// checkMint refuses a token that cannot contain everything requested, or that is too long, before any terms
// are recorded.
func (k Tokens) checkMint(r payment.CreateRequest) error {
	var fieldErrors []fieldError
	for _, member := range []struct {
		pointer string
		present bool
	}{
		{"/statement_descriptor_suffix", r.StatementDescriptorSuffix != ""},
		{"/shipping", r.Shipping != nil},
		{"/payment_method_configuration", r.MethodConfiguration != ""},
	} {
		if member.present {
			fieldErrors = append(fieldErrors, fieldError{
				Pointer: member.pointer, Detail: "cannot be in an order token: open the payment with the service key",
			})
		}
	}
	if r.Reopen {
		fieldErrors = append(fieldErrors, fieldError{
			Pointer: "/reopen", Detail: "cannot be in an order token: reopen the order with the service key",
		})
	}
	if len(fieldErrors) > 0 {
		return &refusal{payment.CodeInvalidRequest, "An order token cannot contain these members.", fieldErrors}
	}
	token, _, err := k.mint(r, k.Now().UnixMilli())
	if err == nil && len(token) > maxMintedToken {
		detail := fmt.Sprintf("makes the token %d bytes long; a header has room for %d",
			len(token), maxMintedToken)
		fieldErrors = []fieldError{{Pointer: longestMember(r), Detail: detail}}
		return &refusal{payment.CodeInvalidRequest, "The order token would be too long.", fieldErrors}
	}
	return err
}

// longestMember points to the member that makes a token long.
func longestMember(r payment.CreateRequest) string {
	metadata := 0
	for key, value := range r.Metadata {
		metadata += len(key) + len(value)
	}
	if len(r.Description) > metadata {
		return "/description"
	}
	return "/metadata"
}

// mint signs a token with the first secret. The rev comes from Redis's clock. If that is ahead of ours, the
// token gets our time instead. It then counts as older than the order's terms, which are the same. A body without a
// customer session gives a token without that claim: its page gets the session that the payment was opened with.
func (k Tokens) mint(r payment.CreateRequest, rev int64) (token string, expires time.Time, err error) {
	rev = min(rev, k.Now().UnixMilli())
	signed := claims{
		Order: r.Order, Amount: &r.Terms.Amount, Currency: &r.Terms.Currency, Customer: r.Terms.Customer,
		CaptureMethod: r.Terms.CaptureMethod, SetupFutureUsage: r.Terms.SetupFutureUsage, Description: r.Description,
		ReceiptEmail: r.ReceiptEmail, Metadata: r.Metadata, Rev: &rev,
	}
	if !r.Unclaimed {
		signed.Session = &r.Session
	}
	return k.sign(signed)
}
