package api

import (
	"net/http"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/labstack/echo/v4"

	"kasse/service/payment"
)

// captureBody is the body that captures a payment.
type captureBody struct {
	Amount  *int64  `json:"amount"` // minor units; nil: all of it
	Unknown unknown `json:",embed"`
}

// refundBody is the body of a refund.
type refundBody struct {
	Amount  *int64         `json:"amount"` // minor units; nil: all that is left
	Reason  nonEmptyString `json:"reason"`
	Unknown unknown        `json:",embed"`
}

func (a *api) capturePayment(c echo.Context) error {
	var body captureBody
	if err := decode(c, &body); err != nil {
		return err
	}
	infoOf(c).subject.setAmount(body.Amount)
	return answerView(c)(a.service.Capture(c.Request().Context(), paymentID(c), body.Amount))
}

func (a *api) createRefund(c echo.Context) error {
	key, err := neededIdempotencyKey(c.Request().Header)
	if err != nil {
		return err
	}
	var body refundBody
	if err := decode(c, &body); err != nil {
		return err
	}
	about := &infoOf(c).subject
	about.setAmount(body.Amount)
	id := paymentID(c)
	made, err := a.service.Refund(c.Request().Context(), payment.RefundRequest{
		Payment: id, Caller: infoOf(c).caller.Key, Key: key, Amount: body.Amount, Reason: string(body.Reason),
	})
	if err != nil {
		return err
	}
	about.refund, about.amount = made.Refund.ID, made.Refund.Amount
	about.setView(made.Payment.View)
	if made.Replayed {
		c.Response().Header().Set("Idempotent-Replayed", "true")
	}
	c.Response().Header().Set(headerETag, etag(made.Payment.Version))
	c.Response().Header().Set(echo.HeaderLocation, "/v1/payments/"+string(id)+"/refunds")
	return answerJSON(c, http.StatusCreated, struct {
		Refund  payment.RefundView `json:"refund"`
		Payment jsontext.Value     `json:"payment"`
	}{made.Refund, made.Payment.View})
}

func (a *api) listRefunds(c echo.Context) error {
	list, err := a.service.Refunds(c.Request().Context(), paymentID(c))
	if err != nil {
		return err
	}
	return answerJSON(c, http.StatusOK, struct {
		Refunds []payment.RefundView `json:"refunds"`
	}{list})
}

// neededIdempotencyKey returns the caller's idempotency key; without one a repeat would look like a second refund.
func neededIdempotencyKey(h http.Header) (string, error) {
	if h.Get(headerIdempotencyKey) == "" {
		fieldErrors := []fieldError{
			{Header: headerIdempotencyKey, Detail: "is required, with the same value in each try of one refund"},
		}
		return "", &refusal{
			codeIdempotencyKeyRequired, "The refund needs an Idempotency-Key that the caller chooses.", fieldErrors,
		}
	}
	return h.Get(headerIdempotencyKey), nil
}
