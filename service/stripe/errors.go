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
			Detail: "Stripe did not answer in time. The same request can be sent again.",
		}
	case unreachable(err):
		return &payment.Error{
			Code:       payment.CodeStripeUnavailable,
			Detail:     "Stripe cannot be reached. The same request can be sent again.",
			RetryAfter: time.Second, Cause: errors.New("no connection"),
		}
	}
	return unreadableAnswer(errors.New("unreadable answer"))
}

func unreadableAnswer(why error) error {
	return &payment.Error{
		Code:   payment.CodeStripeError,
		Detail: "Stripe's answer could not be read. The same request can be sent again.", Cause: why,
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
		e.Detail = "Stripe is still working on an earlier try."
	case said.HTTPStatusCode == http.StatusTooManyRequests:
		e.Code, e.Detail, e.RetryAfter = payment.CodeStripeRateLimited, "Stripe asks for fewer requests.", time.Second
	case said.HTTPStatusCode == http.StatusServiceUnavailable:
		e.Code, e.Detail, e.RetryAfter = payment.CodeStripeUnavailable, "Stripe is not available.", time.Second
	case said.HTTPStatusCode >= http.StatusInternalServerError, said.Type == stripego.ErrorTypeIdempotency:
		e.Code, e.Detail = payment.CodeStripeError, "Stripe failed. The same request can be sent again."
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
	stripego.ErrorCodeAmountTooSmall:      "is below the least that Stripe charges in this currency",
	stripego.ErrorCodeAmountTooLarge:      "is above the most that Stripe charges in this currency",
	stripego.ErrorCodeInvalidChargeAmount: "is below or above what Stripe charges in this currency",
	noDecimals:                            "is no multiple of what Stripe takes in this currency",
}

// refuse translates a permanent refusal: nothing was made, and the same request will be refused again.
func refuse(e *payment.Error, said *stripego.Error) {
	e.Refused = true
	param, _, _ := strings.Cut(said.Param, "[")
	field, ours := fieldOf[param]
	switch {
	case said.Code == stripego.ErrorCodeResourceMissing && said.Param == "customer":
		e.Code, e.Detail = payment.CodeCustomerNotFound, "Stripe knows no such customer."
		e.Fields = []payment.FieldError{{Pointer: "/customer", Detail: "does not exist at Stripe"}}
	case said.Code == stripego.ErrorCodeResourceMissing && said.Param == "intent":
		e.Code, e.Detail = payment.CodeNotFound, "Stripe knows no such PaymentIntent."
	case said.Code == stripego.ErrorCodeChargeAlreadyRefunded:
		e.Code, e.Detail = payment.CodeRefundExceedsPayment, "More has been given back already than would leave this."
	case said.Code == stripego.ErrorCodeBalanceInsufficient:
		e.Code, e.Detail = payment.CodeBalanceInsufficient, "Top up the balance, and repeat the refund under a new key."
	case said.Code == stripego.ErrorCodeChargeDisputed:
		e.Code, e.Detail = payment.CodeInvalidState, "The customer's bank has taken the money back: it cannot be refunded."
	case unexpectedState[said.Code]:
		e.Code, e.Detail = payment.CodeInvalidState, "The payment is no longer in a state in which this can be done."
	case amountCodes[said.Code] != "", said.Param == "amount", said.Param == "amount_to_capture":
		e.Code, e.Detail = payment.CodeAmountOutOfRange, "Stripe does not take this amount in this currency."
		e.Fields = []payment.FieldError{{
			Pointer: "/amount",
			Detail:  cmp.Or(amountCodes[said.Code], amountCodes[stripego.ErrorCodeInvalidChargeAmount]),
		}}
	case said.Param == "currency":
		e.Code, e.Detail = payment.CodeUnsupportedCurrency, "The Stripe account does not take this currency."
		e.Fields = []payment.FieldError{{Pointer: "/currency", Detail: "is not supported by the Stripe account"}}
	case ours:
		e.Code, e.Detail = payment.CodeInvalidRequest, "Stripe does not take a value of the request."
		e.Fields = []payment.FieldError{{Pointer: field, Detail: "is refused by Stripe"}}
	default:
		e.Code, e.Detail = payment.CodeStripeError, "Stripe refused the request."
	}
}
