package payment

import (
	"slices"
	"time"
)

// Reserved is a fact: the next attempt is about to be sent to Stripe with the form. A closed order is open again.
// Reopens is true if the create may reopen the order. Failed attempts of earlier payments then never close it, also if
// their events come later: after a loss Redis may not know yet that the order was closed.
type Reserved struct {
	Form    string
	Session SessionFeatures
	Reopens bool
}

func (f Reserved) applyTo(o *Order, now time.Time) {
	o.reopen()
	if f.Reopens {
		o.Reopened = len(o.Attempts)
	}
	o.Attempts = append(o.Attempts, Attempt{
		Number: len(o.Attempts) + 1, Terms: o.Terms, Session: &f.Session, Form: f.Form, Ours: true,
		Reserved: now.UnixMilli(), Tried: now.UnixMilli(),
	})
}

// Tried is a fact: the form of the attempt is sent again.
type Tried struct{ Number int }

func (f Tried) applyTo(o *Order, now time.Time) {
	if a := o.attemptNumber(f.Number); a != nil {
		a.Tried = now.UnixMilli()
	}
}

// SessionChosen is a fact: the newest create asked for these features of the session.
type SessionChosen struct {
	Payment ID
	Session SessionFeatures
}

func (f SessionChosen) applyTo(o *Order, _ time.Time) {
	if a := o.Attempt(f.Payment); a != nil {
		a.Session = &f.Session
	}
}

// AttemptRefused is a fact: Stripe will make no payment for the attempt. Its terms no longer bind if they have led
// to nothing else.
type AttemptRefused struct{ Number int }

func (f AttemptRefused) applyTo(o *Order, _ time.Time) {
	a := o.attemptNumber(f.Number)
	if a == nil || a.Payment != "" {
		return
	}
	a.abandonAttempt()
	if o.last() == nil && o.Terms == a.Terms {
		o.Terms = Terms{}
	}
}

// AttemptUnclear is a fact: Stripe replays a failure of the attempt, or remembers its key with another form.
type AttemptUnclear struct {
	Number   int
	Mismatch bool
}

func (f AttemptUnclear) applyTo(o *Order, _ time.Time) {
	if a := o.attemptNumber(f.Number); a != nil && a.Payment == "" {
		a.Unclear, a.Mismatch = true, a.Mismatch || f.Mismatch
	}
}

// AttemptSearched is a fact: Stripe's list does not show a payment of the attempt.
type AttemptSearched struct{ Number int }

func (f AttemptSearched) applyTo(o *Order, now time.Time) {
	a := o.attemptNumber(f.Number)
	switch {
	case a == nil || !a.pending():
	case a.MayAbandon(now):
		a.abandonAttempt()
	default:
		a.Searched = now.UnixMilli()
	}
}

// AttemptsListed is a fact: Stripe's list of the order's PaymentIntents is complete. Numbers that are still unknown
// have none.
type AttemptsListed struct{}

func (AttemptsListed) applyTo(o *Order, _ time.Time) {
	for i := range o.Attempts {
		if o.Attempts[i].Unknown {
			o.Attempts[i].abandonAttempt()
		}
	}
}

// Withdrawn is a fact: another attempt is to follow, so that the payment is about to be cancelled.
type Withdrawn struct{ Payment ID }

func (f Withdrawn) applyTo(o *Order, now time.Time) {
	if a := o.Attempt(f.Payment); a != nil {
		a.Superseded, a.Ours, a.WithdrawnAt = true, true, now.UnixMilli()
	}
}

// OrderClosed is a fact: the order accepts no further attempt. An empty reason reopens it.
type OrderClosed struct{ Why Closure }

func (f OrderClosed) applyTo(o *Order, _ time.Time) {
	if f.Why == "" {
		o.Closed, o.KnownAtClosing = "", 0
		return
	}
	o.close(f.Why)
	if a := o.Attempt(o.Current()); a != nil {
		a.Ours = true // a caller with our key requests its end
	}
}

// ClosureNoted is a fact: Stripe's metadata shows that the order was closed with the payment, or Stripe refuses
// to note it.
type ClosureNoted struct{ Payment ID }

func (f ClosureNoted) applyTo(o *Order, _ time.Time) {
	if p := o.need(f.Payment); p != nil {
		p.ClosedNoted = true
	}
}

// AmountProposed is a fact: Stripe is being asked to set the amount.
type AmountProposed struct{ Proposal }

func (f AmountProposed) applyTo(o *Order, _ time.Time) { o.Proposed = f.Proposal }

// ProposalSettled is a fact: the proposed amount counts, or Stripe declined it.
type ProposalSettled struct{ Declined bool }

func (f ProposalSettled) applyTo(o *Order, _ time.Time) {
	if f.Declined {
		o.Proposed = Proposal{}
	}
	o.acceptProposal()
}

// ForeignSeen is a fact: a payment names the order and is none of its attempts.
type ForeignSeen struct{ Payment ID }

// maxForeign bounds the ids of foreign payments that an order keeps.
const maxForeign = 50

func (f ForeignSeen) applyTo(o *Order, _ time.Time) {
	if slices.Contains(o.ForeignIDs, f.Payment) {
		return
	}
	o.ForeignCount++
	if len(o.ForeignIDs) < maxForeign {
		o.ForeignIDs = append(slices.Clone(o.ForeignIDs), f.Payment)
	}
}
