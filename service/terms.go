package service

import (
	"slices"
	"strconv"
	"time"
)

// Terms are what an order costs and for whom. Other fields of a repeated create are ignored.
type Terms struct {
	Amount           int64         `json:"amount"` // minor units
	Currency         string        `json:"currency"`
	Customer         CustomerID    `json:"customer,omitempty"`
	CaptureMethod    CaptureMethod `json:"capture_method,omitempty"`
	SetupFutureUsage string        `json:"setup_future_usage,omitempty"`
}

// Order is what is kept of one order: its terms, its attempts to be paid, who won.
type Order struct {
	ID       OrderID   `json:"-"`
	Revision int64     `json:"-"` // raised by every write; 0: never stored
	Terms    Terms     `json:"terms"`
	Rev      int64     `json:"rev"` // age of the terms, in Unix milliseconds
	Attempts []Attempt `json:"attempts,omitempty"`
	Winner   PaymentID `json:"winner,omitempty"` // the first payment to succeed
	Closed   string    `json:"closed,omitempty"` // why no further attempt is opened
	Lease    Lease     `json:"lease,omitzero"`
}

// Attempt is one payment of an order. Its number is used up as soon as something was sent to Stripe under it.
type Attempt struct {
	Number   int              `json:"number"`
	Payment  PaymentID        `json:"payment,omitempty"` // none until Stripe has answered
	Terms    Terms            `json:"terms"`
	Session  *SessionFeatures `json:"session,omitempty"`
	Form     string           `json:"form,omitempty"`    // what is sent to Stripe, byte for byte, until its answer is known
	Reserved int64            `json:"reserved"`          // Unix milliseconds
	Refused  bool             `json:"refused,omitempty"` // Stripe refused the form: there is no payment
}

// Lease is the right to change an order, for as long as one call to Stripe may take.
type Lease struct {
	Owner string `json:"owner,omitempty"`
	Until int64  `json:"until,omitempty"` // Unix milliseconds by Redis's clock
}

func (l Lease) held(now time.Time) bool { return l.Owner != "" && now.UnixMilli() < l.Until }

// last returns the newest attempt that was not refused, nil where there is none.
func (o *Order) last() *Attempt {
	for i := range slices.Backward(o.Attempts) {
		if !o.Attempts[i].Refused {
			return &o.Attempts[i]
		}
	}
	return nil
}

// Current returns the payment that the order stands for: its winner, or else its newest.
func (o *Order) Current() PaymentID {
	if o.Winner != "" {
		return o.Winner
	}
	for _, a := range slices.Backward(o.Attempts) {
		if a.Payment != "" {
			return a.Payment
		}
	}
	return ""
}

// Payments returns the order's payments, oldest first.
func (o *Order) Payments() []PaymentID {
	var ids []PaymentID
	for _, a := range o.Attempts {
		if a.Payment != "" {
			ids = append(ids, a.Payment)
		}
	}
	return ids
}

// attemptOf returns the attempt that the payment is, nil where it is none of the order's.
func (o *Order) attemptOf(id PaymentID) *Attempt {
	for i := range o.Attempts {
		if o.Attempts[i].Payment == id {
			return &o.Attempts[i]
		}
	}
	return nil
}

// reserve opens the next attempt, before Stripe is asked for it.
func (o *Order) reserve(a Attempt, rev int64, now time.Time) {
	a.Number, a.Reserved = len(o.Attempts)+1, now.UnixMilli()
	o.Terms, o.Rev = a.Terms, rev
	o.Attempts = append(o.Attempts, a)
}

// answered notes the payment that Stripe made for the attempt, and lets the order go.
func (o *Order) answered(number int, id PaymentID) {
	a := &o.Attempts[number-1]
	a.Payment, a.Form = id, ""
	o.Lease = Lease{}
}

// refuse notes that Stripe will not make the attempt. Its number stays used, since Stripe may remember the key; its
// terms bind nobody.
func (o *Order) refuse(number int) {
	a := &o.Attempts[number-1]
	a.Refused, a.Form = true, ""
	o.Lease = Lease{}
	if o.last() == nil {
		o.Terms = Terms{}
	}
}

// Free reports whether no attempt binds the order to its terms yet.
func (o *Order) Free() bool { return o.last() == nil }

// Origin is what our metadata on a PaymentIntent says of where it came from.
type Origin struct {
	Service string
	Order   OrderID
	Attempt int
	Rev     int64 // Unix milliseconds
}

// OriginOf reads our own keys out of a PaymentIntent's metadata.
func OriginOf(metadata map[string]string) Origin {
	attempt, _ := strconv.Atoi(metadata["kasse_attempt"])
	rev, _ := strconv.ParseInt(metadata["kasse_rev"], 10, 64)
	return Origin{
		Service: metadata["kasse_service"], Order: OrderID(metadata["kasse_order_id"]),
		Attempt: max(attempt, 1), Rev: rev,
	}
}

// standing returns what the order says of a PaymentIntent that claims to be one of its attempts. It is one if the
// order knows it, or if its create is still under way and all that was asked for is as it says. Anything else is
// foreign: recorded, and never attached.
func (o *Order) standing(id PaymentID, origin Origin, s Snapshot) Standing {
	if a := o.attemptOf(id); a != nil {
		return Standing{Order: o.ID, Attempt: a.Number, Superseded: a.Number < o.last().Number}
	}
	foreign := origin.Attempt > len(o.Attempts) || !o.Attempts[origin.Attempt-1].expects(s)
	return Standing{Order: o.ID, Attempt: origin.Attempt, Foreign: foreign}
}

func (a *Attempt) expects(s Snapshot) bool {
	return a.Payment == "" && !a.Refused && a.Terms.Amount == s.Amount && a.Terms.Currency == s.Currency && a.Terms.Customer == s.Customer
}

// restore fills the record of an order that is known only from one of its payments.
func (o *Order) restore(id PaymentID, origin Origin, s Snapshot) {
	o.Terms = Terms{Amount: s.Amount, Currency: s.Currency, Customer: s.Customer, CaptureMethod: s.CaptureMethod, SetupFutureUsage: s.SetupFutureUsage}
	o.Rev = origin.Rev
	for number := 1; number < origin.Attempt; number++ {
		o.Attempts = append(o.Attempts, Attempt{Number: number, Refused: true})
	}
	o.Attempts = append(o.Attempts, Attempt{Number: origin.Attempt, Payment: id, Terms: o.Terms})
}
