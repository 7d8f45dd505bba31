package api

import (
	"net/http"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/labstack/echo/v4"

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
	answer := order{ID: found.ID, Closed: found.Closed, Payment: found.Payment}
	for _, view := range found.Superseded {
		answer.Superseded = append(answer.Superseded, view)
	}
	return answerJSON(c, http.StatusOK, answer)
}
