package console

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// payment holds the members of Kasse's status view that the console uses.
type payment struct {
	PaymentIntent    string     `json:"payment_intent"`
	OrderID          string     `json:"order_id"`
	Attempt          int        `json:"attempt"`
	Superseded       bool       `json:"superseded"`
	Status           string     `json:"status"`
	State            string     `json:"state"`
	Next             string     `json:"next"`
	Final            bool       `json:"final"`
	Fulfillable      bool       `json:"fulfillable"`
	HoldReason       string     `json:"hold_reason"`
	Amount           int64      `json:"amount"` // minor units, like the next three
	AmountReceived   int64      `json:"amount_received"`
	AmountCapturable int64      `json:"amount_capturable"`
	AmountRefunded   int64      `json:"amount_refunded"`
	Currency         string     `json:"currency"`
	Failure          *failure   `json:"failure"`
	Customer         string     `json:"customer"`
	Action           *nextStep  `json:"action"`
	Dispute          *identity  `json:"dispute"`
	Review           *identity  `json:"review"`
	Method           *method    `json:"payment_method_details"`
	CaptureBefore    *time.Time `json:"capture_before"`
	CreatedAt        time.Time  `json:"created_at"`
	Version          int64      `json:"version"`
}

type failure struct {
	Code        string `json:"code"`
	DeclineCode string `json:"decline_code"`
	Message     string `json:"message"`
}

type nextStep struct {
	Type      string     `json:"type"`
	ExpiresAt *time.Time `json:"expires_at"`
}

// identity is a dispute, a review or a refund.
type identity struct {
	ID     string `json:"id"`
	Status string `json:"status"` // empty for a review
}

type method struct {
	Type  string `json:"type"`
	Brand string `json:"brand"`
	Last4 string `json:"last4"`
}

// order is an order with its current payment (nil before the first one) and earlier payments.
type order struct {
	ID      string    `json:"order_id"`
	Closed  bool      `json:"closed"`
	Payment *payment  `json:"payment"`
	Earlier []payment `json:"superseded"`
}

// payments returns all payments of the order, oldest first.
func (o order) payments() []payment {
	all := o.Earlier
	if o.Payment != nil {
		all = append(all, *o.Payment)
	}
	return all
}

// listOrders handles GET /api/orders with the newest orders.
func (c *Console) listOrders(w http.ResponseWriter, r *http.Request) {
	var page struct {
		Orders []order `json:"orders"`
	}
	if err := c.callKasse(r.Context(), http.MethodGet, "/v1/orders?limit=50", nil, &page); err != nil {
		c.fail(w, r, err)
		return
	}
	WriteJSON(w, http.StatusOK, page)
}

// shownOrder is the response of GET /api/orders/{order}.
type shownOrder struct {
	order
	Actions  []string `json:"actions"`  // available now
	Timeline []row    `json:"timeline"` // oldest first
}

// showOrder handles GET /api/orders/{order}.
func (c *Console) showOrder(w http.ResponseWriter, r *http.Request) {
	o, err := c.order(r.Context(), r.PathValue("order"))
	if err != nil {
		c.fail(w, r, err)
		return
	}
	shown := shownOrder{order: o, Actions: []string{}}
	if shown.Timeline, err = c.timeline(r.Context(), o); err != nil {
		c.fail(w, r, err)
		return
	}
	if o.Payment != nil && c.Control != "" {
		for _, a := range actions {
			if a.possible(o.Payment) {
				shown.Actions = append(shown.Actions, a.name)
			}
		}
	}
	WriteJSON(w, http.StatusOK, shown)
}

func (c *Console) order(ctx context.Context, id string) (o order, err error) {
	return o, c.callKasse(ctx, http.MethodGet, "/v1/orders/"+url.PathEscape(id), nil, &o)
}

// openOrder handles POST /api/orders. It opens a payment for a new order, as a shop's backend does.
func (c *Console) openOrder(w http.ResponseWriter, r *http.Request) {
	var in struct {
		CaptureMethod string `json:"capture_method"`
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		Refuse(w, http.StatusBadRequest, "The body must be JSON.")
		return
	}
	id := "console-" + strings.ToLower(rand.Text()[:6])
	body := map[string]any{"order_id": id, "amount": 4200, "currency": "eur"}
	if in.CaptureMethod != "" {
		body["capture_method"] = in.CaptureMethod
	}
	if err := c.callKasse(r.Context(), http.MethodPost, "/v1/payments", body, nil); err != nil {
		c.fail(w, r, err)
		return
	}
	c.news.notify()
	WriteJSON(w, http.StatusCreated, map[string]string{"order_id": id})
}
