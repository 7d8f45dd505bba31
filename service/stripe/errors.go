package stripe

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	stripego "github.com/stripe/stripe-go/v79"

	"kasse/service/payment"
)

// translateError converts an error of Stripe or the network to a *payment.Error. It drops stripe-go's texts,
// which contain whole PaymentIntents and pieces of unreadable bodies.
func (g *Gateway) translateError(ctx context.Context, err error) error {
	var said *stripego.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &said):
		return g.refusal(said)
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return &payment.Error{
			Code:   payment.CodeStripeTimeout,
			Detail: "Stripe did not answer in time. Repeat the same request.",
		}
	case unreachable(err):
		return &payment.Error{
			Code:       payment.CodeStripeUnavailable,
			Detail:     "Stripe cannot be reached. Repeat the same request.",
			RetryAfter: time.Second, Cause: errors.New("no connection"),
		}
	}
	return unreadableAnswer(errors.New("unreadable response"))
}

func unreadableAnswer(why error) error {
	return &payment.Error{
		Code:   payment.CodeStripeError,
		Detail: "Stripe's response could not be read. Repeat the same request.", Cause: why,
	}
}

// unreachable reports whether the call failed below HTTP. Only such errors are wrapped by http.Client.
func unreachable(err error) bool {
	var network interface{ Timeout() bool }
	return errors.As(err, &network)
}

// refusal translates an error response of Stripe.
//
// Source: https://docs.stripe.com/api/errors and https://docs.stripe.com/error-codes
func (g *Gateway) refusal(said *stripego.Error) *payment.Error {
	e := &payment.Error{
		StripeRequestID: said.RequestID, DeclineCode: string(said.DeclineCode),
		Intent: g.shown(said), Replayed: replayed(said.LastResponse.Header) ||
			otherForm(said), Mismatch: otherForm(said),
		Cause: &stripeError{said.HTTPStatusCode, fmt.Sprintf("%s %s %s", said.Type, said.Code, said.Param)},
	}
	switch {
	case said.HTTPStatusCode == http.StatusConflict:
		e.Code, e.RetryAfter = payment.CodeIdempotencyInProgress, time.Second
		e.Detail = "Stripe is still processing an earlier try. Repeat the same request."
	case said.HTTPStatusCode == http.StatusTooManyRequests:
		e.Code, e.Detail, e.RetryAfter = payment.CodeStripeRateLimited, "Stripe's rate limit was reached; repeat "+
			"the request later.", time.Second
	case said.HTTPStatusCode == http.StatusServiceUnavailable:
		e.Code, e.Detail, e.RetryAfter = payment.CodeStripeUnavailable, "Stripe is not available.", time.Second
	case said.HTTPStatusCode >= http.StatusInternalServerError, said.Type == stripego.ErrorTypeIdempotency:
		e.Code, e.Detail = payment.CodeStripeError, "Stripe failed. Repeat the same request."
	default:
		refuse(e, said)
	}
	return e
}

// stripeError holds the HTTP status of a refusal and Stripe's codes.
type stripeError struct {
	status int
	codes  string
}

// Error formats both for logs.
func (e *stripeError) Error() string { return fmt.Sprintf("stripe answered %d %s", e.status, e.codes) }

// forbidden reports whether the key lacks a permission for the call.
func forbidden(err error) bool {
	said, ok := errors.AsType[*stripeError](err)
	return ok && said.status == http.StatusForbidden
}

// otherForm reports whether Stripe has the idempotency key with another form, as after a loss of Redis. The
// object of that form can only be found in a list.
//
// Source: https://docs.stripe.com/api/idempotent_requests
func otherForm(e *stripego.Error) bool {
	return e.Type == stripego.ErrorTypeIdempotency && e.HTTPStatusCode == http.StatusBadRequest
}

// shown returns the PaymentIntent inside a refusal; nil if there is none.
func (g *Gateway) shown(e *stripego.Error) *payment.Answer {
	var body struct {
		Error struct {
			PaymentIntent *intent `json:"payment_intent"`
		} `json:"error"`
	}
	err := json.Unmarshal(e.LastResponse.RawJSON, &body)
	if err != nil || body.Error.PaymentIntent == nil || body.Error.PaymentIntent.unreadable() != nil {
		return nil
	}
	header := e.LastResponse.Header
	return &payment.Answer{
		Intent: body.Error.PaymentIntent.translate(), RequestID: requestID(header), Date: date(
			header, g.Now,
		), Stale: replayed(header),
	}
}

// fieldOf maps Stripe's parameters to our members, for parameters that callers set.
var fieldOf = map[string]string{
	"description": "/description", "receipt_email": "/receipt_email", "metadata": "/metadata",
	"shipping": "/shipping", "payment_method_configuration": "/payment_method_configuration",
	"statement_descriptor_suffix": "/statement_descriptor_suffix", "setup_future_usage": "/setup_future_usage",
	"capture_method": "/capture_method",
}

// unexpectedState are the codes of a payment that the customer, a bank or another backend has changed first.
var unexpectedState = map[stripego.ErrorCode]bool{
	stripego.ErrorCodePaymentIntentUnexpectedState: true, stripego.ErrorCodeChargeAlreadyCaptured: true,
	stripego.ErrorCodeChargeExpiredForCapture: true,
}

// noDecimals refuses an amount that is no multiple of the currency's step. stripe-go has no name for it.
//
// Source: https://support.stripe.com/questions/deprecation-of-fractional-isk-charges-and-refunds
const noDecimals stripego.ErrorCode = "invalid_charge_amount_no_decimal_compatible"

// amountCodes maps the codes of refused amounts to our detail texts.
var amountCodes = map[stripego.ErrorCode]string{
	stripego.ErrorCodeAmountTooSmall:      "is below Stripe's minimum in this currency",
	stripego.ErrorCodeAmountTooLarge:      "is above Stripe's maximum in this currency",
	stripego.ErrorCodeInvalidChargeAmount: "is outside Stripe's limits in this currency",
	noDecimals:                            "is not a multiple of Stripe's smallest amount in this currency",
}

// refuse translates a permanent refusal: nothing was made, and the same request will be refused again.
func refuse(e *payment.Error, said *stripego.Error) {
	e.Refused = true
	param, _, _ := strings.Cut(said.Param, "[")
	field, ours := fieldOf[param]
	switch {
	case said.Code == stripego.ErrorCodeResourceMissing && said.Param == "customer":
		e.Code, e.Detail = payment.CodeCustomerNotFound, "The customer does not exist at Stripe."
		e.Fields = []payment.FieldError{{Pointer: "/customer", Detail: "does not exist at Stripe"}}
	case said.Code == stripego.ErrorCodeResourceMissing && said.Param == "intent":
		e.Code, e.Detail = payment.CodeNotFound, "The PaymentIntent does not exist at Stripe."
	case said.Code == stripego.ErrorCodeChargeAlreadyRefunded:
		e.Code, e.Detail = payment.CodeRefundExceedsPayment, "The refund exceeds what is left of the payment at Stripe."
	case said.Code == stripego.ErrorCodeBalanceInsufficient:
		e.Code, e.Detail = payment.CodeBalanceInsufficient, "Top up the balance, then repeat the refund with a new "+
			"Idempotency-Key."
	case said.Code == stripego.ErrorCodeChargeDisputed:
		e.Code, e.Detail = payment.CodeInvalidState, "The payment was charged back, so it cannot be refunded."
	case unexpectedState[said.Code]:
		e.Code, e.Detail = payment.CodeInvalidState, "The payment's state at Stripe no longer allows this."
	case amountCodes[said.Code] != "", said.Param == "amount", said.Param == "amount_to_capture":
		e.Code, e.Detail = payment.CodeAmountOutOfRange, "Stripe does not accept this amount in this currency."
		e.Fields = []payment.FieldError{{
			Pointer: "/amount",
			Detail:  cmp.Or(amountCodes[said.Code], amountCodes[stripego.ErrorCodeInvalidChargeAmount]),
		}}
	case said.Param == "currency":
		e.Code, e.Detail = payment.CodeUnsupportedCurrency, "The Stripe account does not accept this currency."
		e.Fields = []payment.FieldError{{Pointer: "/currency", Detail: "is not supported by the Stripe account"}}
	case ours:
		e.Code, e.Detail = payment.CodeInvalidRequest, "Stripe does not accept a value of the request."
		e.Fields = []payment.FieldError{{Pointer: field, Detail: "is refused by Stripe"}}
	default:
		e.Code, e.Detail = payment.CodeStripeError, "Stripe refused the request."
	}
}
