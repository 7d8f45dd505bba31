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
	Revision int64     `json:"-"`     // raised by every write; 0: never stored
	Terms    Terms     `json:"terms"` // those with the highest rev it has heard of; zero: none bind it
	Rev      int64     `json:"rev"`   // age of the terms, in Unix milliseconds
	Attempts []Attempt `json:"attempts,omitempty"`
	Winner   PaymentID `json:"winner,omitempty"`   // the first payment to succeed
	Closed   Closure   `json:"closed,omitempty"`   // why no further attempt is opened
	Forgiven int       `json:"forgiven,omitempty"` // failed attempts before the order was last reopened
	Proposed Proposal  `json:"proposed,omitzero"`
	Lease    Lease     `json:"lease,omitzero"`
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

// Attempt is one payment of an order. Its number is used up as soon as something was sent to Stripe under it.
type Attempt struct {
	Number   int              `json:"number"`
	Payment  PaymentID        `json:"payment,omitempty"` // none until Stripe has answered
	Terms    Terms            `json:"terms"`             // that the payment was opened with
	Session  *SessionFeatures `json:"session,omitempty"`
	Form     string           `json:"form,omitempty"`     // what is sent to Stripe, byte for byte, until its answer is known
	Reserved int64            `json:"reserved"`           // Unix milliseconds
	Tried    int64            `json:"tried,omitempty"`    // Unix milliseconds, when the form was last sent
	Unclear  bool             `json:"unclear,omitempty"`  // Stripe replays a failure: only a list can tell what was made
	Refused  bool             `json:"refused,omitempty"`  // there is no payment, and will be none
	Ended    bool             `json:"ended,omitempty"`    // the payment was cancelled, unpaid
	Failures int              `json:"failures,omitempty"` // failed attempts of the customer's on this payment
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

// reserve opens the next attempt on the order's terms, before Stripe is asked for it.
func (o *Order) reserve(a Attempt, now time.Time) {
	a.Number, a.Terms, a.Reserved = len(o.Attempts)+1, o.Terms, now.UnixMilli()
	o.Attempts = append(slices.Clone(o.Attempts), a)
}

// answered notes the payment that Stripe made for the attempt.
func (o *Order) answered(number int, id PaymentID) {
	a := &o.Attempts[number-1]
	a.Payment, a.Form = id, ""
}

// giveUp notes that there is no payment for the attempt. Its number stays used, since Stripe may remember the key.
func (o *Order) giveUp(number int) {
	a := &o.Attempts[number-1]
	a.Refused, a.Form = true, ""
}

// refuse notes that Stripe will not make the attempt; its terms bind nobody if they have led to nothing else.
func (o *Order) refuse(number int) {
	o.giveUp(number)
	if o.last() == nil && o.Terms == o.Attempts[number-1].Terms {
		o.Terms = Terms{}
	}
}

// agree makes a proposal the order's terms, unless it has heard of younger ones since.
func (o *Order) agree() {
	if o.Proposed.Rev > o.Rev && !o.frozen() {
		o.Terms.Amount, o.Rev = o.Proposed.Amount, o.Proposed.Rev
	}
	o.Proposed = Proposal{}
}

// frozen reports whether the order's terms stand for good.
func (o *Order) frozen() bool { return o.Winner != "" || o.Closed != "" }

// keyRevs is how precisely the moment of a service key's create is kept, so that repeats need not write.
const keyRevs = time.Second

// hear takes the terms that a create brings. A service key's are of this moment and must be the order's, if it has any;
// a token's count if they are younger, and its customer must be the order's afterwards.
func (o *Order) hear(r CreateRequest, now time.Time) error {
	bound := o.Terms != Terms{}
	switch {
	case r.Rev == 0 && bound && o.Terms != r.Terms:
		return orderConflict()
	case r.Rev == 0 && now.UnixMilli()-o.Rev >= keyRevs.Milliseconds():
		o.Terms, o.Rev = r.Terms, now.UnixMilli()
	case r.Rev == 0 && !bound:
		o.Terms = r.Terms
	case !o.frozen() && (r.Rev > o.Rev || (!bound && r.Rev == o.Rev)):
		o.Terms, o.Rev = r.Terms, r.Rev
	}
	if r.Terms.Customer != o.Terms.Customer || (o.Terms == Terms{}) {
		return orderConflict()
	}
	return nil
}

func orderConflict() *Error {
	return &Error{Code: CodeOrderConflict, Detail: "The order has other terms (amount, currency, customer, capture_method or setup_future_usage)."}
}

// admit says whether the order's payment, or the order itself, stands in the way of a create.
func (o *Order) admit(p Payment, r CreateRequest) error {
	view, err := p.stored()
	switch {
	case err != nil:
		return err
	case view.State.won():
		return &Error{Code: CodeOrderAlreadyPaid, Detail: "The order has been paid.", Payment: p.View}
	case view.State.inProgress():
		return &Error{Code: CodePaymentInProgress, Detail: "A payment of this order is on its way.", Payment: p.View}
	case r.Reopen || o.Closed == "":
		return nil
	case o.Closed == ClosedByFailures:
		return &Error{Code: CodeAttemptsExhausted, Detail: "Too many attempts to pay this order have failed; a service key may reopen it.", RetryAfter: time.Hour}
	}
	return &Error{Code: CodeOrderClosed, Detail: "The order was closed; a service key may reopen it."}
}

// fits reports whether a payment stands at the order's terms. What Stripe shows counts, not what we asked for. Only
// setup_future_usage counts as it was asked for, since the customer's page sets it too, when a method is to be saved.
func (a *Attempt) fits(t Terms, s Snapshot) bool {
	return s.Amount == t.Amount && a.fitsButForAmount(t, s)
}

func (a *Attempt) fitsButForAmount(t Terms, s Snapshot) bool {
	return s.Currency == t.Currency && s.Customer == t.Customer && s.CaptureMethod == t.CaptureMethod &&
		a.Terms.SetupFutureUsage == t.SetupFutureUsage
}

// failures counts the customer's failed attempts since the order was last reopened.
func (o *Order) failures() int {
	count := -o.Forgiven
	for _, a := range o.Attempts {
		count += a.Failures
	}
	return count
}

// reopen lets a closed order be paid again.
func (o *Order) reopen() {
	o.Closed = ""
	o.Forgiven += o.failures()
}

// outcomeKept is how long Stripe is sure to remember an idempotency key; it keeps them for a day.
//
// Source: https://docs.stripe.com/api/idempotent_requests
const outcomeKept = 23 * time.Hour

// unclear reports whether sending the form again can no longer tell what it made.
func (a *Attempt) unclear(now time.Time) bool {
	return a.Unclear || now.Sub(time.UnixMilli(a.Reserved)) > outcomeKept
}

// Free reports whether no attempt binds the order to its terms yet.
func (o *Order) Free() bool { return o.last() == nil }

// Ended reports whether all its payments were cancelled, and no attempt is under way.
func (o *Order) Ended() bool {
	running := func(a Attempt) bool { return !a.Refused && !a.Ended }
	return !o.Free() && !slices.ContainsFunc(o.Attempts, running)
}

// Origin is what our metadata on a PaymentIntent says of where it came from.
type Origin struct {
	Service string
	Order   OrderID
	Attempt int
	Rev     int64 // Unix milliseconds
	Closed  Closure
}

// maxAttempts bounds the number that a PaymentIntent may claim for itself, since a restored order has a place for each.
const maxAttempts = 1000

// OriginOf reads our own keys out of a PaymentIntent's metadata.
func OriginOf(metadata map[string]string) Origin {
	attempt, err := strconv.Atoi(metadata["kasse_attempt"])
	if err != nil || attempt > maxAttempts {
		attempt = 1
	}
	rev, _ := strconv.ParseInt(metadata["kasse_rev"], 10, 64)
	return Origin{
		Service: metadata["kasse_service"], Order: OrderID(metadata["kasse_order_id"]),
		Attempt: max(attempt, 1), Rev: rev, Closed: closureOf(metadata["kasse_closed"]),
	}
}

// closureOf reads why an order was closed; a word that we do not know closes it too.
func closureOf(text string) Closure {
	if text == "" || Closure(text) == ClosedByFailures {
		return Closure(text)
	}
	return ClosedByCancel
}

// standing returns what the order says of a PaymentIntent that claims to be one of its attempts. It is one if the
// order knows it, or if all that was asked for is as it says, and its create is under way or was given up: that one was
// never handed out. Anything else is foreign: recorded, and never attached.
func (o *Order) standing(id PaymentID, origin Origin, s Snapshot) Standing {
	standing := Standing{Order: o.ID, Attempt: origin.Attempt, Closed: o.Closed != ""}
	if a := o.attemptOf(id); a != nil {
		standing.Attempt = a.Number
	} else if origin.Attempt > len(o.Attempts) || !o.Attempts[origin.Attempt-1].expects(s) {
		return Standing{Order: o.ID, Attempt: origin.Attempt, Foreign: true}
	}
	last := o.last()
	standing.Superseded = last == nil || standing.Attempt < last.Number || (o.Winner != "" && o.Winner != id) || o.Attempts[standing.Attempt-1].Refused
	return standing
}

func (a *Attempt) expects(s Snapshot) bool {
	return a.Payment == "" && a.Terms.Amount == s.Amount && a.Terms.Currency == s.Currency && a.Terms.Customer == s.Customer
}

// rebuild fills the record of an order from its payments, which come by their attempts. Of those that claim to be the same
// attempt the first is it. The first to succeed has won; closed is the order whose last payment says so.
func (o *Order) rebuild(payments []Listed) {
	var first int64
	for _, p := range payments {
		origin := OriginOf(p.Metadata)
		if origin.Attempt <= len(o.Attempts) {
			continue
		}
		for number := len(o.Attempts) + 1; number < origin.Attempt; number++ {
			o.Attempts = append(o.Attempts, Attempt{Number: number, Refused: true})
		}
		o.Terms = Terms{
			Amount: p.Amount, Currency: p.Currency, Customer: p.Customer, CaptureMethod: p.CaptureMethod, SetupFutureUsage: p.SetupFutureUsage,
		}
		o.Rev, o.Closed = max(o.Rev, origin.Rev), origin.Closed
		o.Attempts = append(o.Attempts, Attempt{
			Number: origin.Attempt, Payment: p.ID, Terms: o.Terms, Ended: stateOf(p.Snapshot, p.AmountReceived) == CanceledState,
		})
		if p.Succeeded > 0 && (o.Winner == "" || p.Succeeded < first) {
			o.Winner, first = p.ID, p.Succeeded
		}
	}
}
