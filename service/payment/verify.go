package payment

import (
	"slices"
	"time"
)

// Verification is how far a success counts that only a webhook has brought. A leaked webhook secret can forge one.
type Verification string

// The settings of SUCCESS_VERIFICATION. An empty one is VerifyOff.
const (
	VerifyInBackground Verification = "background" // it counts, and Stripe is asked once
	VerifyBefore       Verification = "before"     // it is held until Stripe has borne it out
	VerifyOff          Verification = "off"        // it counts
)

// Verifications are all settings.
var Verifications = []Verification{VerifyInBackground, VerifyBefore, VerifyOff}

// KnownBefore is what was known of a payment when a call of Stripe began, so that the answer includes it.
type KnownBefore struct {
	IDs    []string // of events and answers
	Claims []string // the events by which alone money has come, which the answer bears out or denies
}

// Denial is a fact: Stripe was asked when these events said that money has come, and its answer shows none; or it
// knows no such PaymentIntent. An answer to a question of before says nothing: the money may have come since. An
// answer that shows the money outranks every denial.
type Denial []string

func (f Denial) mergeInto(r *Record) { r.Denied = boundedUnion(r.Denied, f...) }

// maxClaims bounds the events kept of what webhooks alone say. The smallest ids stay, so that a bounded union is
// still a union, and what was denied of the claims that stay is known.
const maxClaims = 20

func boundedUnion(kept []string, more ...string) []string {
	all := union(kept, more)
	return all[:min(len(all), maxClaims)]
}

// claims returns the events by which alone money has come; nil where none has, or where Stripe itself showed it.
func (r *Record) claims() []string {
	if r.Empty() {
		return nil
	}
	shown := r.Resolve()
	if shown.vouched() || !stateOf(shown.Snapshot, shown.Received).Won() {
		return nil
	}
	return union(r.Claims, []string{shown.Event})
}

// isDenied reports whether an answer of Stripe has denied what webhooks say. A newer event does not end that, since
// it may be forged too.
func (r *Record) isDenied() bool { return len(r.Denied) > 0 && r.claims() != nil }

// showsMoney reports whether a PaymentIntent has received money and ended.
func (s Snapshot) showsMoney() bool { return s.Status.Terminal() && stateOf(s, s.AmountReceived).Won() }

// verifies reports whether Stripe is asked about successes that webhooks bring.
func (v Verification) verifies() bool { return v == VerifyInBackground || v == VerifyBefore }

// Known returns what a call of Stripe begun now includes. Claims is whether its answer may deny a claim; otherwise
// only an order whose successes are verified has its claims denied.
func (o *Order) Known(id ID, claims bool) KnownBefore {
	p := o.Loaded[id]
	if p == nil {
		return KnownBefore{}
	}
	k := KnownBefore{IDs: p.Record.KnownIDs()}
	if claims || o.Rules.Verification.verifies() {
		k.Claims = p.Record.claims()
	}
	return k
}

// wantsVerification reports whether Stripe has to be asked about what webhooks alone say. What was denied is swept,
// until another event says so.
func (o *Order) wantsVerification(p *Payment) bool {
	if !o.Rules.Verification.verifies() || p.Record.claims() == nil {
		return false
	}
	isNew := func(event string) bool { return !slices.Contains(p.Record.Denied, event) }
	return len(p.Record.Denied) == 0 || slices.ContainsFunc(p.Record.Claims, isNew)
}

// verifiableFrom returns when Stripe can be asked about a claim: now, or once an answer is newer than one that may
// have been older than its date. An event of the future does not put the question off.
func (r *Record) verifiableFrom(now time.Time) time.Time {
	if r.StaleAt == 0 {
		return now
	}
	return later(now, time.Unix(r.StaleAt+2*window, 0))
}

// holdsUnverified reports whether a success must not be fulfilled, since only webhooks say so. Once denied it is held
// whatever the setting is, until Stripe shows the money. What could be fulfilled before is held by a denial only.
func (o *Order) holdsUnverified(p *Payment) bool {
	before := o.Rules.Verification == VerifyBefore && o.FulfillableAt == 0
	return p.Record.isDenied() || (before && p.Record.claims() != nil)
}

// Denied reports whether Stripe has denied the success of a loaded payment.
func (o *Order) Denied(id ID) bool {
	p := o.Loaded[id]
	return p != nil && p.Record.isDenied()
}

// PaymentDenied is a fact: Stripe knows no such PaymentIntent, and was asked when these events said that it was paid.
type PaymentDenied struct {
	Payment ID
	Claims  []string // events
}

func (f PaymentDenied) applyTo(o *Order, _ time.Time) {
	if p := o.need(f.Payment); p != nil {
		p.Record = Merge(p.Record, Denial(f.Claims))
	}
}

// deniedSweepAfter is how long after it was denied Stripe is asked about a success again.
const deniedSweepAfter = 2 * time.Minute

// dropDeniedWinner takes the order from a winner whose success was denied and that Stripe has shown to end without
// money. Another payment that has succeeded wins in its place.
func (o *Order) dropDeniedWinner() {
	w, p := o.Attempt(o.Winner), o.Loaded[o.Winner]
	if w == nil || p == nil || len(p.Record.Denied) == 0 || w.State.Won() {
		return
	}
	o.Winner = ""
	for _, a := range o.Attempts {
		if a.State.Won() && o.Loaded[a.Payment] == nil {
			o.need(a.Payment)
		}
	}
}
