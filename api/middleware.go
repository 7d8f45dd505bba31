package api

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"kasse/service"
	"kasse/service/payment"
)

// requestInfo is the known data of a running request. It contains nothing secret except the caller, whose
// secret hides itself.
type requestInfo struct {
	requestID  string
	route      string // route pattern; empty if there is none
	credential string // its kind
	caller     service.Caller
	claims     *claims      // of the order token, verified
	subject    subject      // what an audited request is about
	code       payment.Code // of the problem that was answered
	began      time.Time
	parked     bool // it is answered, and logged, later
}

// contextWithInfo is Echo's context of a request with what is known of it.
type contextWithInfo struct {
	echo.Context
	requestInfo
}

// infoOf returns what is known of the request; identify has put it there.
func infoOf(c echo.Context) *requestInfo { return &c.(*contextWithInfo).requestInfo }

func isRequestID(text string) bool { return payment.ConsistsOf(text, 1, 64, "._-") }

// identify sets the request's id, the caller's own if it is valid, and the headers of every response.
func identify(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		id := c.Request().Header.Get(echo.HeaderXRequestID)
		if !isRequestID(id) {
			id = rand.Text()
		}
		h := c.Response().Header()
		h.Set(echo.HeaderXRequestID, id)
		h[echo.HeaderXContentTypeOptions] = noSniff
		err := next(&contextWithInfo{c, requestInfo{requestID: id, credential: noCredential}})
		if err == nil { // Echo's pool would keep the connection with its buffers
			c.SetRequest(nil)
			c.Response().Writer = nil
		}
		return err
	}
}

// accessLog writes one line a request, and calls the observer. It names the route's pattern and never the URL, in whose
// query anything may be.
func accessLog(logger *slog.Logger, observer Observer) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			infoOf(c).began = time.Now() //nolint:forbidigo // it is measured, and decides nothing
			err := next(c)
			if !infoOf(c).parked {
				logRequest(logger, observer, c)
			}
			return err
		}
	}
}

// logRequest writes the line of a request that is being answered, and calls the observer.
func logRequest(logger *slog.Logger, observer Observer, c echo.Context) {
	logAnswered(logger, observer, c, time.Since(infoOf(c).began)) //nolint:forbidigo // as above
}

func logAnswered(logger *slog.Logger, observer Observer, c echo.Context, took time.Duration) {
	x, ctx, status := infoOf(c), c.Request().Context(), c.Response().Status
	logger.LogAttrs(ctx, slog.LevelInfo, "request",
		slog.String("method", c.Request().Method), slog.String("route", x.route), slog.Int("status", status),
		slog.Float64("duration_ms", float64(took.Microseconds())/1000), slog.String("request_id", x.requestID),
		slog.String("credential", x.credential), slog.String("key", x.caller.Key), slog.String("code", string(x.code)))
	if observer != nil {
		observer.RequestHandled(ctx, knownMethod(c.Request().Method), x.route, status, took)
	}
}

// knownMethod keeps unknown methods out of labels.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPatch, http.MethodPut, http.MethodDelete,
		http.MethodOptions:
		return method
	}
	return "OTHER"
}

// answerErrors turns what a handler returns, or panics with, into a problem document.
func answerErrors(logger *slog.Logger) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			return answerError(logger, c, recovered(next, c))
		}
	}
}

// answerError answers with the problem of an error; nil needs no answer.
func answerError(logger *slog.Logger, c echo.Context, err error) error {
	if err == nil || c.Response().Committed { // what fails then is the writing: its reader has gone
		return nil
	}
	p := problemOf(err)
	infoOf(c).code = p.Code
	if infoOf(c).caller.Key == "" {
		p.forBrowser()
	}
	if p.Status >= http.StatusInternalServerError && c.Request().Context().Err() == nil {
		logFailure(c.Request().Context(), logger, infoOf(c), err)
	}
	return p.write(c)
}

// panicked is a panic as an error.
type panicked struct {
	value any
	stack []byte
}

func (p *panicked) Error() string { return fmt.Sprintf("panic: %v", p.value) }

// recovered calls the handler and returns its panic as an error. If the response has begun, the connection is
// closed instead.
func recovered(next echo.HandlerFunc, c echo.Context) (err error) {
	defer func() {
		value := recover()
		if value == nil {
			return
		}
		if value == http.ErrAbortHandler || c.Response().Committed { //nolint:errorlint // net/http compares it so
			panic(value)
		}
		err = &panicked{value, debug.Stack()}
	}()
	return next(c)
}

// logFailure logs why a request failed, unless the caller is at fault. A caller that disconnects is not a
// failure.
func logFailure(ctx context.Context, logger *slog.Logger, x *requestInfo, err error) {
	level, attrs := slog.LevelWarn, []any{"request_id", x.requestID, "route", x.route, "error", err}
	if x.code == payment.CodeInternal {
		level = slog.LevelError
	}
	if p, ok := err.(*panicked); ok { //nolint:errorlint // it comes unwrapped from recovered
		attrs = append(attrs, "stack", string(p.stack))
	}
	logger.Log(ctx, level, "request failed", attrs...)
}

// refuseUnrouted answers paths and methods without a route. Echo would answer OPTIONS itself, and accept an
// empty segment as an id.
func refuseUnrouted(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		path := echo.GetPath(c.Request())
		if strings.HasSuffix(path, "/") || strings.Contains(path, "//") {
			return echo.ErrNotFound
		}
		if allowed, ok := c.Get(echo.ContextKeyHeaderAllow).(string); ok {
			c.Response().Header().Set(echo.HeaderAllow, strings.TrimPrefix(allowed, "OPTIONS, "))
			return echo.ErrMethodNotAllowed
		}
		return next(c)
	}
}
