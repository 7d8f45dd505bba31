package api

import (
	"errors"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/golang-jwt/jwt/v5"

	"kasse/service"
	"kasse/service/payment"
)

// Bounds of a token's times.
const (
	maxTokenLife   = 24 * time.Hour
	maxReaderLife  = 30 * 24 * time.Hour // of one without terms, which opens and changes nothing
	maxTokenFuture = time.Minute         // that its clock may be ahead of ours
)

// claims are the known claims of an order token. Unknown ones are ignored.
type claims struct {
	jwt.RegisteredClaims
	Order            payment.OrderID          `json:"order_id"`
	Amount           *int64                   `json:"amount,omitempty"` // minor units
	Currency         *string                  `json:"currency,omitempty"`
	Customer         payment.CustomerID       `json:"customer,omitempty"`
	CaptureMethod    payment.CaptureMethod    `json:"capture_method,omitempty"`
	SetupFutureUsage string                   `json:"setup_future_usage,omitempty"`
	Description      string                   `json:"description,omitempty"`
	ReceiptEmail     string                   `json:"receipt_email,omitempty"`
	Metadata         map[string]string        `json:"metadata,omitempty"`
	Session          *payment.SessionFeatures `json:"customer_session,omitempty"`
	Rev              *int64                   `json:"rev,omitempty"` // Unix milliseconds
}

// members are the claims with what they have to be.
func (t *claims) members() []claim {
	const date = "must be a number of seconds"
	return []claim{
		{"iss", &t.Issuer, "must be a string"},
		{"sub", &t.Subject, "must be a string"},
		{"jti", &t.ID, "must be a string"},
		{"aud", &t.Audience, "must be a string or an array of strings"},
		{"exp", &t.ExpiresAt, date},
		{"nbf", &t.NotBefore, date},
		{"iat", &t.IssuedAt, date},
		{"order_id", &t.Order, "must be a string"},
		{"amount", &t.Amount, "must be an integer"},
		{"currency", &t.Currency, "must be a string"},
		{"customer", &t.Customer, "must be a string"},
		{"capture_method", &t.CaptureMethod, "must be a string"},
		{"setup_future_usage", &t.SetupFutureUsage, "must be a string"},
		{"description", &t.Description, "must be a string"},
		{"receipt_email", &t.ReceiptEmail, "must be a string"},
		{"metadata", &t.Metadata, "must be an object"},
		{"customer_session", &t.Session, "must be an object"},
		{"rev", &t.Rev, "must be an integer"},
	}
}

// claim is one claim of a token.
type claim struct {
	name   string
	into   any    // pointer to the target
	detail string // of the error where it is of another type
}

// readClaims decodes the payload of a token with a verified signature, as strictly as bodies. (The JWT
// library's encoding/json would use the last of two amounts, and accept "Amount".) It returns every claim of
// a wrong type.
func readClaims(payload []byte) (*claims, []fieldError) {
	type plain claims
	t := new(claims)
	if json.Unmarshal(payload, (*plain)(t)) == nil {
		return t, nil
	}
	var present map[string]jsontext.Value
	if err := json.Unmarshal(payload, &present); err != nil {
		return nil, []fieldError{payloadError(err)}
	}
	var fieldErrors []fieldError
	for _, c := range t.members() {
		if err := json.Unmarshal(present[c.name], c.into); present[c.name] != nil && err != nil {
			fieldErrors = append(fieldErrors, c.fieldError(err))
		}
	}
	return t, fieldErrors
}

// payloadError returns the reason why a payload is not an object of claims.
func payloadError(err error) fieldError {
	var syntax *jsontext.SyntacticError
	if errors.Is(err, jsontext.ErrDuplicateName) && errors.As(err, &syntax) {
		return fieldError{Pointer: string(syntax.JSONPointer), Detail: "is given twice"}
	}
	return fieldError{Detail: "the claims must be a JSON object in UTF-8"}
}

// fieldError names the claim, or the member inside it, that could not be read.
func (c claim) fieldError(err error) fieldError {
	found := fieldError{Pointer: "/" + c.name, Detail: c.detail}
	var inside *json.SemanticError
	if errors.As(err, &inside) && inside.JSONPointer != "" {
		found.Pointer += string(inside.JSONPointer)
		found.Detail = "is of a wrong type"
		if inside.GoType != nil && expectations[inside.GoType.Kind()].detail != "" {
			found.Detail = expectations[inside.GoType.Kind()].detail
		}
	}
	return found
}

// opens reports whether the token has terms. A token without terms only reads and refreshes.
func (t *claims) opens() bool { return t.Amount != nil && t.Currency != nil }

// caller returns the token's holder.
func (t *claims) caller() service.Caller {
	return service.Caller{Order: t.Order, Customer: t.Customer, HasTerms: t.opens(), Session: t.Session}
}

// age returns the rev of the token's terms, in Unix milliseconds.
func (t *claims) age() int64 {
	if t.Rev == nil {
		return t.IssuedAt.UnixMilli()
	}
	return *t.Rev
}

// mayLive returns how long after its iat the token may expire.
func (t *claims) mayLive() time.Duration {
	if t.Amount == nil && t.Currency == nil {
		return maxReaderLife
	}
	return maxTokenLife
}

// check returns the mistakes in the claims about issuer, audience and times, except the expiry. issuer is
// required in the token unless it is empty.
func (t *claims) check(audience, issuer string, now time.Time) []fieldError {
	var fieldErrors []fieldError
	need := func(ok bool, pointer, detail string) {
		if !ok {
			fieldErrors = append(fieldErrors, fieldError{Pointer: pointer, Detail: detail})
		}
	}
	latest := now.Add(maxTokenFuture)
	need(slices.Contains(t.Audience, audience), "/aud", "does not name this service")
	need(issuer == "" || t.Issuer == issuer, "/iss", "is not the issuer whose key has signed the token")
	need(t.Order.Valid(), "/order_id", "is missing or malformed")
	need(t.NotBefore == nil || !t.NotBefore.After(latest), "/nbf", "is in the future")
	need(t.Rev == nil || (*t.Rev >= 1 && *t.Rev <= latest.UnixMilli()), "/rev",
		"is in the future, or is not a number of milliseconds")
	need(t.ExpiresAt != nil, "/exp", "is required")
	need(t.IssuedAt != nil, "/iat", "is required")
	if t.ExpiresAt == nil || t.IssuedAt == nil {
		return fieldErrors
	}
	need(!t.IssuedAt.After(latest), "/iat", "is in the future")
	need(t.IssuedAt.UnixMilli() >= 1, "/iat", "is too long ago")
	need(t.ExpiresAt.Sub(t.IssuedAt.Time) <= t.mayLive(), "/exp", "is too long after iat")
	return fieldErrors
}

// narrowed returns the token's create, with the session that its page requests; nil: with the token's own.
func (t *claims) narrowed(asked *payment.SessionFeatures) (payment.CreateRequest, error) {
	r := t.request()
	if asked == nil {
		return r, nil
	}
	if r.Unclaimed {
		r.Asked = asked
		return r, nil
	}
	var err error
	r.Session, err = payment.NarrowSession(r.Session, *asked)
	return r, err
}

// request returns the create of a token that opens payments.
func (t *claims) request() payment.CreateRequest {
	r := payment.CreateRequest{
		Order: t.Order, Rev: t.age(), Description: t.Description, ReceiptEmail: t.ReceiptEmail, Metadata: t.Metadata,
		Terms: payment.Terms{
			Amount: *t.Amount, Currency: *t.Currency, Customer: t.Customer,
			CaptureMethod: t.CaptureMethod, SetupFutureUsage: t.SetupFutureUsage,
		},
	}
	if r.Terms.CaptureMethod == "" {
		r.Terms.CaptureMethod = payment.CaptureAutomaticAsync
	}
	if r.Unclaimed = t.Session == nil; !r.Unclaimed {
		r.Session = *t.Session
	}
	return r
}
