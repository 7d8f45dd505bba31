package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"kasse/service"
)

// maxWait is the longest that a poll is held, in seconds; common proxies cut at 30.
const maxWait = 25

// status returns the payment. While it is the version that the caller has, the answer is held: until there is another,
// for as long as the caller waits, or until the server drains.
func (a *api) status(c echo.Context, id service.PaymentID, wait time.Duration) (service.StoredView, error) {
	ctx, caller := c.Request().Context(), exchangeOf(c).caller
	stored, err := a.service.Status(ctx, caller, id)
	err = a.limitHolder(c, id, err)
	if err != nil || wait == 0 || !noneMatch(c.Request().Header, stored.Version) {
		return stored, err
	}
	ctx, cancel := a.held(ctx)
	defer cancel()
	return a.service.StatusAfter(ctx, caller, id, stored.Version, wait)
}

// held is the context of an answer that is held back: it also ends when the server drains.
func (a *api) held(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		select {
		case <-a.Draining:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// noneMatch reports whether If-None-Match names the version, so that the caller has it already.
func noneMatch(h http.Header, version int64) bool {
	for _, line := range h.Values("If-None-Match") {
		for tag := range strings.SplitSeq(line, ",") {
			tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/")
			if tag == "*" || tag == etag(version) {
				return true
			}
		}
	}
	return false
}
