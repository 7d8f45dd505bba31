package api

import (
	"context"
	"errors"
	"log/slog"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/labstack/echo/v4"

	"kasse/service/payment"
)

// subject is the object of a request, as far as it is known: from the body or the token, then from the
// response.
type subject struct {
	order    payment.OrderID
	payment  payment.ID
	amount   int64 // minor units, that was asked for or that the payment has; 0: none
	currency string
	refund   payment.RefundID
	reopen   bool
}

// setTerms records a create's terms, except malformed members.
func (s *subject) setTerms(r payment.CreateRequest) {
	s.amount, s.reopen = r.Terms.Amount, r.Reopen
	if r.Order.Valid() {
		s.order = r.Order
	}
	if payment.KnownCurrency(r.Terms.Currency) {
		s.currency = r.Terms.Currency
	}
}

// setPath notes the payment that the path names. A client secret has the shape of an id, and is cut off.
func (s *subject) setPath(id payment.ID) {
	if id.Valid() {
		s.payment = id.WithoutSecret()
	}
}

// setAmount notes the amount that is asked for, if one is.
func (s *subject) setAmount(amount *int64) {
	if amount != nil {
		s.amount = *amount
	}
}

// setView records a rendered view's members. Members of the request stay.
func (s *subject) setView(view jsontext.Value) {
	var shown struct {
		Order    payment.OrderID `json:"order_id"`
		Payment  payment.ID      `json:"payment_intent"`
		Amount   int64           `json:"amount"`
		Received int64           `json:"amount_received"`
		Currency string          `json:"currency"`
	}
	if json.Unmarshal(view, &shown) != nil {
		return // there is none
	}
	s.order, s.payment, s.currency = shown.Order, shown.Payment, shown.Currency
	if s.amount == 0 {
		s.amount = shown.Received
	}
	if s.amount == 0 {
		s.amount = shown.Amount
	}
}

// audited logs one line for each request to the route, with caller, object and result. Routes that move no
// money and change no order have none.
func (a *api) audited(r Route, next echo.HandlerFunc) echo.HandlerFunc {
	if r.audit == "" {
		return next
	}
	return func(c echo.Context) error {
		result := string(payment.CodeInternal) // unless next returns
		defer func() { a.logAudit(c, r.audit, result) }()
		err := next(c)
		result = "ok"
		if err != nil {
			result = string(problemOf(err).Code)
		}
		if failed, ok := errors.AsType[*payment.Error](err); ok {
			infoOf(c).subject.setView(failed.Payment)
		}
		return err
	}
}

// logAudit writes the line. The client's address is there only where the request was refused.
func (a *api) logAudit(c echo.Context, operation, result string) {
	x := infoOf(c)
	s := x.subject
	if s.payment == "" {
		s.setPath(paymentID(c))
	}
	if s.order == "" {
		s.order = x.caller.Order
	}
	attrs := []slog.Attr{
		slog.Bool("audit", true), slog.String("operation", operation), slog.String("result", result),
		slog.String("credential", x.credential), slog.String("key", x.caller.Key),
		slog.String("order_id", string(s.order)), slog.String("payment_intent", string(s.payment)),
		slog.Int64("amount", s.amount), slog.String("currency", s.currency),
		slog.String("request_id", x.requestID),
	}
	if s.refund != "" {
		attrs = append(attrs, slog.String("refund", string(s.refund)))
	}
	if s.reopen {
		attrs = append(attrs, slog.Bool("reopen", true))
	}
	if result != "ok" {
		attrs = append(attrs, slog.String("client", a.proxies.client(c.Request())))
	}
	// The caller may have hung up; the request is logged all the same.
	ctx := context.WithoutCancel(c.Request().Context())
	a.Logger.LogAttrs(ctx, slog.LevelInfo, "audit", attrs...)
}
