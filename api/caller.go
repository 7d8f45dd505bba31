package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"regexp"
	"strings"

	"github.com/labstack/echo/v4"

	"kasse/service"
)

// Key is a service key, of which only the hash is known.
type Key struct {
	Name   string
	Hash   [sha256.Size]byte // of the whole key, prefix included
	Scopes []service.Scope
}

// access says who may use a route: anybody, where no scope is named.
type access struct {
	scope        service.Scope // that a service key needs
	clientSecret bool          // whether the holder of a client secret may come
}

// forbidCaching keeps answers that depend on the caller out of shared caches, and those with secrets out of all.
func (a access) forbidCaching(c echo.Context) {
	h := c.Response().Header()
	switch {
	case a.scope == "":
	case c.Request().Method == http.MethodPost:
		h.Set(echo.HeaderCacheControl, "no-store")
	default:
		h.Set(echo.HeaderCacheControl, "private, no-cache")
		h.Set(echo.HeaderVary, "Authorization, Origin")
	}
}

// admit finds out who asks, and refuses whom the route does not take. Whether the holder of a client secret may see the
// payment is left to the service.
func (a *api) admit(c echo.Context, need access) error {
	if need.scope == "" {
		return nil
	}
	x := exchangeOf(c)
	caller, ok := a.authenticate(c.Request().Header)
	if !ok {
		return &refusal{code: codeUnauthenticated, detail: "The Authorization header is missing or not valid."}
	}
	x.caller = caller
	if caller.Key == "" {
		x.credential = "client_secret"
		if !need.clientSecret {
			return &refusal{code: codeInsufficientScope, detail: "A client secret only reads its own payment."}
		}
		return nil
	}
	x.credential = "service_key"
	if !caller.May(need.scope) {
		return &refusal{code: codeInsufficientScope, detail: "The service key lacks the scope " + string(need.scope) + "."}
	}
	return nil
}

var serviceKey = regexp.MustCompile(`^ksk_[A-Za-z0-9_-]{32,}$`)

// authenticate tells the kinds of credentials apart by their shape. Two headers are none: proxies would choose.
func (a *api) authenticate(h http.Header) (service.Caller, bool) {
	values := h.Values(echo.HeaderAuthorization)
	if len(values) != 1 {
		return service.Caller{}, false
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return service.Caller{}, false
	}
	if serviceKey.MatchString(token) {
		return a.holder(token)
	}
	secret := service.Secret(token)
	_, ok := service.ClientSecretOf(secret)
	return service.Caller{Secret: secret}, ok
}

// holder looks the service key up. It compares with all of them, so that the time taken says nothing.
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
