package payment

import (
	"hash/fnv"
	"time"
)

// Listing is an order's place in the index of orders; zero: the order is in no index.
type Listing struct {
	Created  int64 // Unix milliseconds, when the order was first known
	Customer int64 // hash of the order's customer; zero or less: it is not found by one
}

// unlistedCustomer marks an order that is listed under no customer.
const unlistedCustomer = -1

// CustomerHash is the hash under which the orders of a customer are found, from 1 to 2^31-1; zero for
// none. Redis packs a number of that size in 5 bytes. Two customers may have the same.
func CustomerHash(id CustomerID) int64 {
	if id == "" {
		return 0
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(id))
	return max(int64(h.Sum32()&0x7fffffff), 1)
}

// OrderQuery asks for a page of orders, newest first. Zero members filter nothing.
type OrderQuery struct {
	Customer     CustomerID
	State        State     // of the order's current payment or winner
	CreatedAfter time.Time // first known later than that
	Limit        int       // orders at most
	After        string    // cursor of an earlier page
}

// ListedOrder is an order of a page, with its rendered views, nil where a payment has none.
type ListedOrder struct {
	ID       OrderID
	Closed   bool
	Current  ID // the current payment or the winner; empty where there is none
	Payments []ID
	Views    [][]byte // of the payments, in their order
}

// OrderPage is one page of orders. Next is the cursor of the page after it; empty at the end. A page
// that is not full may have a Next.
type OrderPage struct {
	Orders []ListedOrder
	Next   string
}

// PruneStep is the result of one step of the pass that removes expired orders from the index.
type PruneStep struct {
	Gone int           // orders that were removed
	Left int           // steps that are left of the pass, of all partitions together; zero: it has ended
	Wait time.Duration // until the next step, or the next pass
}

// list sets the order's entry in the index. An order is listed under the customer of its current payment, or
// of its terms while it has no payment. A former customer no longer finds it.
func (o *Order) list(c *Changes, now time.Time) {
	if o.Foreign != "" {
		return
	}
	switch {
	case !o.Rules.Index:
		o.Listed = Listing{}
	case o.Listed.Customer == unlistedCustomer:
	default:
		hash := o.Listed.Customer
		if customer, known := o.listedCustomer(); known {
			hash = CustomerHash(customer)
		}
		o.Listed = Listing{o.firstKnown(now), hash}
	}
	c.List = o.Listed
}

// listedCustomer returns the customer of the order's index entry, empty for a guest; false if the current
// payment is not loaded.
func (o *Order) listedCustomer() (CustomerID, bool) {
	id := o.Current()
	p, a := o.Loaded[id], o.Attempt(id)
	switch {
	case p != nil && !p.Record.Empty():
		return p.Record.Resolve().Customer, true
	case a == nil:
		return o.Terms.Customer, true
	case a.Version == 0:
		return a.Terms.Customer, true
	}
	return "", false
}

// clocksDiffer is how much earlier Stripe may have made a PaymentIntent than this program reserved
// it, by their clocks.
const clocksDiffer = time.Minute

// firstKnown returns when the order was first known, in Unix milliseconds. An order that was restored
// is as old as the oldest of its payments that was loaded.
func (o *Order) firstKnown(now time.Time) int64 {
	created := o.Listed.Created
	if created == 0 {
		created = now.UnixMilli()
		if len(o.Attempts) > 0 && o.Attempts[0].Reserved > 0 {
			created = o.Attempts[0].Reserved
		}
	}
	for _, p := range o.Loaded {
		if at := p.Record.Created * 1000; at > 0 && at < created-clocksDiffer.Milliseconds() {
			created = at
		}
	}
	return created
}

// CustomerUnlisted is a fact: the order is to be found by no customer any more.
type CustomerUnlisted struct{}

func (CustomerUnlisted) applyTo(o *Order, _ time.Time) {
	if o.Listed != (Listing{}) {
		o.Listed.Customer = unlistedCustomer
	}
}
