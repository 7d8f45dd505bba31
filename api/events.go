package api

import (
	"net/http"
	"regexp"
	"time"

	"github.com/labstack/echo/v4"

	"kasse/service"
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
	limit, err := intParameter(c, "limit", 1, maxEvents, defaultEvents)
	if err != nil {
		return err
	}
	after := c.QueryParam("after")
	if len(after) > maxCursor || !cursor.MatchString(after) {
		return badParameter("after", "must be a cursor, latest, or nothing")
	}
	seconds, err := intParameter(c, "wait", 0, maxWait, 0)
	if err != nil {
		return err
	}
	page, err := a.service.Events(c.Request().Context(), after, limit, service.WaitOptions{For: time.Duration(seconds) * time.Second, Released: a.Draining})
	if err != nil {
		return err
	}
	return answerJSON(c, http.StatusOK, page)
}
