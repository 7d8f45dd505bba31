package service

import (
	"slices"
	"strings"

	"kasse/service/payment"
)

// Scope is a right of a service key.
type Scope string

// The scopes of service keys.
const (
	ScopeRead   Scope = "read"
	ScopeWrite  Scope = "write"
	ScopeManage Scope = "manage"
	ScopeEvents Scope = "events"
)

// Scopes are all of them, in the order in which texts name them.
var Scopes = []Scope{ScopeRead, ScopeWrite, ScopeManage, ScopeEvents}

// JoinScopes returns the names of all scopes with a separator between them.
func JoinScopes(separator string) string {
	names := make([]string, len(Scopes))
	for i, scope := range Scopes {
		names[i] = string(scope)
	}
	return strings.Join(names, separator)
}

// Caller is the verified credential of a request: a service key, an order token, or the client secret of one payment.
type Caller struct {
	Key    string          // the service key's name; empty for others
	Scopes []Scope         // of the service key
	Order  payment.OrderID // of a verified order token
	Secret payment.Secret  // a client secret, not yet compared with the payment's

	// Of an order token. One with terms and without a customer is a guest's.
	Customer payment.CustomerID
	HasTerms bool                     // it names amount and currency; without them it only reads
	Session  *payment.SessionFeatures // the most that its page may have; nil: the token does not say

	Refused Refusal `json:"-"` // nil: nothing is counted
}

// Refusal is asked before a question about a payment that is missing, or not the caller's, is put on the queue of
// payments to restore. By names whose places of the queue the question takes. An error is the answer to the question
// instead of CodeNotFound, and nothing is queued.
type Refusal func() (by string, err error)

// May reports whether the caller's service key has the scope.
func (c Caller) May(scope Scope) bool { return c.Key != "" && slices.Contains(c.Scopes, scope) }

// owns reports whether the payment, or the order that it belongs to, is the credential's.
func (c Caller) owns(v payment.StoredView) bool {
	return c.Key != "" || (c.Order != "" && c.Order == v.Order) || c.Secret.Matches(v.SecretHash)
}

// seesAsSecret reports whether the caller holds an order token that sees what the holder of a client secret sees: the
// token only reads, and names no customer.
func (c Caller) seesAsSecret() bool { return c.Order != "" && !c.HasTerms && c.Customer == "" }

// isFor reports whether the credential is for a payment of this customer; empty: of a guest.
func (c Caller) isFor(customer payment.CustomerID) bool {
	return c.Order == "" || c.Customer == customer
}

// sees reports whether the caller may see a payment. Of a payment of another customer of its order a token learns
// nothing.
func (c Caller) sees(v payment.StoredView) bool {
	return c.owns(v) && (c.seesAsSecret() || c.Order == "" || c.isFor(payment.CustomerOf(v.View)))
}

// cut leaves of a payment that the caller may see the part that it may see.
func (c Caller) cut(v payment.StoredView) payment.StoredView {
	switch {
	case c.Secret != "", c.seesAsSecret():
		v.View = v.PublicJSON()
	case c.Order != "":
		v.View = payment.TokenPart(v.View)
	}
	return v
}

// part returns the part of an order's rendered view that the caller may see; nil where that is nothing.
func (c Caller) part(view []byte) []byte {
	switch {
	case view == nil:
		return nil
	case c.seesAsSecret():
		return payment.PublicPart(view)
	case c.Order != "" && c.isFor(payment.CustomerOf(view)):
		return payment.TokenPart(view)
	case c.Order == "":
		return view
	}
	return nil
}
