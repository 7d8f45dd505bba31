package payment

import (
	"slices"
	"time"
)

// Fact is one thing that happened to an order.
type Fact interface{ applyTo(o *Order, now time.Time) }

// All applies facts one after the other.
type All []Fact

func (f All) applyTo(o *Order, now time.Time) {
	for _, fact := range f {
		if fact != nil {
			fact.applyTo(o, now)
		}
	}
}

// Caused is a fact with its cause, for the history.
type Caused struct {
	Cause string
	By    *Actor // the caller; nil if no call of ours caused it
	Fact
}

func (f Caused) applyTo(o *Order, now time.Time) {
	o.pass.cause, o.pass.by = f.Cause, f.By
	f.Fact.applyTo(o, now)
}

// Restored is a fact of an order that was lost. Its events may have been announced before.
type Restored struct{ Fact }

func (f Restored) applyTo(o *Order, now time.Time) {
	o.pass.restored = true
	f.Fact.applyTo(o, now)
}

// Seen is a fact: Stripe showed a PaymentIntent that is, or claims to be, an attempt of the order.
type Seen struct {
	Intent   Intent
	Facts    []RecordFact
	Key      string // idempotency key of the call that made the PaymentIntent; empty where it is not known
	ByEvent  bool   // an event showed it, so that earlier events about money given back may have been missed
	Complete bool   // it is the answer to the create call: the payment could not be paid before
	Charged  int64  // Unix seconds, when its charge was made; zero: not known
}

func (f Seen) applyTo(o *Order, now time.Time) {
	origin := OriginOf(f.Intent.Metadata)
	forgotten := f.ByEvent && o.hasForgotten(f.Intent)
	a := o.Attempt(f.Intent.ID)
	if a == nil {
		a = o.attach(f.Intent.ID, origin, f.Intent.Snapshot)
	}
	if a == nil {
		return
	}
	if f.Key != "" && f.Key == IdempotencyKey(origin.Service, o.ID, a.Number) {
		a.Ours = true
	}
	p, created := o.needOrCreate(f.Intent)
	if p == nil {
		return
	}
	if p.SecretHash == "" {
		p.SecretHash = f.Intent.ClientSecret.Hash()
	}
	if p.Record.Empty() && isStale(f.Facts) {
		p.Record = Merge(p.Record, Creation{Observation{At: f.Intent.Created, Snapshot: f.Intent.Snapshot}})
	}
	for _, fact := range f.Facts {
		p.Record = Merge(p.Record, fact)
	}
	if forgotten {
		p.Record = Merge(p.Record, StaleResponse(f.Intent.Created))
	}
	switch {
	case created && f.ByEvent:
		p.Record.Unlisted = true
	case f.Complete:
		p.Record.Unlisted = false
	}
	if origin.Closed != "" {
		p.ClosedNoted = true
	}
	if origin.Forgotten {
		o.Forgotten = max(o.Forgotten, a.Number)
	}
	o.pass.announceID = p.ID
	if f.Charged > 0 {
		if o.pass.succeeded == nil {
			o.pass.succeeded = map[ID]int64{}
		}
		o.pass.succeeded[p.ID] = f.Charged
	}
	if o.Foreign == "" {
		o.recoverTerms(a, origin.Rev, f.Intent.Snapshot, now)
	}
	if isRead(f.Facts) && !o.Lease.Held(now) {
		o.Lease = Lease{} // its holder has died, and this shows what it has changed
	}
}

// isRead reports whether Stripe was asked about the payment.
func isRead(facts []RecordFact) bool {
	return slices.ContainsFunc(facts, func(f RecordFact) bool { _, read := f.(Read); return read })
}

// isStale reports whether the facts come from a response that may be older than its date.
func isStale(facts []RecordFact) bool {
	return slices.ContainsFunc(facts, func(f RecordFact) bool { _, stale := f.(StaleResponse); return stale })
}

// Learned is a fact: Stripe showed something of a payment beside its PaymentIntent: money given back or claimed
// back, a charge, or a review.
type Learned struct {
	Payment ID
	Facts   []RecordFact
}

func (f Learned) applyTo(o *Order, _ time.Time) {
	p := o.need(f.Payment)
	if p == nil {
		return
	}
	for _, fact := range f.Facts {
		p.Record = Merge(p.Record, fact)
	}
}

// ReadRequested is a fact: an event names the payment and shows nothing of it that can be decoded. At is the
// event's time in Unix seconds; zero, or one ahead of Redis's clock, counts as now.
type ReadRequested struct {
	Payment ID
	At      int64
}

func (f ReadRequested) applyTo(o *Order, now time.Time) {
	p := o.need(f.Payment)
	if p == nil {
		return
	}
	at := now.Unix()
	if f.At > 0 {
		at = min(f.At, at)
	}
	p.Record = Merge(p.Record, Named(at))
}

// TermsSet is a fact: the order has other terms, with their age in Unix milliseconds.
type TermsSet struct {
	Terms Terms
	Rev   int64
}

func (f TermsSet) applyTo(o *Order, _ time.Time) { o.Terms, o.Rev = f.Terms, f.Rev }

// Leased is a fact: the owner has the lease, until a moment of Redis's clock.
type Leased struct {
	Owner string
	Until time.Time
}

func (f Leased) applyTo(o *Order, now time.Time) {
	o.Lease = Lease{Owner: f.Owner, Taken: now.UnixMilli(), Until: f.Until.UnixMilli()}
}

// Released is a fact: the owner has done its work. Another owner's lease stays.
type Released struct{ Owner string }

func (f Released) applyTo(o *Order, _ time.Time) {
	if o.Lease.Owner == f.Owner {
		o.Lease = Lease{}
	}
}
