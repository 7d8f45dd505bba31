package payment

import (
	"slices"
	"time"
)

// Verification is how a success counts that only a webhook has reported. A leaked webhook secret can forge
// one.
type Verification string

// The settings of SUCCESS_VERIFICATION. An empty one is VerifyOff.
const (
	VerifyInBackground Verification = "background" // it counts, and Stripe is asked once
	VerifyBefore       Verification = "before"     // it is held until Stripe has confirmed it
	VerifyOff          Verification = "off"        // it counts
)

// Verifications are all settings.
var Verifications = []Verification{VerifyInBackground, VerifyBefore, VerifyOff}

// KnownBefore is what was known of a payment when a call to Stripe began, so the response includes it.
type KnownBefore struct {
	IDs    []string // of events and answers
	Claims []string // events that alone reported money; the response confirms or denies them
}

// Denial is a fact: these events reported money, and a later response shows none, or Stripe does not know the
// PaymentIntent. A response to an earlier call denies nothing, since the money may have arrived since. A
// response with the money outranks every denial.
type Denial []string

func (f Denial) mergeInto(r *Record) { r.Denied = boundedUnion(r.Denied, f...) }

// maxClaims limits the kept claims. The smallest ids stay, so a bounded union is still a union, and denials
// of the kept claims stay known.
const maxClaims = 20

func boundedUnion(kept []string, more ...string) []string {
	all := union(kept, more)
	return all[:min(len(all), maxClaims)]
}

// claims returns the events that alone reported money; nil if there is no money, or if Stripe itself has
// shown it.
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

// isDenied reports whether a response has denied the webhooks' claims. A newer event does not end that, since
// it may also be forged.
func (r *Record) isDenied() bool { return len(r.Denied) > 0 && r.claims() != nil }

// showsMoney reports whether a PaymentIntent has received money and ended.
func (s Snapshot) showsMoney() bool { return s.Status.Terminal() && stateOf(s, s.AmountReceived).Won() }

// verifies reports whether successes from webhooks are read at Stripe.
func (v Verification) verifies() bool { return v == VerifyInBackground || v == VerifyBefore }

// Known returns what a call to Stripe begun now includes. With claims, its response may deny a claim.
// Otherwise only the claims of an order with verified successes can be denied.
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

// wantsVerification reports whether a claim of webhooks must be read at Stripe. A denied claim is swept until
// a new event repeats it.
func (o *Order) wantsVerification(p *Payment) bool {
	if !o.Rules.Verification.verifies() || p.Record.claims() == nil {
		return false
	}
	isNew := func(event string) bool { return !slices.Contains(p.Record.Denied, event) }
	return len(p.Record.Denied) == 0 || slices.ContainsFunc(p.Record.Claims, isNew)
}

// verifiableFrom returns when a claim can be read: now, or once a response would be newer than one with an
// uncertain date. An event from the future does not delay the read.
func (r *Record) verifiableFrom(now time.Time) time.Time {
	if r.StaleAt == 0 {
		return now
	}
	return later(now, time.Unix(r.StaleAt+2*window, 0))
}

// holdsUnverified reports whether a success must not be fulfilled because only webhooks report it. A denied
// success is held with every setting until Stripe shows the money. A payment that was fulfillable before is
// held only by a denial.
func (o *Order) holdsUnverified(p *Payment) bool {
	before := o.Rules.Verification == VerifyBefore && o.FulfillableAt == 0
	return p.Record.isDenied() || (before && p.Record.claims() != nil)
}

// Denied reports whether Stripe has denied the success of a loaded payment.
func (o *Order) Denied(id ID) bool {
	p := o.Loaded[id]
	return p != nil && p.Record.isDenied()
}

// PaymentDenied is a fact: Stripe does not know the PaymentIntent, and was asked after these events had
// reported it as paid.
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

// dropDeniedWinner removes a winner whose success was denied and that has ended without money. Another
// successful payment becomes the winner.
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
