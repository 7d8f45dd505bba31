package payment

import "time"

// Changes is what a fact changed visibly, and the work that follows from it. All of it is written together.
type Changes struct {
	Now       time.Time      // by Redis's clock, of the fact
	Within    time.Duration  // since Now that the change may be written, else it is a conflict; zero: always
	Needs     []ID           // payments that have to be loaded before the fact can be applied; nothing else is set then
	Views     []RenderedView // of the payments that look different now, oldest attempt first
	Events    []Announcement // for backends, in their order
	Reads     []Due          // payments to read at Stripe, or to cancel there; zero: no longer
	Sweeps    []Due          // payments that Stripe is asked about unless they change before
	Attention time.Time      // when a worker has to look at the order itself; zero: never
	Pointers  []Pointer      // that lead from a payment to the order, to be written
	Expires   time.Duration  // after which the order may be forgotten; zero: never
	Unlist    Listing        // the order's place in the index so far
	List      Listing        // and from now on

	NoAttention bool // neither before nor after the change does a worker have to look at the order itself
	NoExpiry    bool // neither before nor after the change may the order be forgotten
}

// RenderedView is a view that has changed.
type RenderedView struct {
	Payment    ID
	JSON       []byte
	Version    int64
	SecretHash string
	From, To   State // From is empty at the first view

	Contradictory bool // Stripe showed the payment both succeeded and canceled
}

// Announcement is a transition for backends. Its data is the view.
type Announcement struct {
	ID       string // <payment>.<version>
	Type     string // order.<state>, superseded.<state>, …
	Data     []byte
	Restored bool // it may have been announced before a loss
}

// Due is a payment with the moment at which something is to be done about it; zero: nothing.
type Due struct {
	Payment ID
	At      time.Time
}

// Pointer leads from a payment to its order, until a moment.
type Pointer struct {
	Payment ID
	Until   time.Time
}
