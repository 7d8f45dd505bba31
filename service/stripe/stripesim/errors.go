package stripesim

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// failure is an error response of Stripe: the object under "error" and the HTTP status.
type failure struct {
	status        int
	Charge        string  `json:"charge,omitempty"`
	Code          string  `json:"code,omitempty"`
	DeclineCode   string  `json:"decline_code,omitempty"`
	DocURL        string  `json:"doc_url,omitempty"`
	Message       string  `json:"message,omitempty"`
	Param         string  `json:"param,omitempty"`
	PaymentIntent *intent `json:"payment_intent,omitempty"`
	PaymentMethod *method `json:"payment_method,omitempty"`
	RequestLogURL string  `json:"request_log_url,omitempty"`
	Type          string  `json:"type"`
}

// Error is the message, for the error interface.
func (f *failure) Error() string { return f.Message }

// The types of https://docs.stripe.com/api/errors.
const (
	typeAPI         = "api_error"
	typeCard        = "card_error"
	typeIdempotency = "idempotency_error"
	typeRequest     = "invalid_request_error"
)

func invalid(code, param, message string, args ...any) *failure {
	return &failure{
		status: http.StatusBadRequest, Type: typeRequest, Code: code, DocURL: docURL(code), Param: param,
		Message: fmt.Sprintf(message, args...),
	}
}

// missing is the response for an unknown id: 404 if it is in the path, 400 if it is a parameter.
func missing(kind, id, param string) *failure {
	return invalid("resource_missing", param, "No such %s: '%s'", kind, id)
}

func (f *failure) withStatus(status int) *failure {
	f.status = status
	return f
}

// unexpectedState is the response to a request that a PaymentIntent's status does not allow.
func unexpectedState(pi *intent, message string, args ...any) *failure {
	f := invalid("payment_intent_unexpected_state", "", message, args...)
	f.PaymentIntent = pi
	return f
}

func docURL(code string) string {
	if code == "" {
		return ""
	}
	return "https://stripe.com/docs/error-codes/" + strings.ReplaceAll(code, "_", "-")
}

// asFailure converts any error to a failure. An unknown error becomes Stripe's generic 500.
func asFailure(err error) *failure {
	if f, ok := errors.AsType[*failure](err); ok {
		return f
	}
	return serverError()
}

func serverError() *failure {
	return &failure{status: http.StatusInternalServerError, Type: typeAPI, Message: "An unknown error occurred"}
}

func rateLimited() *failure {
	return &failure{
		status: http.StatusTooManyRequests, Type: typeRequest, Code: "rate_limit", DocURL: docURL("rate_limit"),
		Message: textRateLimit,
	}
}

// permissionMissing is the response to a restricted key that may not read an expanded property.
func permissionMissing(property string) *failure {
	return invalid("", "expand", textPermission, property).withStatus(http.StatusForbidden)
}

func lockTimeout() *failure {
	return &failure{
		status: http.StatusTooManyRequests, Type: typeRequest, Code: "lock_timeout", DocURL: docURL("lock_timeout"),
		Message: "This object cannot be accessed right now because another API request or Stripe process is " +
			"currently accessing it.",
	}
}
