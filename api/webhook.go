package api

import (
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"

	"kasse/service"
	"kasse/service/payment"
)

// receiveStripeEvent hands the bytes on as they came, since the signature is over them.
func (a *api) receiveStripeEvent(c echo.Context) error {
	signature := c.Request().Header.Get("Stripe-Signature")
	if signature == "" {
		a.service.Unsigned()
		return invalidSignature("The delivery is not signed.", "is required")
	}
	body, err := readBody(c, maxWebhookBody)
	if err != nil {
		return err
	}
	outcome, err := a.service.Webhook(c.Request().Context(), body, signature)
	var e *payment.Error
	if errors.As(err, &e) && e.Code == payment.CodeInvalidSignature {
		return invalidSignature(e.Detail, "does not match the body")
	}
	if err != nil {
		return err
	}
	return answerJSON(c, http.StatusOK, struct {
		Outcome service.Outcome `json:"outcome"`
	}{outcome})
}

func invalidSignature(detail, fieldDetail string) error {
	return &refusal{
		payment.CodeInvalidSignature, detail, []fieldError{{Header: "Stripe-Signature", Detail: fieldDetail}},
	}
}
