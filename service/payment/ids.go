package payment

import "strings"

// ID is a PaymentIntent's id, "pi_…".
type ID string

// OrderID is the shop's own name for what it sells.
type OrderID string

// CustomerID is a Stripe customer's id, "cus_…".
type CustomerID string

// Valid reports whether the id has the shape of a PaymentIntent's. Stripe's own ids are letters, digits and
// underscores; anything else in a path of theirs would reach another endpoint, and in a key of ours another slot.
func (id ID) Valid() bool { return stripeID(string(id), "pi_") }

// Valid reports whether the id has the shape of a Stripe customer's.
func (id CustomerID) Valid() bool { return stripeID(string(id), "cus_") }

func stripeID(id, prefix string) bool {
	rest, found := strings.CutPrefix(id, prefix)
	return found && ConsistsOf(rest, 1, 250, "_")
}

// Valid reports whether the id has the shape the contract gives to orders.
func (id OrderID) Valid() bool {
	return ConsistsOf(string(id), 1, 64, "._:-") && !strings.ContainsRune("._:-", rune(id[0]))
}

// ConsistsOf reports whether a text consists of ASCII letters, digits and the given other characters, within the
// length bounds. It runs for every request, where a regular expression would take longer than everything
// else.
func ConsistsOf(text string, least, most int, others string) bool {
	if len(text) < least || len(text) > most {
		return false
	}
	for i := range len(text) {
		c := text[i]
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && (c < '0' || c > '9') && strings.IndexByte(others, c) < 0 {
			return false
		}
	}
	return true
}
