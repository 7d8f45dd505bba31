package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/labstack/echo/v4"
)

// Headers that pages of listed origins may send and read. There is no credentials mode: a page authenticates
// with a header that it sets itself, never with a cookie.
const (
	corsMethods = "GET, POST"
	corsRequest = "Authorization, Content-Type, If-None-Match, Idempotency-Key, traceparent"
	corsExposed = "ETag, Location, Retry-After, RateLimit, RateLimit-Policy, X-Request-Id"
	corsMaxAge  = "7200" // seconds; Chromium remembers a preflight no longer
)

// origins are the pages that may call from a browser, compared byte for byte. They block no request: every
// request is answered, and the browser hides the response from pages that are not listed.
type origins struct {
	listed []string
	logger *slog.Logger

	mu     sync.Mutex
	logged []string // that were refused, at most maxRefusedOrigins
}

// maxRefusedOrigins bounds the log lines and the memory that made-up origins can cost.
const maxRefusedOrigins = 100

// maxOrigin is how much of an origin is shown, in bytes; a host name has 253 at most.
const maxOrigin = 300

func newOrigins(listed []string, logger *slog.Logger) *origins {
	return &origins{listed: listed, logger: logger}
}

// share sets the CORS headers of every response under /v1, including errors, and answers preflights.
func (o *origins) share(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r, h := c.Request(), c.Response().Header()
		if r.URL.Path != "/v1" && !strings.HasPrefix(r.URL.Path, "/v1/") {
			return next(c)
		}
		h[echo.HeaderVary] = varyByOrigin // also for others: a cache must not hand them this page's answer
		given := r.Header.Values(echo.HeaderOrigin)
		listed := len(given) == 1 && slices.Contains(o.listed, given[0])
		if listed {
			h.Set(echo.HeaderAccessControlAllowOrigin, given[0])
			h.Set(echo.HeaderAccessControlExposeHeaders, corsExposed)
		}
		err := next(c)
		switch {
		case !isPreflight(r) || !errors.Is(err, echo.ErrMethodNotAllowed): // no route takes OPTIONS
			return err
		case !listed:
			h.Del(echo.HeaderAllow)
			return o.refuse(r.Context(), strings.Join(given, ", "))
		}
		h.Set(echo.HeaderAccessControlAllowMethods, corsMethods)
		h.Set(echo.HeaderAccessControlAllowHeaders, corsRequest)
		h.Set(echo.HeaderAccessControlMaxAge, corsMaxAge)
		return c.NoContent(http.StatusNoContent)
	}
}

// isPreflight reports whether a browser asks for a page whether it may send a request.
func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && len(r.Header.Values(echo.HeaderOrigin)) > 0 &&
		r.Header.Get(echo.HeaderAccessControlRequestMethod) != ""
}

// refuse reports an origin that is not listed, and how to list it. The log has each origin once.
func (o *origins) refuse(ctx context.Context, origin string) error {
	origin = origin[:min(len(origin), maxOrigin)]
	if o.isNew(origin) {
		o.logger.WarnContext(ctx,
			"CORS: a page's origin is not listed in CORS_ALLOWED_ORIGINS; the browser refuses its requests", "origin",
			origin)
	}
	detail := fmt.Sprintf("The origin %q is not listed in CORS_ALLOWED_ORIGINS. "+
		"An entry is the origin exactly as the browser sends it.", origin)
	return &refusal{codeOriginNotAllowed, detail, []fieldError{{Header: echo.HeaderOrigin, Detail: "is not listed"}}}
}

// isNew reports whether the origin is refused for the first time; false for every one over the bound.
func (o *origins) isNew(origin string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.logged) >= maxRefusedOrigins || slices.Contains(o.logged, origin) {
		return false
	}
	o.logged = append(o.logged, origin)
	return true
}
