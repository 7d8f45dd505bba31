package api

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"
)

// What pages of listed origins may send and see. There is no credentials mode: a page proves who it is by a header that
// it sets itself, and never by a cookie that comes along.
const (
	corsMethods = "GET, POST"
	corsRequest = "Authorization, Content-Type, If-None-Match, Idempotency-Key, traceparent"
	corsExposed = "ETag, Location, Retry-After, RateLimit, RateLimit-Policy, X-Request-Id"
	corsMaxAge  = "7200" // seconds; Chromium remembers a preflight no longer
)

// origins are the pages that may call from a browser, compared byte for byte. They stop nobody: a request from anywhere
// is answered, and the browser keeps the answer from pages that are not listed.
type origins []string

// share sets the CORS headers of every answer under /v1, errors included, and answers preflights.
func (o origins) share(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r, h := c.Request(), c.Response().Header()
		if r.URL.Path != "/v1" && !strings.HasPrefix(r.URL.Path, "/v1/") {
			return next(c)
		}
		h[echo.HeaderVary] = varyByOrigin // also for others: a cache must not hand them this page's answer
		given := r.Header.Values(echo.HeaderOrigin)
		if len(given) != 1 || !slices.Contains(o, given[0]) {
			return next(c)
		}
		h.Set(echo.HeaderAccessControlAllowOrigin, given[0])
		h.Set(echo.HeaderAccessControlExposeHeaders, corsExposed)
		err := next(c)
		isPreflight := r.Method == http.MethodOptions && r.Header.Get(echo.HeaderAccessControlRequestMethod) != ""
		if !isPreflight || !errors.Is(err, echo.ErrMethodNotAllowed) {
			return err
		}
		// The route is there, and no route takes OPTIONS.
		h.Set(echo.HeaderAccessControlAllowMethods, corsMethods)
		h.Set(echo.HeaderAccessControlAllowHeaders, corsRequest)
		h.Set(echo.HeaderAccessControlMaxAge, corsMaxAge)
		return c.NoContent(http.StatusNoContent)
	}
}
