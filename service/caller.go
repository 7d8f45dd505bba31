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

// Valid reports whether the scope is one of Scopes.
func (s Scope) Valid() bool { return slices.Contains(Scopes, s) }

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
	Scopes []Scope         // scopes of the service key
	Order  payment.OrderID // order of a verified order token
	Secret payment.Secret  // a client secret, not yet compared with the payment's

	// Claims of an order token. A token with terms and without a customer is a guest's.
	Customer payment.CustomerID
	HasTerms bool                     // it has amount and currency; without them it only reads
	Session  *payment.SessionFeatures // the most that its page may have; nil: no claim

	Refused Refusal `json:"-"` // nil: refusals are not counted
}

// Refusal is called before a missing payment, or one that the caller may not see, is added to the restore
// queue. by identifies the caller for the queue's limit. An error replaces CodeNotFound, and nothing is
// queued.
type Refusal func() (by string, err error)

// May reports whether the caller's service key has the scope.
func (c Caller) May(scope Scope) bool { return c.Key != "" && slices.Contains(c.Scopes, scope) }

// owns reports whether the credential is for the payment or its order.
func (c Caller) owns(v payment.StoredView) bool {
	return c.Key != "" || (c.Order != "" && c.Order == v.Order) || c.Secret.Matches(v.SecretHash)
}

// seesAsSecret reports whether the caller has an order token that only reads and names no customer. It sees
// the same as a client secret.
func (c Caller) seesAsSecret() bool { return c.Order != "" && !c.HasTerms && c.Customer == "" }

// isFor reports whether the credential is for a payment of this customer; "" means a guest.
func (c Caller) isFor(customer payment.CustomerID) bool {
	return c.Order == "" || c.Customer == customer
}

// sees reports whether the caller may see a payment. A token learns nothing about a payment of another
// customer of its order.
func (c Caller) sees(v payment.StoredView) bool {
	return c.owns(v) && (c.seesAsSecret() || c.Order == "" || c.isFor(payment.CustomerOf(v.View)))
}

// cut removes the parts of a payment that the caller may not see.
func (c Caller) cut(v payment.StoredView) payment.StoredView {
	switch {
	case c.Secret != "", c.seesAsSecret():
		v.View = v.PublicJSON()
	case c.Order != "":
		v.View = payment.TokenPart(v.View)
	}
	return v
}

// part returns the part of an order's rendered view that the caller may see; nil if there is none.
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
