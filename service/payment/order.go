package payment

import (
	"slices"
	"time"
)

// Order is one order with all its payments: the unit that is loaded, changed and saved as a whole. Apply is the
// only way to change one.
type Order struct {
	ID       OrderID         `json:"-"`
	Foreign  ID              `json:"-"` // set: a payment that names the order and is none of its attempts, kept apart
	Revision string          `json:"-"` // of the stored order; empty: never stored
	Raw      []byte          `json:"-"` // as it was loaded; the store's
	Loaded   map[ID]*Payment `json:"-"` // the payments that were loaded; one without an entry is unknown, not empty
	Blocks   []Block         `json:"-"` // of earlier attempts, as they were loaded; the store's
	Rules    Rules           `json:"-"`

	Terms    Terms     `json:"terms"` // those with the highest rev; zero: none bind the order
	Rev      int64     `json:"rev"`   // age of the terms, in Unix milliseconds
	Attempts []Attempt `json:"attempts,omitempty"`
	Winner   ID        `json:"winner,omitempty"` // the first payment to succeed
	Closed   Closure   `json:"closed,omitempty"` // why no further attempt is opened
	Proposed Proposal  `json:"proposed,omitzero"`
	Lease    Lease     `json:"lease,omitzero"`

	// the highest attempt number when the order was closed
	KnownAtClosing int `json:"known_at_closing,omitempty"`
	// the highest attempt number when the order was last reopened
	Reopened      int   `json:"reopened,omitempty"`
	FulfillableAt int64 `json:"fulfillable_at,omitempty"` // Unix seconds, set once
	Version       int64 `json:"version,omitempty"`        // of the newest view of any payment
	LastWord      Word  `json:"last_word,omitzero"`
	Forgotten     int   `json:"forgotten,omitempty"` // the highest attempt without personal data

	Listed Listing `json:"listed,omitzero"`

	ForeignIDs   []ID `json:"foreign,omitempty"`       // payments that name the order and are none of its attempts
	ForeignCount int  `json:"foreign_count,omitempty"` // how many there were in all

	Added Added `json:"-"` // by a newer program

	pass pass
}

// pass is what one Apply collects. It is never stored.
type pass struct {
	cause      string
	by         *Actor
	restored   bool         // the events may have been announced before a loss
	expired    bool         // the order was taken by retention: it has been announced as paid
	succeeded  map[ID]int64 // Unix seconds, when restored payments succeeded, where it is known
	needs      []ID         // payments that have to be loaded first
	wantReads  []ID         // payments that Stripe has to be asked about, loaded or not
	noPointer  bool         // the pointer of the payment in question is missing
	announceID ID           // the payment that the fact is about
	fulfilled  bool         // the order could be fulfilled before
}

// Rules are the settings that decide about orders.
type Rules struct {
	MaxFailures     int           // failed attempts of an order; past it the order is closed
	AbandonAfter    time.Duration // an unpaid payment unchanged that long is cancelled; zero: none is
	Retention       time.Duration // of a finished order
	LowestRetention time.Duration // that was ever in use
	Verification    Verification  // of successes that webhooks bring
	Index           bool          // orders are kept in the index behind GET /v1/orders
}

// Ref names an aggregate: an order, or a foreign payment that names one.
type Ref struct {
	Order   OrderID
	Foreign ID
}

// Ref returns the name of the aggregate.
func (o *Order) Ref() Ref { return Ref{o.ID, o.Foreign} }

// Word is the last order.* event of an order, as far as it can be compared with the order.
type Word struct {
	Payment     ID    `json:"payment,omitempty"`
	State       State `json:"state,omitempty"`
	Fulfillable bool  `json:"fulfillable,omitempty"`
}

// Proposal is an amount that Stripe is being asked to set on the order's payment.
type Proposal struct {
	Amount int64 `json:"amount,omitempty"` // minor units
	Rev    int64 `json:"rev,omitempty"`    // Unix milliseconds
}

// Closure is why an order takes no further attempt, unless a service key reopens it.
type Closure string

// The reasons to close an order.
const (
	ClosedByCancel   Closure = "canceled"
	ClosedByFailures Closure = "attempts_exhausted"
)

// Lease is the right to change an order at Stripe, for as long as one call may take.
type Lease struct {
	Owner string `json:"owner,omitempty"`
	Taken int64  `json:"taken,omitempty"` // Unix milliseconds by Redis's clock
	Until int64  `json:"until,omitempty"` // Unix milliseconds by Redis's clock
}

// Held reports whether the lease is valid. It is not if Redis's clock has gone back behind the start of the
// lease. Otherwise a dead process would lock the order for as long as the clock went back.
func (l Lease) Held(now time.Time) bool {
	return l.Owner != "" && l.Taken <= now.UnixMilli() && now.UnixMilli() < l.Until
}

// HeldByOther reports whether another owner has the lease.
func (l Lease) HeldByOther(owner string, now time.Time) bool { return l.Held(now) && l.Owner != owner }

// Stored reports whether the order has ever been saved.
func (o *Order) Stored() bool { return o.Revision != "" }

// Current returns the order's winner, or else its newest payment; empty if there is none.
func (o *Order) Current() ID {
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
func (o *Order) Payments() []ID {
	var ids []ID
	for _, a := range o.Attempts {
		if a.Payment != "" {
			ids = append(ids, a.Payment)
		}
	}
	return ids
}

// Attempt returns the payment's attempt; nil if it is not one of the order's.
func (o *Order) Attempt(id ID) *Attempt {
	if id == "" {
		return nil
	}
	for i := range o.Attempts {
		if o.Attempts[i].Payment == id {
			return &o.Attempts[i]
		}
	}
	return nil
}

// attemptNumber returns the attempt of that number; nil where there is none.
func (o *Order) attemptNumber(number int) *Attempt {
	if number < 1 || number > len(o.Attempts) {
		return nil
	}
	return &o.Attempts[number-1]
}

// last returns the newest attempt that was not refused; nil where there is none.
func (o *Order) last() *Attempt {
	for i := range slices.Backward(o.Attempts) {
		if !o.Attempts[i].Refused {
			return &o.Attempts[i]
		}
	}
	return nil
}

// hasUnknownAttempt reports whether the order has an attempt number of which nothing is known.
func (o *Order) hasUnknownAttempt() bool {
	for i := range o.Attempts { // a row is large, and there may be many
		if o.Attempts[i].Unknown {
			return true
		}
	}
	return false
}

// Frozen reports whether the order's terms stand for good.
func (o *Order) Frozen() bool { return o.Winner != "" || o.Closed != "" }

// unbound reports whether no attempt binds the order to its terms yet.
func (o *Order) unbound() bool { return o.last() == nil }

// allCanceled reports whether all payments of the order were cancelled and no attempt is under way.
func (o *Order) allCanceled() bool {
	for i := range o.Attempts {
		if a := &o.Attempts[i]; !a.Refused && a.State != CanceledState {
			return false
		}
	}
	return !o.unbound()
}

// failures counts the customer's failed attempts since the order was last reopened. Failures of an earlier attempt
// are not counted, also if their events come later.
func (o *Order) failures() int {
	count := 0
	for i := range o.Attempts {
		if a := &o.Attempts[i]; a.Number > o.Reopened {
			count += a.Failures
		}
	}
	return count
}

// close lets no further attempt be opened.
func (o *Order) close(why Closure) {
	o.Closed, o.KnownAtClosing = why, len(o.Attempts)
}

// reopen lets a closed order be paid again.
func (o *Order) reopen() {
	if o.Closed == "" {
		return
	}
	o.Closed, o.KnownAtClosing, o.Reopened = "", 0, len(o.Attempts)
}

// clone returns a copy that Apply may change.
func (o Order) clone() Order {
	o.Attempts = slices.Clone(o.Attempts)
	loaded := make(map[ID]*Payment, len(o.Loaded)+1)
	for id, p := range o.Loaded {
		own := *p
		loaded[id] = &own
	}
	o.Loaded = loaded
	o.pass = pass{noPointer: o.pass.noPointer}
	return o
}

// WithoutPointer notes that no pointer leads from the payment to the order, so that the next save writes one.
func (o *Order) WithoutPointer() { o.pass.noPointer = true }
