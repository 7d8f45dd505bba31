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

// payment is what the console reads of Kasse's status view.
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
	Amount           int64      `json:"amount"` // minor units, as the three that follow
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
	Status string `json:"status"` // a review has none
}

type method struct {
	Type  string `json:"type"`
	Brand string `json:"brand"`
	Last4 string `json:"last4"`
}

// order is an order with its current payment, which is nil before one is opened, and the earlier ones.
type order struct {
	ID      string    `json:"order_id"`
	Closed  bool      `json:"closed"`
	Payment *payment  `json:"payment"`
	Earlier []payment `json:"superseded"`
}

// payments are all payments of the order, the oldest first.
func (o order) payments() []payment {
	all := o.Earlier
	if o.Payment != nil {
		all = append(all, *o.Payment)
	}
	return all
}

// listOrders answers GET /api/orders with the newest orders.
func (c *Console) listOrders(w http.ResponseWriter, r *http.Request) {
	var page struct {
		Orders []order `json:"orders"`
	}
	if err := c.askKasse(r.Context(), http.MethodGet, "/v1/orders?limit=50", nil, &page); err != nil {
		c.fail(w, r, err)
		return
	}
	answer(w, http.StatusOK, page)
}

// shownOrder is the answer of GET /api/orders/{order}.
type shownOrder struct {
	order
	Actions  []string `json:"actions"`  // those that can be done now
	Timeline []row    `json:"timeline"` // the oldest first
}

// showOrder answers GET /api/orders/{order}.
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
	answer(w, http.StatusOK, shown)
}

func (c *Console) order(ctx context.Context, id string) (o order, err error) {
	return o, c.askKasse(ctx, http.MethodGet, "/v1/orders/"+url.PathEscape(id), nil, &o)
}

// openOrder answers POST /api/orders: it opens a payment for a new order, as a shop's backend does.
func (c *Console) openOrder(w http.ResponseWriter, r *http.Request) {
	var in struct {
		CaptureMethod string `json:"capture_method"`
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		refuse(w, http.StatusBadRequest, "The body must be JSON.")
		return
	}
	id := "console-" + strings.ToLower(rand.Text()[:6])
	body := map[string]any{"order_id": id, "amount": 4200, "currency": "eur"}
	if in.CaptureMethod != "" {
		body["capture_method"] = in.CaptureMethod
	}
	if err := c.askKasse(r.Context(), http.MethodPost, "/v1/payments", body, nil); err != nil {
		c.fail(w, r, err)
		return
	}
	c.news.note()
	answer(w, http.StatusCreated, map[string]string{"order_id": id})
}
