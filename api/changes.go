package api

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"kasse/service/payment"
)

// amountBody is the body that changes a payment.
type amountBody struct {
	Amount  int64   `json:"amount"` // minor units
	Unknown unknown `json:",embed"`
}

// cancelBody is the body that cancels a payment.
type cancelBody struct {
	Reason  nonEmptyString `json:"reason"`
	Unknown unknown        `json:",embed"`
}

func (a *api) changePayment(c echo.Context) error {
	tags, err := neededIfMatch(c.Request().Header)
	if err != nil {
		return err
	}
	var body amountBody
	if err := decode(c, &body, "amount"); err != nil {
		return err
	}
	infoOf(c).subject.setAmount(&body.Amount)
	return answerView(c)(a.changeAmount(c.Request().Context(), infoOf(c).caller, paymentID(c), tags, body.Amount))
}

func (a *api) cancelPayment(c echo.Context) error {
	var body cancelBody
	if err := decode(c, &body); err != nil {
		return err
	}
	return answerView(c)(a.service.Cancel(c.Request().Context(), paymentID(c), string(body.Reason)))
}

// answerView sends the payment's current view.
func answerView(c echo.Context) func(payment.StoredView, error) error {
	return func(stored payment.StoredView, err error) error {
		if err != nil {
			return err
		}
		infoOf(c).subject.setView(stored.View)
		c.Response().Header().Set(headerETag, etag(stored.Version))
		return c.JSONBlob(http.StatusOK, stored.View)
	}
}
