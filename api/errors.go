package api

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/labstack/echo/v4"

	"kasse/service/payment"
)

// The codes that only HTTP knows; the others are the service's.
const (
	codeInvalidJSON          payment.Code = "invalid_json"
	codeUnauthenticated      payment.Code = "unauthenticated"
	codeTokenExpired         payment.Code = "token_expired"
	codeInsufficientScope    payment.Code = "insufficient_scope"
	codeOriginNotAllowed     payment.Code = "origin_not_allowed"
	codeMethodNotAllowed     payment.Code = "method_not_allowed"
	codeBodyTooLarge         payment.Code = "body_too_large"
	codeUnsupportedMediaType payment.Code = "unsupported_media_type"
	codeClaimMismatch                     = payment.CodeClaimMismatch
	codeIfMatchRequired      payment.Code = "if_match_required"
	codeRateLimited          payment.Code = "rate_limited"

	codeIdempotencyKeyRequired payment.Code = "idempotency_key_required"
)

// problemType is what all problems of one code have in common.
type problemType struct {
	status    int
	title     string
	retryable bool // the same request may succeed later, as it is
}

// problemTypes is the contract's list of codes.
var problemTypes = map[payment.Code]problemType{
	"invalid_json":             {400, "The body is not valid JSON.", false},
	"invalid_request":          {400, "The request is not valid.", false},
	"invalid_signature":        {400, "The signature is not valid.", false},
	"unauthenticated":          {401, "A valid credential is required.", false},
	"token_expired":            {401, "The token has expired.", false},
	"insufficient_scope":       {403, "The credential may not do this.", false},
	"origin_not_allowed":       {403, "The page's origin is not listed.", false},
	"not_found":                {404, "There is nothing here.", false},
	"method_not_allowed":       {405, "The method is not allowed here.", false},
	"order_conflict":           {409, "The order already has other terms.", false},
	"order_already_paid":       {409, "The order is already paid.", false},
	"order_closed":             {409, "The order is closed.", false},
	"payment_in_progress":      {409, "The payment is in progress.", false},
	"invalid_state":            {409, "The payment's state does not allow this.", false},
	"idempotency_in_progress":  {409, "The same request is still in progress.", true},
	"balance_insufficient":     {409, "The Stripe account's balance does not cover the refund.", false},
	"cursor_expired":           {410, "The cursor is no longer valid.", false},
	"version_mismatch":         {412, "The payment has changed since the given version.", false},
	"body_too_large":           {413, "The body is too large.", false},
	"unsupported_media_type":   {415, "The body's media type is not supported.", false},
	"claim_mismatch":           {422, "The body differs from the token.", false},
	"amount_out_of_range":      {422, "The amount is out of range.", false},
	"unsupported_currency":     {422, "The currency is not supported.", false},
	"customer_not_found":       {422, "The customer does not exist at Stripe.", false},
	"idempotency_key_reused":   {422, "The idempotency key was used for another request.", false},
	"refund_exceeds_payment":   {422, "The refund exceeds what is left of the payment.", false},
	"if_match_required":        {428, "An If-Match header is required.", false},
	"idempotency_key_required": {428, "An Idempotency-Key header is required.", false},
	"rate_limited":             {429, "Too many requests.", true},
	"attempts_exhausted":       {429, "The order has had too many failed attempts.", false},
	"internal":                 {500, "Something went wrong on our side.", true},
	"stripe_error":             {502, "Stripe answered with an error.", true},
	"store_unavailable":        {503, "The store is not available.", true},
	"stripe_unavailable":       {503, "Stripe is not available.", true},
	"stripe_rate_limited":      {503, "Stripe's rate limit was reached.", true},
	"stripe_timeout":           {504, "Stripe did not answer in time.", true},
}

// fieldError is one thing that is wrong with a request, and where.
type fieldError struct {
	Pointer   string `json:"pointer,omitzero"` // into the body
	Parameter string `json:"parameter,omitzero"`
	Header    string `json:"header,omitzero"`
	Detail    string `json:"detail"`
}

// refusal is an error that the HTTP layer finds before it calls the service.
type refusal struct {
	code        payment.Code
	detail      string
	fieldErrors []fieldError
}

func (r *refusal) Error() string { return string(r.code) + ": " + r.detail }

// problem is an error as it is answered, by RFC 9457.
type problem struct {
	Type            string         `json:"type"`
	Title           string         `json:"title"`
	Status          int            `json:"status"`
	Detail          string         `json:"detail"`
	Code            payment.Code   `json:"code"`
	Retryable       bool           `json:"retryable"`
	RequestID       string         `json:"request_id"`
	Errors          []fieldError   `json:"errors,omitzero"`
	DeclineCode     string         `json:"decline_code,omitzero"`
	StripeRequestID string         `json:"stripe_request_id,omitzero"`
	Payment         jsontext.Value `json:"payment,omitzero"`
	Oldest          string         `json:"oldest,omitzero"`

	retryAfter time.Duration
}

func newProblem(code payment.Code, detail string, fieldErrors []fieldError) problem {
	t := problemTypes[code]
	return problem{
		Type: "urn:kasse:problem:" + string(code), Title: t.title, Status: t.status, Detail: detail,
		Code: code, Retryable: t.retryable, Errors: fieldErrors,
	}
}

// problemOf translates an error into a problem of the contract. An error without a code of the contract is
// internal; its text is only for the log.
func problemOf(err error) problem {
	var refused *refusal
	var failed *payment.Error
	switch {
	case errors.As(err, &refused):
		return newProblem(refused.code, refused.detail, refused.fieldErrors)
	case errors.As(err, &failed) && failed.Code != payment.CodeInternal && problemTypes[failed.Code].status != 0:
		return serviceProblem(failed)
	case errors.Is(err, echo.ErrNotFound):
		return newProblem(payment.CodeNotFound, "This path does not exist.", nil)
	case errors.Is(err, echo.ErrMethodNotAllowed):
		return newProblem(codeMethodNotAllowed, "The Allow header names the methods of this path.", nil)
	}
	return newProblem(payment.CodeInternal, "Kasse's log has the cause under this request_id.", nil)
}

func serviceProblem(e *payment.Error) problem {
	var fieldErrors []fieldError
	for _, f := range e.Fields {
		fieldErrors = append(fieldErrors, fieldError{Pointer: f.Pointer, Parameter: f.Parameter, Detail: f.Detail})
	}
	p := newProblem(e.Code, e.Detail, fieldErrors)
	p.DeclineCode, p.StripeRequestID, p.Oldest = e.DeclineCode, e.StripeRequestID, e.Oldest
	p.Payment, p.retryAfter = e.Payment, e.RetryAfter
	if e.Refused { // Stripe refuses the same request again, unlike other errors with this code
		p.Retryable = false
	}
	return p
}

// forBrowser removes what a page must not learn about a declined card.
func (p *problem) forBrowser() {
	p.DeclineCode, p.Payment = payment.BrowserDecline(p.DeclineCode), payment.BrowserView(p.Payment)
}

// write answers with the problem.
func (p problem) write(c echo.Context) error {
	h := c.Response().Header()
	switch p.Status {
	case http.StatusUnauthorized:
		h.Set(echo.HeaderWWWAuthenticate, `Bearer realm="kasse"`)
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		p.retryAfter = max(p.retryAfter, time.Second)
	}
	if p.retryAfter > 0 {
		h.Set(echo.HeaderRetryAfter, strconv.Itoa(int(math.Ceil(p.retryAfter.Seconds()))))
	}
	if h.Get(echo.HeaderCacheControl) == "" {
		h.Set(echo.HeaderCacheControl, "no-store") // caches may store a 404 by default
	}
	p.RequestID = infoOf(c).requestID
	return answer(c, p.Status, "application/problem+json", p)
}
