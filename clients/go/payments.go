package kasse

import (
	"context"
	"net/http"
	"strconv"
)

// CreatePayment opens the order's payment, or returns the open payment again with a new customer
// session. It needs the scope write, or an order token. The result contains secrets of the
// customer's page: do not log it.
//
// Handle ProblemCodeOrderAlreadyPaid and ProblemCodePaymentInProgress (Error.Payment is the
// payment), ProblemCodeOrderConflict (the order has other terms), ProblemCodeOrderClosed and
// ProblemCodeAttemptsExhausted. A mistake of the shop gives ProblemCodeAmountOutOfRange,
// ProblemCodeUnsupportedCurrency or ProblemCodeCustomerNotFound.
func (c *Client) CreatePayment(ctx context.Context, p PaymentCreate) (*OpenedPayment, error) {
	return post[OpenedPayment](ctx, c, "/v1/payments", p, nil)
}

// CancelPayment cancels the payment and closes its order. It needs the scope manage. A repeat
// succeeds. Handle ProblemCodeInvalidState: the payment has succeeded, or the bank is processing it.
func (c *Client) CancelPayment(ctx context.Context, id PaymentID, p PaymentCancel) (*View, error) {
	return postBelow[View](ctx, c, id, "/cancel", p, nil)
}

// CapturePayment captures the whole authorised amount, or p.Amount of it, in minor units. Stripe
// releases the rest. It needs the scope manage. A repeat with the same amount succeeds.
//
// Handle ProblemCodeInvalidState (the payment is not authorised, or another amount was captured) and
// ProblemCodeAmountOutOfRange (more than was authorised).
func (c *Client) CapturePayment(ctx context.Context, id PaymentID, p PaymentCapture) (*View, error) {
	return postBelow[View](ctx, c, id, "/capture", p, nil)
}

// RefundPayment refunds everything that is left of the payment, or r.Amount of it, in minor units.
// It needs the scope manage. The key, 1 to 255 printable ASCII characters, identifies the refund:
// calls with the same key make one refund. Derive it from your own record of the refund; a random
// key for each call would refund twice.
//
// Handle ProblemCodeRefundExceedsPayment, ProblemCodeInvalidState (the payment has received no money),
// ProblemCodeIdempotencyKeyReused (the key belongs to another refund of this payment) and
// ProblemCodeBalanceInsufficient (top up the balance at Stripe, then use a new key).
func (c *Client) RefundPayment(ctx context.Context, id PaymentID, key string, r RefundCreate) (*RefundCreated, error) {
	return postBelow[RefundCreated](ctx, c, id, "/refunds", r, map[string]string{"Idempotency-Key": key})
}

// Refunds lists the payment's refunds, oldest first, including failed and cancelled ones. It needs
// the scope read.
func (c *Client) Refunds(ctx context.Context, id PaymentID) ([]Refund, error) {
	list, err := get[RefundList](ctx, c, "payments", id, "/refunds")
	if err != nil {
		return nil, err
	}
	return list.Refunds, nil
}

// ChangeAmount sets the amount of the order and of its payment, in minor units. It needs the scope
// write. Of seen it uses the PaymentIntent and the Version.
//
// Handle ProblemCodeVersionMismatch (the payment has changed since seen), ProblemCodeInvalidState
// (the payment does not wait for a payment method) and ProblemCodeAmountOutOfRange.
func (c *Client) ChangeAmount(ctx context.Context, seen *View, amount Amount) (*View, error) {
	path, err := pathOf("payments", seen.PaymentIntent, "")
	if err != nil {
		return nil, err
	}
	r := request{method: http.MethodPatch, path: path, body: PaymentChange{Amount: amount}}
	r.header = map[string]string{"If-Match": etag(seen.Version)}
	view := new(View)
	if err := c.call(ctx, r, view); err != nil {
		return nil, err
	}
	return view, nil
}

// CustomerSession creates another session for the page of an open payment, because the secret of a
// session is single-use and expires. It needs the scope write, or an order token. Handle
// ProblemCodeInvalidState: the payment has no customer, is not the order's current one, or can no
// longer be paid.
func (c *Client) CustomerSession(ctx context.Context, id PaymentID, s CustomerSessionCreate) (*CustomerSession, error) {
	created, err := postBelow[CustomerSessionCreated](ctx, c, id, "/customer-session", s, nil)
	if err != nil {
		return nil, err
	}
	return &created.CustomerSession, nil
}

// Payment returns the payment's status. It needs the scope read, an order token or a client secret.
// For an order token, Review is nil. For a client secret, Customer, Metadata, Dispute,
// PaymentMethodDetails, ReceiptURL and Review are nil.
func (c *Client) Payment(ctx context.Context, id PaymentID) (*View, error) {
	return get[View](ctx, c, "payments", id, "")
}

// History lists the visible changes of the payment, oldest first. It needs the scope read.
func (c *Client) History(ctx context.Context, id PaymentID) ([]Transition, error) {
	history, err := get[History](ctx, c, "payments", id, "/history")
	if err != nil {
		return nil, err
	}
	return history.History, nil
}

// Order returns the order with its payments. It needs the scope read, or an order token. Payment is
// nil until the first payment has been opened.
func (c *Client) Order(ctx context.Context, id OrderID) (*Order, error) {
	return get[Order](ctx, c, "orders", id, "")
}

// MintOrderToken stores the terms as the order's newest, and returns a token for the order's page or
// app. It needs the scope write. The token opens and reads this order's payment and nothing else; it
// is valid for ORDER_TOKEN_TTL, 15 minutes by default. ProblemCodeNotFound means that the server has
// no secret to sign tokens (ORDER_TOKEN_SECRETS).
func (c *Client) MintOrderToken(ctx context.Context, terms PaymentCreate) (*OrderToken, error) {
	return post[OrderToken](ctx, c, "/v1/order-tokens", terms, nil)
}

// ReadTokenCreate names the order of a token that only reads.
type ReadTokenCreate struct {
	OrderID         OrderID                 `json:"order_id"`
	CustomerSession *CustomerSessionOptions `json:"customer_session,omitempty"` // nil: the server's defaults
}

// MintReadToken returns a token with which a page reads the order and refreshes its customer
// session, and pays nothing. It stores no terms, and is for the order's present customer. It needs
// the scope write. ProblemCodeNotFound means that there is no such order, or that the server has no
// secret to sign tokens.
func (c *Client) MintReadToken(ctx context.Context, order ReadTokenCreate) (*OrderToken, error) {
	return post[OrderToken](ctx, c, "/v1/order-tokens", order, nil)
}

// etag formats a version for If-Match and If-None-Match.
func etag(v Version) string { return `"` + strconv.FormatInt(v, 10) + `"` }

func get[T any](ctx context.Context, c *Client, collection, id, below string) (*T, error) {
	path, err := pathOf(collection, id, below)
	if err != nil {
		return nil, err
	}
	answer := new(T)
	if err := c.call(ctx, request{method: http.MethodGet, path: path}, answer); err != nil {
		return nil, err
	}
	return answer, nil
}

func postBelow[T any](
	ctx context.Context, c *Client, id PaymentID, below string, body any, header map[string]string,
) (*T, error) {
	path, err := pathOf("payments", id, below)
	if err != nil {
		return nil, err
	}
	return post[T](ctx, c, path, body, header)
}

func post[T any](ctx context.Context, c *Client, path string, body any, header map[string]string) (*T, error) {
	answer := new(T)
	r := request{method: http.MethodPost, path: path, header: header, body: body}
	if err := c.call(ctx, r, answer); err != nil {
		return nil, err
	}
	return answer, nil
}
