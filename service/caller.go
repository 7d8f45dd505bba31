package service

import "slices"

// Scope is a right of a service key.
type Scope string

// The scopes of service keys.
const (
	ScopeRead   Scope = "read"
	ScopeWrite  Scope = "write"
	ScopeManage Scope = "manage"
	ScopeEvents Scope = "events"
)

// Caller is who asks: the holder of a service key, or of one payment's client secret.
type Caller struct {
	Key    string  // the service key's name; empty for others
	Scopes []Scope // of the service key
	Secret Secret  // a client secret, not yet compared with the payment's
}

// May reports whether the caller's service key has the scope.
func (c Caller) May(scope Scope) bool { return c.Key != "" && slices.Contains(c.Scopes, scope) }

// sees reports whether the caller may see a payment whose client secret has the hash.
func (c Caller) sees(secretHash string) bool { return c.Key != "" || c.Secret.matches(secretHash) }
