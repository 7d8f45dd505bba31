package payment

import "time"

// StepKind names what a create does next.
type StepKind int

// The steps of a create.
const (
	StepWait     StepKind = iota // another call is changing the order
	StepRefuse                   // the create is refused, with Err
	StepSave                     // Fact is saved, then the order is looked at again
	StepList                     // an attempt is unknown: Stripe's list shows whether there is one
	StepResend                   // Attempt was sent and has no known answer: its form is sent again
	StepSearch                   // Attempt has no known answer, and only Stripe's list can show it
	StepOpen                     // the next attempt is reserved and sent
	StepWithdraw                 // Payment makes way for the next attempt: it is cancelled first
	StepHandOut                  // Payment is read, and handed out if it is open at the order's terms
)

// Step is what a create does next. Fact is saved with the step's own facts.
type Step struct {
	Kind    StepKind
	Err     error
	Fact    Fact
	Attempt Attempt
	Payment ID
}

// NextStep decides what a create does next with the current order. owner is the create's name in a lease.
func (o *Order) NextStep(r CreateRequest, owner string, now time.Time) Step {
	if o.Lease.HeldByOther(owner, now) {
		return Step{Kind: StepWait}
	}
	updated, refusal := *o, o.CheckCreate(r)
	updated.acceptProposal() // its process has died, or does not know Stripe's response
	conflict := updated.applyTerms(r, refusal == nil, now)
	news := conflict == nil && (updated.Terms != o.Terms || updated.Rev != o.Rev)
	var terms Fact
	if news || o.Proposed != (Proposal{}) {
		terms = All{ProposalSettled{}, TermsSet{updated.Terms, updated.Rev}}
	}
	current, last := o.Attempt(o.Current()), o.last()
	switch {
	case refusal != nil && news && !o.Frozen(): // an obstacle for the payment is none for the terms
		return Step{Kind: StepSave, Fact: terms}
	case refusal != nil && r.Rev != 0 && conflict != nil: // the token's customer has no part in the order
		return Step{Kind: StepRefuse, Err: conflict}
	case refusal != nil:
		return Step{Kind: StepRefuse, Err: refusal}
	case conflict != nil:
		return Step{Kind: StepRefuse, Err: conflict}
	case o.Winner != "":
		return Step{Kind: StepHandOut, Payment: o.Winner}
	case o.hasUnknownAttempt():
		return Step{Kind: StepList, Fact: terms}
	case last != nil && last.pending() && last.needsSearch(now):
		return Step{Kind: StepSearch, Attempt: *last, Fact: terms}
	case last != nil && last.pending():
		return Step{Kind: StepResend, Attempt: *last, Fact: terms}
	case last == nil, current.State == CanceledState:
		return Step{Kind: StepOpen, Fact: terms}
	case o.Closed != "", current.Superseded, r.Reopen && updated.Terms != o.Terms:
		return Step{Kind: StepWithdraw, Payment: current.Payment, Fact: terms}
	case news:
		return Step{Kind: StepSave, Fact: terms}
	}
	return Step{Kind: StepHandOut, Payment: current.Payment}
}

// CheckCreate returns an error if the order or its payment does not allow the create.
func (o *Order) CheckCreate(r CreateRequest) error {
	id := o.Current()
	var state State
	if a := o.Attempt(id); a != nil {
		state = a.State
	}
	switch {
	case state.Won():
		return &Error{Code: CodeOrderAlreadyPaid, Detail: "The order has been paid.", Payment: o.renderFor(r, id)}
	case state.InFlight():
		return &Error{
			Code: CodePaymentInProgress, Detail: "A payment of this order is in progress.", Payment: o.renderFor(r, id),
		}
	case r.Reopen || o.Closed == "":
		return nil
	case o.Closed == ClosedByFailures:
		return &Error{
			Code:       CodeAttemptsExhausted,
			Detail:     "Too many attempts to pay this order have failed; a service key may reopen it.",
			RetryAfter: time.Hour,
		}
	}
	return &Error{Code: CodeOrderClosed, Detail: "The order was closed; a service key may reopen it."}
}

// renderFor renders the payment for the error of a create; nil if the create is a token's and the payment
// another customer's.
func (o *Order) renderFor(r CreateRequest, id ID) []byte {
	view := o.Render(id)
	switch {
	case r.Rev == 0:
		return view
	case CustomerOf(view) != r.Terms.Customer:
		return nil
	}
	return TokenPart(view)
}

// AfterRead decides what a create does with a payment that was just read. It returns the payment if it has
// the order's terms. Otherwise it sets the amount if that suffices and Stripe accepts it, or withdraws the
// payment.
func (o *Order) AfterRead(id ID) (fits, setAmount bool) {
	a, p := o.Attempt(id), o.Loaded[id]
	if a == nil || p == nil || p.Record.Empty() {
		return false, false
	}
	shown := p.Record.Resolve().Snapshot
	if a.matchesTerms(o.Terms, shown) {
		return true, false
	}
	return false, shown.Status == RequiresPaymentMethod && a.matchesButForAmount(o.Terms, shown)
}
