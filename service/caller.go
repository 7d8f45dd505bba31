package service

import (
	"slices"

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

// Caller is the verified credential of a request: a service key, an order token, or the client secret of one payment.
type Caller struct {
	Key    string          // the service key's name; empty for others
	Scopes []Scope         // of the service key
	Order  payment.OrderID // of a verified order token
	Secret payment.Secret  // a client secret, not yet compared with the payment's
}

// May reports whether the caller's service key has the scope.
func (c Caller) May(scope Scope) bool { return c.Key != "" && slices.Contains(c.Scopes, scope) }

// sees reports whether the caller may see a payment.
func (c Caller) sees(v payment.StoredView) bool {
	return c.Key != "" || (c.Order != "" && c.Order == v.Order) || c.Secret.Matches(v.SecretHash)
}
