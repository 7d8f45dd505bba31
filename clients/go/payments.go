package kasse

import (
	"context"
	"net/http"
	"strconv"
)

// CreatePayment opens the order's payment, or returns the open one with a fresh customer session.
// The result contains secrets of the customer's page: do not log it. Refusals to handle:
// ProblemCodeOrderAlreadyPaid, ProblemCodePaymentInProgress, ProblemCodeOrderConflict,
// ProblemCodeOrderClosed.
func (c *Client) CreatePayment(ctx context.Context, p PaymentCreate) (*OpenedPayment, error) {
	return post[OpenedPayment](ctx, c, "/v1/payments", p, nil)
}

// CancelPayment cancels the payment and closes its order. It is idempotent.
func (c *Client) CancelPayment(ctx context.Context, id PaymentID, p PaymentCancel) (*View, error) {
	return postBelow[View](ctx, c, id, "/cancel", p, nil)
}

// CapturePayment captures the authorised amount, or p.Amount minor units of it; the rest is
// released.
func (c *Client) CapturePayment(ctx context.Context, id PaymentID, p PaymentCapture) (*View, error) {
	return postBelow[View](ctx, c, id, "/capture", p, nil)
}

// RefundPayment refunds the remaining amount, or r.Amount minor units. The key identifies the
// refund: calls with the same key make one refund. Derive it from your own record of the refund; a
// random key for each call would refund twice.
func (c *Client) RefundPayment(ctx context.Context, id PaymentID, key string, r RefundCreate) (*RefundCreated, error) {
	return postBelow[RefundCreated](ctx, c, id, "/refunds", r, map[string]string{"Idempotency-Key": key})
}

// Refunds lists the payment's refunds, oldest first, including failed and cancelled ones.
func (c *Client) Refunds(ctx context.Context, id PaymentID) ([]Refund, error) {
	list, err := get[RefundList](ctx, c, "payments", id, "/refunds")
	if err != nil {
		return nil, err
	}
	return list.Refunds, nil
}

// ChangeAmount sets the amount of the order and of its payment, in minor units. If the payment has
// changed since seen, the error is ProblemCodeVersionMismatch.
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

// CustomerSession creates a session for the page of an open payment. Its secret is single-use.
func (c *Client) CustomerSession(ctx context.Context, id PaymentID, s CustomerSessionCreate) (*CustomerSession, error) {
	created, err := postBelow[CustomerSessionCreated](ctx, c, id, "/customer-session", s, nil)
	if err != nil {
		return nil, err
	}
	return &created.CustomerSession, nil
}

// Payment returns the payment's status. For the holder of a client secret, Customer, Metadata and
// Dispute are empty.
func (c *Client) Payment(ctx context.Context, id PaymentID) (*View, error) {
	return get[View](ctx, c, "payments", id, "")
}

// History lists the payment's transitions, oldest first.
func (c *Client) History(ctx context.Context, id PaymentID) ([]Transition, error) {
	history, err := get[History](ctx, c, "payments", id, "/history")
	if err != nil {
		return nil, err
	}
	return history.History, nil
}

// Order returns the order with its payments. Payment is nil until one has been opened.
func (c *Client) Order(ctx context.Context, id OrderID) (*Order, error) {
	return get[Order](ctx, c, "orders", id, "")
}

// MintOrderToken records the terms as the order's newest, and returns a token for the order's page
// or app. The token opens and reads this order's payment and nothing else.
func (c *Client) MintOrderToken(ctx context.Context, terms PaymentCreate) (*OrderToken, error) {
	return post[OrderToken](ctx, c, "/v1/order-tokens", terms, nil)
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
