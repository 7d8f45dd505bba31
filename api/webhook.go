package api

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"kasse/service"
)

const headerStripeSignature = "Stripe-Signature"

// receiveStripeEvent hands the bytes on as they came, since the signature is over them.
func (a *api) receiveStripeEvent(c echo.Context) error {
	signature := c.Request().Header.Get(headerStripeSignature)
	if signature == "" {
		flaws := []flaw{{Header: headerStripeSignature, Detail: "is required"}}
		return &refusal{service.CodeInvalidSignature, "The delivery is not signed.", flaws}
	}
	body, err := readBody(c, maxWebhookBody)
	if err != nil {
		return err
	}
	outcome, err := a.service.Webhook(c.Request().Context(), body, signature)
	if err != nil {
		return err
	}
	return answerJSON(c, http.StatusOK, struct {
		Outcome service.Outcome `json:"outcome"`
	}{outcome})
}
