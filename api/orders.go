package api

import (
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/labstack/echo/v4"

	"kasse/service"
	"kasse/service/payment"
)

// order is an order as it is answered; its views are rendered JSON.
type order struct {
	ID         payment.OrderID  `json:"order_id"`
	Closed     bool             `json:"closed"`
	Payment    jsontext.Value   `json:"payment"`
	Superseded []jsontext.Value `json:"superseded"`
}

func (a *api) getOrder(c echo.Context) error {
	found, err := a.service.Order(c.Request().Context(), infoOf(c).caller, payment.OrderID(c.Param("order_id")))
	if err != nil {
		return err
	}
	return answerJSON(c, http.StatusOK, orderOf(found))
}

func orderOf(found service.OrderView) order {
	answer := order{ID: found.ID, Closed: found.Closed, Payment: found.Payment}
	for _, view := range found.Superseded {
		answer.Superseded = append(answer.Superseded, view)
	}
	return answer
}

// orderPage is a page of orders as it is answered.
type orderPage struct {
	Orders []order `json:"orders"`
	Next   *string `json:"next"` // null at the end
}

// Orders in one page.
const (
	defaultOrders = 20
	maxOrders     = 100
)

func (a *api) listOrders(c echo.Context) error {
	q, err := orderQuery(c)
	if err != nil {
		return err
	}
	found, next, err := a.service.Orders(c.Request().Context(), q)
	if err != nil {
		return err
	}
	page := orderPage{Orders: make([]order, 0, len(found))}
	for _, o := range found {
		page.Orders = append(page.Orders, orderOf(o))
	}
	if next != "" {
		page.Next = &next
	}
	return answerJSON(c, http.StatusOK, page)
}

// orderQuery parses the query of orders.
func orderQuery(c echo.Context) (q payment.OrderQuery, err error) {
	if q.Limit, err = intParameter(c, "limit", 1, maxOrders, defaultOrders); err != nil {
		return q, err
	}
	query := c.QueryParams()
	if query.Has("customer") {
		q.Customer = payment.CustomerID(query.Get("customer"))
		if !q.Customer.Valid() {
			return q, badParameter("customer", "must be the id of a customer at Stripe, cus_…")
		}
	}
	if query.Has("state") {
		q.State = payment.State(query.Get("state"))
		if !slices.Contains(payment.States, q.State) {
			return q, badParameter("state", "must be a state that this version knows")
		}
	}
	if query.Has("created_after") {
		if q.CreatedAfter, err = parseTime(query.Get("created_after")); err != nil {
			return q, badParameter("created_after", "must be an RFC 3339 time, such as 2026-11-23T12:00:00Z")
		}
	}
	q.After = query.Get("after")
	if len(q.After) > maxCursor || !cursor.MatchString(q.After) {
		return q, badParameter("after", "must be a cursor, or nothing")
	}
	return q, nil
}

// dateTime matches the form of an RFC 3339 time in capital letters. time.Parse also accepts other forms.
var dateTime = regexp.MustCompile(
	`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`,
)

// parseTime parses an RFC 3339 time, whose letters may be small.
func parseTime(text string) (time.Time, error) {
	text = strings.ToUpper(text)
	if !dateTime.MatchString(text) {
		return time.Time{}, errors.New("not an RFC 3339 time")
	}
	return time.Parse(time.RFC3339, text)
}
