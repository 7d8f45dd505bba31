package api

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"kasse/service"
)

// amountBody is the body that changes a payment.
type amountBody struct {
	Amount  int64   `json:"amount"` // minor units
	Unknown unknown `json:",embed"`
}

// cancelBody is the body that cancels a payment.
type cancelBody struct {
	Reason  word    `json:"reason"`
	Unknown unknown `json:",embed"`
}

func (a *api) changePayment(c echo.Context) error {
	version, err := ifMatch(c.Request().Header)
	if err != nil {
		return err
	}
	var body amountBody
	if err := decode(c, &body, "amount"); err != nil {
		return err
	}
	return answerView(c)(a.service.ChangeAmount(c.Request().Context(), paymentID(c), version, body.Amount))
}

func (a *api) cancelPayment(c echo.Context) error {
	var body cancelBody
	if err := decode(c, &body); err != nil {
		return err
	}
	return answerView(c)(a.service.Cancel(c.Request().Context(), paymentID(c), string(body.Reason)))
}

// answerView answers with the payment as it stands now.
func answerView(c echo.Context) func(service.StoredView, error) error {
	return func(stored service.StoredView, err error) error {
		if err != nil {
			return err
		}
		c.Response().Header().Set(headerETag, etag(stored.Version))
		return c.JSONBlob(http.StatusOK, stored.View)
	}
}

// ifMatch returns the version that the caller has seen.
func ifMatch(h http.Header) (int64, error) {
	const name = "If-Match"
	values := h.Values(name)
	if len(values) == 0 {
		flaws := []flaw{{Header: name, Detail: "must be the ETag of the payment as you have seen it"}}
		return 0, &refusal{codeIfMatchRequired, "The change has to name the version that it changes.", flaws}
	}
	text := strings.Trim(values[0], `"`)
	version, err := strconv.ParseInt(text, 10, 64)
	if len(values) > 1 || err != nil || values[0] != etag(version) {
		flaws := []flaw{{Header: name, Detail: "must be one ETag of a payment"}}
		return 0, &refusal{service.CodeInvalidRequest, "A header is not valid.", flaws}
	}
	return version, nil
}
