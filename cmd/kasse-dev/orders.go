package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// order is what a visitor buys: one kettle.
type order struct {
	ID       string `json:"order_id"`
	Amount   int    `json:"amount"` // minor units
	Currency string `json:"currency"`
	Email    string `json:"email,omitempty"` // of a customer who has signed in

	visitor, customer string
}

// prices are by the region that is delivered to. No price comes from a browser.
var prices = map[string]order{
	"eu": {Amount: 4200, Currency: "eur"},
	"us": {Amount: 4500, Currency: "usd"},
}

// Everybody who signs in is this customer.
const (
	shopperEmail = "ada@example.com"
	shopperName  = "Ada Lovelace"
)

// order returns the order of a visitor's cart, at the price of today.
func (s *shop) order(ctx context.Context, visitor string, price order, guest bool) (order, error) {
	s.mu.Lock() // through the calls too: two tabs must not make two orders, and in a toy the others can wait
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

// isOver reports whether the order needs no payment any more, or gets none. Kasse says that; what a page says
// counts for nothing.
func (s *shop) isOver(ctx context.Context, id string) bool {
	var seen struct {
		Closed  bool
		Payment struct{ State string }
	}
	status, err := askJSON(ctx, http.MethodGet, s.kasse+"/v1/orders/"+id, serviceKey, nil, &seen)
	if err != nil || status != http.StatusOK {
		return false // it is not opened yet
	}
	switch seen.Payment.State {
	case "", "pending", "action_required", "failed", "canceled":
		return seen.Closed
	}
	return true
}

// tokenFor mints an order token. The amount and the customer are in it, signed, since they are the shop's to say.
func (s *shop) tokenFor(ctx context.Context, o order) (string, error) {
	terms := map[string]any{"order_id": o.ID, "amount": o.Amount, "currency": o.Currency, "description": "One kettle"}
	if o.customer != "" {
		terms["customer"], terms["receipt_email"] = o.customer, o.Email
		terms["customer_session"] = map[string]any{"save": true, "save_usage": "off_session", "remove": true}
	}
	var minted struct{ Token string }
	status, err := askJSON(ctx, http.MethodPost, s.kasse+"/v1/order-tokens", serviceKey, terms, &minted)
	if err == nil && status != http.StatusCreated {
		err = fmt.Errorf("kasse answered %d", status)
	}
	return minted.Token, err
}

// customer returns the visitor's customer at Stripe, and makes one with a saved card where there is none. The
// caller holds the lock.
func (s *shop) customer(ctx context.Context, visitor string) (string, error) {
	if id := s.customers[visitor]; id != "" {
		return id, nil
	}
	owner, err := s.askStripe(ctx, "/v1/customers", url.Values{"email": {shopperEmail}, "name": {shopperName}})
	if err != nil {
		return "", err
	}
	card, err := s.askStripe(
		ctx, "/v1/payment_methods",
		url.Values{"type": {"card"}, "card[token]": {"tok_visa"}, "allow_redisplay": {"always"}},
	)
	if err != nil {
		return "", err
	}
	if _, err := s.askStripe(ctx, "/v1/payment_methods/"+card+"/attach", url.Values{"customer": {owner}}); err != nil {
		return "", err
	}
	s.customers[visitor] = owner
	return owner, nil
}

// askStripe returns the id of what was made.
func (s *shop) askStripe(ctx context.Context, path string, form url.Values) (id string, err error) {
	var made struct{ ID string }
	status, err := askForm(ctx, s.stripe+path, s.key, form, &made)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("stripe answered %d to %s", status, path)
	}
	return made.ID, err
}
