package api

import (
	"time"

	"github.com/labstack/echo/v4"

	"kasse/service"
	"kasse/service/payment"
)

// maxWait is the longest that a poll is held, in seconds; common proxies cut at 30.
const maxWait = 25

// status returns the payment. While it is the version that the caller has, the answer is held: until there is another,
// for as long as the caller waits, or until the server drains.
func (a *api) status(c echo.Context, id payment.ID, wait time.Duration) (payment.StoredView, error) {
	ctx, caller := c.Request().Context(), infoOf(c).caller
	stored, err := a.service.Status(ctx, caller, id)
	err = a.limitHolder(c, id, err)
	if err != nil || wait == 0 || !noneMatch(c.Request().Header, etag(stored.Version)) {
		return stored, err
	}
	return a.service.StatusAfter(ctx, caller, id, stored.Version, service.WaitOptions{For: wait, Released: a.Draining})
}
