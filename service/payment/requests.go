package payment

import (
	"crypto/sha256"
	"encoding/hex"
)

// CreateRequest is an order to be paid, as a backend or a token that a backend signed asks for it.
type CreateRequest struct {
	Order                     OrderID
	Terms                     Terms
	Rev                       int64 // age of a token's terms, Unix milliseconds; zero: a service key's, of this moment
	Description               string
	ReceiptEmail              string
	StatementDescriptorSuffix string
	Metadata                  map[string]string
	Shipping                  *Shipping
	MethodConfiguration       string // "pmc_…"; empty: the account's default
	Session                   SessionFeatures
	Unclaimed                 bool             // a token without the claim customer_session: see SessionFor
	Asked                     *SessionFeatures // the page's request with such a token
	Reopen                    bool             // a service key opens a closed order again
}

// Shipping is the delivery address, with Stripe's members.
//
// Source: https://docs.stripe.com/api/payment_intents/create#create_payment_intent-shipping
type Shipping struct {
	Name           string
	Address        Address
	Carrier        string
	Phone          string
	TrackingNumber string
}

// Address is a postal address, in Stripe's members.
type Address struct {
	Line1, Line2, City, State, PostalCode string
	Country                               string // ISO 3166-1 alpha-2
}

// RefundRequest is a backend's call to give money back.
type RefundRequest struct {
	Payment ID
	Caller  string // the service key's name
	Key     string // the caller's idempotency key
	Amount  *int64 // minor units; nil: all that is left
	Reason  string // one of Stripe's, or none
}

// Name identifies the call here and at Stripe: hex SHA-256 of key name, payment and the caller's key, so that the
// caller's key itself is stored nowhere.
func (r RefundRequest) Name() string {
	sum := sha256.Sum256([]byte(r.Caller + "\x00" + string(r.Payment) + "\x00" + r.Key))
	return hex.EncodeToString(sum[:])
}

// RequestedAmount is the amount that the caller names, in minor units; zero: all that is left.
func (r RefundRequest) RequestedAmount() int64 {
	if r.Amount == nil {
		return 0
	}
	return *r.Amount
}
