package api

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"kasse/service"
	"kasse/service/payment"
)

// Events in one page.
const (
	defaultEvents = 100
	maxEvents     = 500
)

// cursor is the shape of a cursor, or nothing: from the oldest event kept. (regexp counts to 1,000 only.)
var cursor = regexp.MustCompile(`^[A-Za-z0-9_.~-]*$`)

// maxCursor is the length of a cursor at most, in characters.
const maxCursor = 1024

func (a *api) listEvents(c echo.Context) error {
	q, err := feedQuery(c)
	if err != nil {
		return err
	}
	seconds, err := intParameter(c, "wait", 0, maxWait, 0)
	if err != nil {
		return err
	}
	wait := service.WaitOptions{For: time.Duration(seconds) * time.Second, Released: a.Draining}
	page, err := a.service.Events(c.Request().Context(), q, wait)
	if err != nil {
		return err
	}
	return answerJSON(c, http.StatusOK, page)
}

// feedQuery parses the query of the feed.
func feedQuery(c echo.Context) (q payment.FeedQuery, err error) {
	if q.Limit, err = intParameter(c, "limit", 1, maxEvents, defaultEvents); err != nil {
		return q, err
	}
	q.After = c.QueryParam("after")
	if len(q.After) > maxCursor || !cursor.MatchString(q.After) {
		return q, badParameter("after", "must be a cursor, latest, or nothing")
	}
	if q.Types, err = eventTypes(c); err != nil {
		return q, err
	}
	if c.QueryParams().Has("order_id") {
		q.Order = payment.OrderID(c.QueryParam("order_id"))
		if !q.Order.Valid() {
			return q, badParameter("order_id", "must be the id of an order")
		}
	}
	return q, nil
}

// eventTypes reads the types of the events that are asked for; none: all. An unknown one is refused: a misspelt
// type would never be found, and never be missed.
func eventTypes(c echo.Context) ([]string, error) {
	if !c.QueryParams().Has("type") {
		return nil, nil
	}
	types := strings.Split(c.QueryParam("type"), ",")
	for i, name := range types {
		if !payment.KnownEventType(name) {
			detail := fmt.Sprintf(
				"must be event types, separated by commas; number %d is unknown to this version", i+1,
			)
			return nil, badParameter("type", detail)
		}
	}
	return types, nil
}
