package service

import "regexp"

// PaymentID is a PaymentIntent's id, "pi_…".
type PaymentID string

// OrderID is the shop's own name for what it sells.
type OrderID string

// CustomerID is a Stripe customer's id, "cus_…".
type CustomerID string

// Stripe's own ids are letters, digits and underscores; anything else in a path of theirs would reach another
// endpoint, and in a key of ours another slot.
var (
	paymentID  = regexp.MustCompile(`^pi_[A-Za-z0-9_]{1,250}$`)
	orderID    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$`)
	customerID = regexp.MustCompile(`^cus_[A-Za-z0-9_]{1,250}$`)
)

// Valid reports whether the id has the shape of a PaymentIntent's.
func (id PaymentID) Valid() bool { return paymentID.MatchString(string(id)) }

// Valid reports whether the id has the shape the contract gives to orders.
func (id OrderID) Valid() bool { return orderID.MatchString(string(id)) }

// Valid reports whether the id has the shape of a Stripe customer's.
func (id CustomerID) Valid() bool { return customerID.MatchString(string(id)) }
