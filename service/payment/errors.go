package payment

import (
	"errors"
	"strings"
	"time"
)

// Code is an error code of the contract.
type Code string

// Codes of the service. The API has some more, about HTTP.
const (
	CodeInvalidRequest        Code = "invalid_request"
	CodeInvalidSignature      Code = "invalid_signature"
	CodeNotFound              Code = "not_found"
	CodeOrderConflict         Code = "order_conflict"
	CodeOrderAlreadyPaid      Code = "order_already_paid"
	CodeOrderClosed           Code = "order_closed"
	CodePaymentInProgress     Code = "payment_in_progress"
	CodeInvalidState          Code = "invalid_state"
	CodeIdempotencyInProgress Code = "idempotency_in_progress"
	CodeBalanceInsufficient   Code = "balance_insufficient"
	CodeCursorExpired         Code = "cursor_expired"
	CodeClaimMismatch         Code = "claim_mismatch"
	CodeAmountOutOfRange      Code = "amount_out_of_range"
	CodeUnsupportedCurrency   Code = "unsupported_currency"
	CodeCustomerNotFound      Code = "customer_not_found"
	CodeVersionMismatch       Code = "version_mismatch"
	CodeIdempotencyKeyReused  Code = "idempotency_key_reused"
	CodeRefundExceedsPayment  Code = "refund_exceeds_payment"
	CodeAttemptsExhausted     Code = "attempts_exhausted"
	CodeInternal              Code = "internal"
	CodeStripeError           Code = "stripe_error"
	CodeStoreUnavailable      Code = "store_unavailable"
	CodeStripeUnavailable     Code = "stripe_unavailable"
	CodeStripeRateLimited     Code = "stripe_rate_limited"
	CodeStripeTimeout         Code = "stripe_timeout"
)

// Error is the only error that callers see. An error without a code is internal, and its text is never sent.
type Error struct {
	Code            Code
	Detail          string       // a sentence for developers; never Stripe's text, never a secret
	Fields          []FieldError // what is wrong with the input, in its order
	RetryAfter      time.Duration
	DeclineCode     string  // Stripe's, of a refused card
	StripeRequestID string  // "req_…", for Stripe's dashboard and support
	Payment         []byte  // the view of the payment that prevents the request
	Oldest          string  // the cursor to go on from, of CodeCursorExpired
	Intent          *Answer // the PaymentIntent, where Stripe's refusal showed it
	Replayed        bool    // the failure is one that Stripe remembers: sending the same again is useless
	Mismatch        bool    // Stripe remembers the idempotency key with another form
	Refused         bool    // Stripe refused the call: nothing was made
	Cause           error   // for the log
}

// FieldError describes a mistake in one member of the input, named by Pointer or Parameter.
type FieldError struct {
	Pointer   string // JSON pointer into the body, as "/amount"
	Parameter string // of the query, where it is not the body
	Detail    string
}

// Error gives the code and the cause, for logs.
func (e *Error) Error() string {
	text := string(e.Code) + ": " + e.Detail
	if e.Cause != nil {
		text = strings.TrimSuffix(text, ".") + ": " + e.Cause.Error()
	}
	return text
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// ErrConflict: the record was changed since it was loaded. Load it again.
var ErrConflict = errors.New("record changed since it was loaded")

// ErrNotFound: the store has no such record.
var ErrNotFound = errors.New("no such record")

// NotFound is the error for missing and for forbidden objects alike.
func NotFound() *Error {
	return &Error{Code: CodeNotFound, Detail: "Nothing that this credential may see has this id."}
}

// Refused reports whether Stripe refused for good, so that nothing was made.
func Refused(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Refused
}
