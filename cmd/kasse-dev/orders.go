package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// order is a visitor's purchase: one kettle.
type order struct {
	ID       string `json:"order_id"`
	Amount   int    `json:"amount"` // minor units
	Currency string `json:"currency"`
	Email    string `json:"email,omitempty"` // empty for a guest

	visitor, customer string
}

// prices by delivery region. A price never comes from a browser.
var prices = map[string]order{
	"eu": {Amount: 4200, Currency: "eur"},
	"us": {Amount: 4500, Currency: "usd"},
}

// Customer data of every signed-in visitor.
const (
	shopperEmail = "ada@example.com"
	shopperName  = "Ada Lovelace"
)

// order returns the order of a visitor's cart, at the current price.
func (s *shop) order(ctx context.Context, visitor string, price order, guest bool) (order, error) {
	// Held during the calls, so that two tabs cannot make two orders; other visitors may wait in this
	// example.
	s.mu.Lock()
	defer s.mu.Unlock()
	o := price
	o.visitor, o.ID = visitor, s.carts[visitor]
	if o.ID == "" || s.isOver(ctx, o.ID) {
		o.ID = "shop-" + strings.ToLower(rand.Text()[:10])
	}
	if !guest {
		customer, err := s.customer(ctx, visitor)
		if err != nil {
			return order{}, err
		}
		o.customer, o.Email = customer, shopperEmail
	}
	s.orders[o.ID], s.carts[visitor] = &o, o.ID
	return o, nil
}

func (s *shop) find(id, visitor string) (order, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.orders[id]
	if o == nil || o.visitor != visitor {
		return order{}, false
	}
	return *o, true
}

// isOver reports whether the order is paid or closed. Kasse decides that, never the page.
func (s *shop) isOver(ctx context.Context, id string) bool {
	var seen struct {
		Closed  bool
		Payment struct{ State string }
	}
	status, err := callJSON(ctx, http.MethodGet, s.kasse+"/v1/orders/"+id, serviceKey, nil, &seen)
	if err != nil || status != http.StatusOK {
		return false // not opened yet
	}
	switch seen.Payment.State {
	case "", "pending", "action_required", "failed", "canceled":
		return seen.Closed
	}
	return true
}

// tokenFor mints an order token. It contains the signed amount and customer, which only the shop may set.
func (s *shop) tokenFor(ctx context.Context, o order) (string, error) {
	terms := map[string]any{"order_id": o.ID, "amount": o.Amount, "currency": o.Currency, "description": "One kettle"}
	if o.customer != "" {
		terms["customer"], terms["receipt_email"] = o.customer, o.Email
		terms["customer_session"] = map[string]any{"save": true, "save_usage": "off_session", "remove": true}
	}
	var minted struct{ Token string }
	status, err := callJSON(ctx, http.MethodPost, s.kasse+"/v1/order-tokens", serviceKey, terms, &minted)
	if err == nil && status != http.StatusCreated {
		err = fmt.Errorf("kasse answered %d", status)
	}
	return minted.Token, err
}

// customer returns the visitor's customer at Stripe. It creates one with a saved card if there is none. The
// caller holds the lock.
func (s *shop) customer(ctx context.Context, visitor string) (string, error) {
	if id := s.customers[visitor]; id != "" {
		return id, nil
	}
	owner, err := s.createAtStripe(ctx, "/v1/customers", url.Values{"email": {shopperEmail}, "name": {shopperName}})
	if err != nil {
		return "", err
	}
	card, err := s.createAtStripe(
		ctx, "/v1/payment_methods",
		url.Values{"type": {"card"}, "card[token]": {"tok_visa"}, "allow_redisplay": {"always"}},
	)
	if err != nil {
		return "", err
	}
	attach := "/v1/payment_methods/" + card + "/attach"
	if _, err := s.createAtStripe(ctx, attach, url.Values{"customer": {owner}}); err != nil {
		return "", err
	}
	s.customers[visitor] = owner
	return owner, nil
}

// createAtStripe posts a form and returns the new object's id.
func (s *shop) createAtStripe(ctx context.Context, path string, form url.Values) (id string, err error) {
	var made struct{ ID string }
	status, err := postForm(ctx, s.stripe+path, s.key, form, &made)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("stripe answered %d to %s", status, path)
	}
	return made.ID, err
}
