package payment

import (
	"time"
)

// Payment is the stored data of one PaymentIntent beside its order's row: the record of Stripe's data, and
// the calls of backends.
type Payment struct {
	ID  ID     `json:"-"`
	Raw []byte `json:"-"` // as it was loaded; the store's

	SecretHash  string         `json:"secret,omitempty"` // hex SHA-256 of the client secret
	Livemode    bool           `json:"livemode,omitempty"`
	Record      Record         `json:"record"`
	History     []HistoryEntry `json:"history,omitempty"` // oldest first
	Calls       []RefundCall   `json:"calls,omitempty"`   // of backends to give money back, oldest first
	ClosedNoted bool           `json:"noted,omitempty"`   // Stripe's metadata shows that the order was closed
	Added       Added          `json:"-"`                 // by a newer program
}

// HistoryEntry is one visible change of a payment.
type HistoryEntry struct {
	Version int64  `json:"v"`
	From    State  `json:"f,omitempty"`
	To      State  `json:"t"`
	At      int64  `json:"at"` // Unix seconds
	Cause   string `json:"c"`
	By      *Actor `json:"b,omitempty"` // the caller; nil if no call of ours caused it
	Added   Added  `json:"-"`           // by a newer program
}

// Actor is the call that has changed an order, as the audit log names it.
type Actor struct {
	Operation string `json:"o"`           // of openapi.yaml, or a command
	Key       string `json:"k,omitempty"` // the service key's name; empty for order tokens and commands
	RequestID string `json:"r,omitempty"`
}

// ActorView is an Actor as the contract shows it.
type ActorView struct {
	Operation string  `json:"operation"`
	Key       *string `json:"key"`
	RequestID *string `json:"request_id"`
}

func (a *Actor) view() *ActorView {
	if a == nil {
		return nil
	}
	return &ActorView{Operation: a.Operation, Key: optional(a.Key), RequestID: optional(a.RequestID)}
}

// HistoryView is a HistoryEntry as the contract shows it.
type HistoryView struct {
	Version int64      `json:"version"`
	From    *State     `json:"from"`
	To      State      `json:"to"`
	At      time.Time  `json:"at"`
	Cause   string     `json:"cause"`
	By      *ActorView `json:"by"`
}

// View returns the entry as callers see it.
func (h HistoryEntry) View() HistoryView {
	return HistoryView{
		Version: h.Version, From: optional(h.From), To: h.To, At: time.Unix(h.At, 0).UTC(), Cause: h.Cause,
		By: h.By.view(),
	}
}

// Causes of a change that no event of Stripe brought.
const (
	CauseRead    = "read"
	CauseAPI     = "api"
	CauseRebuild = "rebuild"
)

// received is how much money came, in minor units.
func (p *Payment) received() int64 { return p.Record.Resolve().Received }

// state names the state that the record stands for, reversals included.
func (p *Payment) state() State {
	shown := p.Record.Resolve()
	refunded := p.Record.refunded(shown.Amount, shown.Received)
	return stateSince(stateOf(shown.Snapshot, shown.Received), shown.Received, refunded, p.Record.disputes())
}

// HasMoney reports whether money has come that could be given back.
func (p *Payment) HasMoney() bool { return !p.Record.Empty() && p.state().Won() }

// Refunds returns the payment's refunds in every status, oldest first.
func (p *Payment) Refunds() []RefundSeen {
	return p.Record.refunds(p.Record.Resolve().Amount, p.received())
}

// Left returns how much of the money received has not been given back, in minor units.
func (p *Payment) Left() int64 {
	received := p.received()
	return received - p.Record.refunded(p.Record.Resolve().Amount, received)
}

// unwanted reports whether the payment has to be cancelled: the order no longer wants it, and it could still be paid.
// Only a payment that this program is known to have made is cancelled.
func (o *Order) unwanted(a *Attempt) bool {
	withdrawn := a.Superseded || o.Closed != ""
	return o.Foreign == "" && a.Ours && withdrawn && o.Winner != a.Payment && (a.State.Payable() ||
		a.State == Authorized)
}

// Unwanted reports whether the payment has to be cancelled at Stripe.
func (o *Order) Unwanted(id ID) bool {
	a := o.Attempt(id)
	return a != nil && o.unwanted(a)
}

// UnnotedClosure reports whether the closing of the order is still to be noted at Stripe, on this payment.
func (o *Order) UnnotedClosure(id ID) bool {
	a, p := o.Attempt(id), o.Loaded[id]
	return a != nil && p != nil && o.Foreign == "" && o.Closed != "" && !p.ClosedNoted && !a.Superseded &&
		o.Winner == "" && a.State == CanceledState
}

// readAt returns when the payment needs attention, by Redis's clock: it is read at Stripe, or canceled there. Zero
// where nothing is uncertain.
func (o *Order) readAt(a *Attempt, p *Payment, now time.Time) time.Time {
	shown := p.Record.Resolve()
	switch {
	case o.unwanted(a):
		return o.afterLease(now)
	case o.isCurrent(a) && a.Superseded:
		return later(o.afterLease(now), time.UnixMilli(a.WithdrawnAt).Add(withdrawalGrace))
	case o.UnnotedClosure(a.Payment):
		return now
	case o.wantsVerification(p):
		return p.Record.verifiableFrom(now)
	case p.Record.isDenied():
		return time.Time{} // Stripe may not know it at all: it is swept
	case !shown.NeedsRead && o.isCurrent(a) && o.Lease.Owner != "" && !shown.Status.Terminal():
		return o.afterLease(now) // the lease's holder may die between Stripe's answer to a change and its save
	case !shown.NeedsRead:
		return time.Time{}
	}
	if notBefore := time.Unix(shown.NotBefore, 0); notBefore.After(now) {
		return notBefore
	}
	return now
}

// isCurrent reports whether the order stands for the attempt.
func (o *Order) isCurrent(a *Attempt) bool { return o.Foreign == "" && a.Payment == o.Current() }

// afterLease returns the moment from which no process works on the order at Stripe, if its holder has died.
func (o *Order) afterLease(now time.Time) time.Time {
	if o.Lease.Held(now) {
		return time.UnixMilli(o.Lease.Until)
	}
	return now
}

// ReadDue returns when the payment must be read; zero if nothing is uncertain, or if it is not loaded.
func (o *Order) ReadDue(id ID, now time.Time) time.Time {
	a, p := o.Attempt(id), o.Loaded[id]
	if a == nil || p == nil || p.Record.Empty() {
		return time.Time{}
	}
	return o.readAt(a, p, now)
}

// sweepAfter is how long a payment may stay in a state before Stripe is asked. The states that are not listed are
// final.
var sweepAfter = map[State]time.Duration{
	ActionRequired: 2 * time.Minute,
	Pending:        15 * time.Minute,
	Failed:         15 * time.Minute,
	InProgress:     time.Hour,
	Authorized:     time.Hour,
}

// sweepAtLatest bounds the pauses between two questions.
const sweepAtLatest = 24 * time.Hour

// sweepAt returns when the payment is read at Stripe unless it is written before; zero in a final state. The
// pause doubles while nothing changes, since it equals the time since the last change.
func (o *Order) sweepAt(a *Attempt, p *Payment, now time.Time) time.Time {
	least, running := sweepAfter[a.State]
	if p != nil && p.Record.isDenied() {
		least, running = deniedSweepAfter, true
	}
	if !running {
		return time.Time{}
	}
	unchanged := now.Sub(time.Unix(a.UpdatedAt, 0))
	pause := min(max(unchanged, least), sweepAtLatest)
	if left := o.abandonAt(p, a.UpdatedAt).Sub(now); o.Rules.AbandonAfter > 0 && left > 0 && a.State.Payable() {
		pause = min(pause, max(left, least))
	}
	return now.Add(pause)
}

// MayAbandonPayment reports whether the payment was unpaid for so long that it is cancelled, and the customer has no
// time left for an action elsewhere.
func (o *Order) MayAbandonPayment(id ID, now time.Time) bool {
	a := o.Attempt(id)
	return a != nil && o.Foreign == "" && o.Rules.AbandonAfter > 0 && a.State.Payable() &&
		!now.Before(o.abandonAt(o.Loaded[id], a.UpdatedAt))
}
