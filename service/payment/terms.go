package payment

import "time"

// Terms are an order's amount, currency, customer and way of payment. Other fields of a repeated create are
// ignored.
type Terms struct {
	Amount           int64         `json:"amount"` // minor units
	Currency         string        `json:"currency"`
	Customer         CustomerID    `json:"customer,omitempty"`
	CaptureMethod    CaptureMethod `json:"capture_method,omitempty"`
	SetupFutureUsage string        `json:"setup_future_usage,omitempty"`
}

// Terms returns the terms that the PaymentIntent shows.
func (s Snapshot) Terms() Terms {
	return Terms{
		Amount: s.Amount, Currency: s.Currency, Customer: s.Customer, CaptureMethod: s.CaptureMethod,
		SetupFutureUsage: s.SetupFutureUsage,
	}
}

// keyRevs is how precisely the moment of a service key's create is kept, so that repeats need not write.
const keyRevs = time.Second

// applyTerms applies the terms of a create. Terms of a service key are of this moment and must equal the order's,
// if it has any, unless the create may reopen the order. Terms of a token win only if they are newer; the token's
// customer must match the result.
func (o *Order) applyTerms(r CreateRequest, mayReopen bool, now time.Time) error {
	bound := o.Terms != Terms{}
	switch {
	case r.Rev == 0 && r.Reopen && mayReopen && o.Winner == "" && o.Terms != r.Terms:
		o.Terms, o.Rev = r.Terms, o.NextRev(now)
	case r.Rev == 0 && bound && o.Terms != r.Terms:
		return orderConflict()
	case r.Rev == 0 && now.UnixMilli()-o.Rev >= keyRevs.Milliseconds():
		o.Terms, o.Rev = r.Terms, o.NextRev(now)
	case r.Rev == 0 && !bound: // an age names one set of terms
		o.Terms, o.Rev = r.Terms, o.NextRev(now)
	case !o.Frozen() && (r.Rev > o.Rev || (!bound && r.Rev == o.Rev)):
		o.Terms, o.Rev = r.Terms, r.Rev
	}
	if r.Terms.Customer != o.Terms.Customer || (o.Terms == Terms{}) {
		return orderConflict()
	}
	return nil
}

// NextRev returns the rev of terms that are set now, in Unix milliseconds. A rev names one set of terms, so it is above
// those of the order's terms and of an amount that Stripe is being asked to set.
func (o *Order) NextRev(now time.Time) int64 {
	return max(o.Rev+1, o.Proposed.Rev+1, now.UnixMilli())
}

func orderConflict() *Error {
	return &Error{
		Code:   CodeOrderConflict,
		Detail: "The order has other terms (amount, currency, customer, capture_method or setup_future_usage).",
	}
}

// OtherCustomer is the error for an order token that is for another customer of the order.
func OtherCustomer() *Error {
	return &Error{Code: CodeOrderConflict, Detail: "The order token is for another customer than this payment."}
}

// acceptProposal applies the pending amount unless newer terms have arrived.
func (o *Order) acceptProposal() {
	if o.Proposed.Rev > o.Rev && !o.Frozen() {
		o.Terms.Amount, o.Rev = o.Proposed.Amount, o.Proposed.Rev
	}
	o.Proposed = Proposal{}
}

// maxAhead is how far in the future a rev may be: a later one cannot be a time at which terms were set.
const maxAhead = time.Minute

// recoverTerms applies the terms of an order's payment if Redis has lost them. Their rev must be newer than
// the order's and not in the future. A copy of our metadata has the original's rev and changes nothing. Once
// the order is won, only the terms with which the winner succeeded count, not those of its earlier events.
func (o *Order) recoverTerms(a *Attempt, rev int64, s Snapshot, now time.Time) {
	if rev == 0 || rev <= o.Rev || time.UnixMilli(rev).After(now.Add(maxAhead)) {
		return
	}
	if o.Winner != "" && (o.Winner != a.Payment || s.Status != Succeeded) {
		return
	}
	if rev == o.Proposed.Rev { // only the amount was changed: the rest of the order's terms may be newer
		o.Terms.Amount, o.Rev = s.Amount, rev
		return
	}
	usage := a.Terms.SetupFutureUsage // the requested value; the customer's page may change the PaymentIntent's
	known := a.Terms != Terms{}
	o.Terms, o.Rev = s.Terms(), rev
	if known {
		o.Terms.SetupFutureUsage = usage
	}
}
