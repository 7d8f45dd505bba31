package kasse

import (
	"context"
	"net/http"
	"strconv"
)

// CreatePayment opens the order's payment, or returns the open one again with a fresh customer session. The result holds
// secrets of the customer's page: do not log it. Refusals worth a look: ProblemCodeOrderAlreadyPaid,
// ProblemCodePaymentInProgress, ProblemCodeOrderConflict, ProblemCodeOrderClosed.
func (c *Client) CreatePayment(ctx context.Context, p PaymentCreate) (*OpenedPayment, error) {
	return post[OpenedPayment](ctx, c, "/v1/payments", p, nil)
}

// CancelPayment cancels the payment and closes its order. Cancelling again succeeds.
func (c *Client) CancelPayment(ctx context.Context, id PaymentID, p PaymentCancel) (*View, error) {
	return postBelow[View](ctx, c, id, "/cancel", p, nil)
}

// CapturePayment takes the authorised money: all of it, or p.Amount minor units; the rest is released.
func (c *Client) CapturePayment(ctx context.Context, id PaymentID, p PaymentCapture) (*View, error) {
	return postBelow[View](ctx, c, id, "/capture", p, nil)
}

// RefundPayment gives money back: all that is left, or r.Amount minor units. The key names this refund: the same key is
// the same refund, however often it is asked for. Make it of your own record of the refund, not at random on each call.
func (c *Client) RefundPayment(ctx context.Context, id PaymentID, key string, r RefundCreate) (*RefundCreated, error) {
	return postBelow[RefundCreated](ctx, c, id, "/refunds", r, map[string]string{"Idempotency-Key": key})
}

// Refunds lists the payment's refunds, oldest first, with those that failed or were cancelled.
func (c *Client) Refunds(ctx context.Context, id PaymentID) ([]Refund, error) {
	list, err := get[RefundList](ctx, c, "payments", id, "/refunds")
	if err != nil {
		return nil, err
	}
	return list.Refunds, nil
}

// ChangeAmount sets the amount of the order and of its payment, in minor units. The view is the one that the decision is
// based on: ProblemCodeVersionMismatch says that the payment has changed since.
func (c *Client) ChangeAmount(ctx context.Context, seen *View, amount Amount) (*View, error) {
	path, err := pathOf("payments", seen.PaymentIntent, "")
	if err != nil {
		return nil, err
	}
	header := map[string]string{"If-Match": etag(seen.Version)}
	view := new(View)
	if err := c.call(ctx, request{method: http.MethodPatch, path: path, header: header, body: PaymentChange{Amount: amount}}, view); err != nil {
		return nil, err
	}
	return view, nil
}

// CustomerSession makes a fresh session for the page of an open payment. Its secret works once.
func (c *Client) CustomerSession(ctx context.Context, id PaymentID, s CustomerSessionCreate) (*CustomerSession, error) {
	created, err := postBelow[CustomerSessionCreated](ctx, c, id, "/customer-session", s, nil)
	if err != nil {
		return nil, err
	}
	return &created.CustomerSession, nil
}

// Payment returns the payment's status. With a client secret, customer, metadata and dispute are left empty.
func (c *Client) Payment(ctx context.Context, id PaymentID) (*View, error) {
	return get[View](ctx, c, "payments", id, "")
}

// History lists how the payment came to its state, oldest first.
func (c *Client) History(ctx context.Context, id PaymentID) ([]Transition, error) {
	history, err := get[History](ctx, c, "payments", id, "/history")
	if err != nil {
		return nil, err
	}
	return history.History, nil
}

// Order returns the order with its payments. Its Payment is nil while none has been opened.
func (c *Client) Order(ctx context.Context, id OrderID) (*Order, error) {
	return get[Order](ctx, c, "orders", id, "")
}

// MintOrderToken records the terms as the order's newest, and returns a token with which the order's page or app opens
// and reads its payment, and nothing else.
func (c *Client) MintOrderToken(ctx context.Context, terms PaymentCreate) (*OrderToken, error) {
	return post[OrderToken](ctx, c, "/v1/order-tokens", terms, nil)
}

// etag is the name of a version in If-Match and If-None-Match.
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

func postBelow[T any](ctx context.Context, c *Client, id PaymentID, below string, body any, header map[string]string) (*T, error) {
	path, err := pathOf("payments", id, below)
	if err != nil {
		return nil, err
	}
	return post[T](ctx, c, path, body, header)
}

func post[T any](ctx context.Context, c *Client, path string, body any, header map[string]string) (*T, error) {
	answer := new(T)
	if err := c.call(ctx, request{method: http.MethodPost, path: path, header: header, body: body}, answer); err != nil {
		return nil, err
	}
	return answer, nil
}
