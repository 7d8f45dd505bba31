package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"kasse/service"
	"kasse/service/payment"
)

// Key is a service key, of which only the hash is known.
type Key struct {
	Name   string
	Hash   [sha256.Size]byte // of the whole key, prefix included
	Scopes []service.Scope
}

// access defines who may use a route: every caller, if no scope is named.
type access struct {
	scope        service.Scope // that a service key needs
	token        bool          // whether the holder of an order token may come
	clientSecret bool          // whether the holder of a client secret may come
}

// Values of headers that many answers have. They are shared, and never changed.
var (
	varyByCaller    = []string{"Authorization, Origin"}
	noStore         = []string{"no-store"}
	publicNoCache   = []string{"public, no-cache"}
	privateNoCache  = []string{"private, no-cache"}
	noSniff         = []string{"nosniff"}
	varyByOrigin    = []string{echo.HeaderOrigin}
	applicationJSON = []string{echo.MIMEApplicationJSON}
)

// forbidCaching keeps caller-dependent responses out of shared caches, and those that may contain secrets out
// of all caches.
func (a access) forbidCaching(c echo.Context) {
	if a.scope == "" {
		return
	}
	h := c.Response().Header()
	h[echo.HeaderVary] = varyByCaller
	h[echo.HeaderCacheControl] = noStore
	if method := c.Request().Method; method == http.MethodGet || method == http.MethodHead {
		h[echo.HeaderCacheControl] = privateNoCache
	}
}

// admit identifies the caller, and refuses one that may not use the route. The service checks whether a
// client secret is the payment's.
func (a *api) admit(c echo.Context, need access) error {
	if need.scope == "" {
		return nil
	}
	x := infoOf(c)
	if err := a.authenticate(c.Request(), x); err != nil {
		return a.limitRefused(c, err)
	}
	x.caller.Refused = a.refusalBy(c)
	switch {
	case x.credential == clientSecret && !need.clientSecret:
		return &refusal{code: codeInsufficientScope, detail: "A client secret only reads its own payment."}
	case x.credential == orderToken && !need.token:
		return &refusal{
			code: codeInsufficientScope, detail: "An order token only opens, refreshes and reads its own order.",
		}
	case x.credential == serviceKey && !x.caller.May(need.scope):
		return &refusal{
			code: codeInsufficientScope, detail: "The service key lacks the scope " + string(need.scope) + ".",
		}
	}
	return nil
}

// The kinds of credentials, as the log names them.
const (
	noCredential = "none"
	serviceKey   = "service_key"
	orderToken   = "order_token"
	clientSecret = "client_secret"
)

// isServiceKey reports whether the text has the shape of a service key.
func isServiceKey(text string) bool {
	rest, found := strings.CutPrefix(text, "ksk_")
	return found && payment.ConsistsOf(rest, 32, len(rest), "_-")
}

// isJWT reports whether the text has the shape of a JWT.
func isJWT(text string) bool {
	return strings.Count(text, ".") == 2 && !strings.Contains(text, "..") && !strings.HasPrefix(text, ".") &&
		!strings.HasSuffix(text, ".") &&
		payment.ConsistsOf(text, 5, len(text), "_-.")
}

// authenticate distinguishes credentials by their shape, and notes the caller. Several Authorization headers are
// rejected: proxies disagree on which one wins.
func (a *api) authenticate(r *http.Request, x *requestInfo) error {
	values := r.Header.Values(echo.HeaderAuthorization)
	if len(values) != 1 {
		return unauthenticated()
	}
	scheme, text, _ := strings.Cut(values[0], " ")
	_, isClientSecret := payment.ClientSecretOf(payment.Secret(text))
	switch known := strings.EqualFold(scheme, "Bearer"); {
	case known && isServiceKey(text):
		caller, found := a.holder(text)
		if !found {
			return unauthenticated()
		}
		x.credential, x.caller = serviceKey, caller
	case known && isJWT(text):
		claims, err := a.Tokens.verify(r.Context(), text)
		if err != nil {
			return err
		}
		x.credential, x.caller, x.claims = orderToken, claims.caller(), claims
	case known && isClientSecret:
		x.credential, x.caller = clientSecret, service.Caller{Secret: payment.Secret(text)}
	default:
		return unauthenticated()
	}
	return nil
}

func unauthenticated() error {
	return &refusal{code: codeUnauthenticated, detail: "The Authorization header is missing or not valid."}
}

// holder finds the service key. It compares with all keys, so that its duration reveals nothing.
func (a *api) holder(token string) (service.Caller, bool) {
	hash := sha256.Sum256([]byte(token))
	found := -1
	for i := range a.Keys {
		found = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(hash[:], a.Keys[i].Hash[:]), i, found)
	}
	if found < 0 {
		return service.Caller{}, false
	}
	return service.Caller{Key: a.Keys[found].Name, Scopes: a.Keys[found].Scopes}, true
}
