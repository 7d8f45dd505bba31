package service

import (
	"slices"
	"time"
)

// Result is how a payment that succeeded stands to its order.
type Result string

// The results of a success.
const (
	Won       Result = "won"       // the first of its order
	Duplicate Result = "duplicate" // the order was already won
)

// Standing is what a payment's view shows of its order. It lies in the payment's own record, so that a view is
// rendered from one place; whoever changes the order writes the order first, then this.
type Standing struct {
	Order         OrderID `json:"order"`
	Attempt       int     `json:"attempt"`
	Foreign       bool    `json:"foreign,omitempty"`        // names the order, and is none of its attempts
	Superseded    bool    `json:"superseded,omitempty"`     // another payment has taken its place
	Closed        bool    `json:"closed,omitempty"`         // the order was closed under it
	Noted         bool    `json:"noted,omitempty"`          // Stripe's metadata says that the order was closed
	Result        Result  `json:"result,omitempty"`         // set once the payment has succeeded
	Terms         *Terms  `json:"terms,omitempty"`          // the order's, frozen when it was won
	FulfillableAt int64   `json:"fulfillable_at,omitempty"` // Unix seconds, set once
}

// passedOver reports whether the order stands for another payment.
func (s Standing) passedOver() bool {
	return s.Foreign || s.Result == Duplicate || (s.Superseded && s.Result != Won)
}

// withdrawn reports whether the order no longer wants the payment.
func (s Standing) withdrawn() bool {
	return !s.Foreign && s.Result == "" && (s.Superseded || s.Closed)
}

// place takes over what the order says now; what the payment has come to stays.
func (s *Standing) place(now Standing) {
	s.Attempt, s.Foreign, s.Superseded, s.Closed = now.Attempt, now.Foreign, now.Superseded, now.Closed
}

// unwanted reports whether the payment has to be cancelled: the order no longer wants it, and it could still be paid.
func (p *Payment) unwanted() bool {
	if !p.Standing.withdrawn() || p.Record.Empty() {
		return false
	}
	state := stateOf(p.Record.Show().Snapshot, p.Record.Received)
	return state.payable() || state == Authorized
}

// unnoted reports whether Stripe has still to be told that the order was closed with this payment.
func (p *Payment) unnoted() bool {
	s := p.Standing
	return s.Closed && !s.Noted && !s.Superseded && !s.Foreign && s.Result == "" && p.canceled()
}

// claim makes the payment the order's winner if there is none yet. To claim again is a no-op, so that a crash between
// this and the payment's own write heals at the next delivery. An attempt that waits for Stripe's answer learns it here;
// a payment that is none of the order's attempts claims nothing. While Stripe is being asked to change the price, the one
// that was paid is the order's: who asks will be told that the customer was faster.
func (o *Order) claim(id PaymentID, attempt int, amount int64, now time.Time) {
	if o.Winner != "" {
		return
	}
	if o.attemptOf(id) == nil {
		if attempt > len(o.Attempts) || o.Attempts[attempt-1].Payment != "" {
			return
		}
		o.Attempts = slices.Clone(o.Attempts)
		o.answered(attempt, id)
	}
	if o.Proposed.Amount == amount || !o.Lease.held(now) {
		o.agree()
	}
	o.Proposed = Proposal{}
	o.Winner = id
}

// result says how a payment that succeeded stands; nothing where the order has no winner.
func (o *Order) result(id PaymentID) Result {
	switch o.Winner {
	case id:
		return Won
	case "":
		return ""
	}
	return Duplicate
}

// countFailures notes how often the customer has failed on a payment, and closes the order where it was too often: that
// is somebody testing cards. It reports whether that was new.
func (o *Order) countFailures(id PaymentID, failures, most int) bool {
	a := o.attemptOf(id)
	if a == nil || a.Failures >= failures {
		return false
	}
	a.Failures = failures
	if o.failures() > most && !o.frozen() {
		o.Closed = ClosedByFailures
	}
	return true
}
