package payment

import (
	"cmp"
	"slices"
	"time"
)

// Placement is how a PaymentIntent relates to the order that its metadata names.
type Placement int

// The placements.
const (
	Known      Placement = iota // it is one of the order's attempts
	Attachable                  // it claims an attempt that has no payment, and so is that attempt
	Foreign                     // it claims an attempt that has another payment
)

// Place returns how a PaymentIntent relates to the order.
func (o *Order) Place(id ID, origin Origin) Placement {
	switch {
	case o.Attempt(id) != nil:
		return Known
	case o.Foreign != "":
		return Attachable
	case slices.Contains(o.ForeignIDs, id):
		return Foreign
	case origin.Attempt <= len(o.Attempts) && o.Attempts[origin.Attempt-1].Payment != "":
		return Foreign
	}
	return Attachable
}

// WantsProof reports whether a PaymentIntent claims a forgotten attempt with other terms, which the order
// would then adopt. A copy of our metadata does the same. So the idempotency key under which the
// PaymentIntent was made must be known first. key is that of the call that caused an event, or "".
func (o *Order) WantsProof(intent Intent, key string) bool {
	origin := OriginOf(intent.Metadata)
	return o.Foreign == "" && o.Stored() && o.Place(intent.ID, origin) == Attachable && o.Terms != intent.Terms() &&
		key != IdempotencyKey(origin.Service, o.ID, origin.Attempt)
}

// hasForgotten reports whether a PaymentIntent is about to become an attempt that the order does not expect.
// Earlier events of it may have been put off until it was known who made it, so that it has to be read.
func (o *Order) hasForgotten(intent Intent) bool {
	if o.Foreign != "" || !o.Stored() || o.Attempt(intent.ID) != nil {
		return false
	}
	row := o.attemptNumber(OriginOf(intent.Metadata).Attempt)
	return row == nil || !row.pending() || o.Terms != intent.Terms()
}

// attach makes a PaymentIntent the attempt that it claims; nil if that attempt has another payment. If the
// number is above the last known one, the attempt was forgotten, and those between may be, too. These become
// unknown, their predecessors are superseded and need a read, and an order that was closed before the attempt
// is open again.
func (o *Order) attach(id ID, origin Origin, s Snapshot) *Attempt {
	if o.Foreign != "" {
		o.Attempts = []Attempt{{Number: origin.Attempt, Payment: id, Terms: s.Terms(), Superseded: true}}
		return &o.Attempts[0]
	}
	if a := o.attemptNumber(origin.Attempt); a != nil {
		if a.Payment != "" {
			return nil
		}
		a.setPayment(id)
		if (a.Terms == Terms{}) || !a.matchesButForAmount(a.Terms, s) {
			a.Terms = s.Terms() // it was made with another form, which Redis has forgotten
		}
		if (o.Terms == Terms{}) {
			o.Terms = a.Terms
		}
		return a
	}
	restored := !o.Stored()
	if !restored {
		o.supersedeKnown()
	}
	if o.Closed != "" && origin.Attempt > o.KnownAtClosing {
		o.reopen()
	}
	for number := len(o.Attempts) + 1; number < origin.Attempt; number++ {
		o.Attempts = append(o.Attempts, Attempt{Number: number, Unknown: true})
	}
	o.Attempts = append(o.Attempts, Attempt{
		Number: origin.Attempt, Payment: id, Terms: s.Terms(), Ours: restored && origin.Rev > 0,
	})
	if (o.Terms == Terms{}) {
		o.Terms, o.Rev = s.Terms(), max(o.Rev, origin.Rev)
	}
	if origin.Closed != "" && restored {
		o.close(origin.Closed)
	}
	return &o.Attempts[len(o.Attempts)-1]
}

// supersedeKnown marks the payments that a forgotten attempt has followed. Their state at Stripe must be
// read.
func (o *Order) supersedeKnown() {
	for i := range o.Attempts {
		a := &o.Attempts[i]
		if a.Payment == "" {
			continue
		}
		a.Superseded = true
		if a.State != CanceledState {
			o.pass.wantReads = append(o.pass.wantReads, a.Payment)
		}
	}
}

// need returns a payment of the order that must be loaded. If it is not, Apply ends and names it.
func (o *Order) need(id ID) *Payment {
	if p := o.Loaded[id]; p != nil {
		o.pass.announceID = id
		return p
	}
	if o.Attempt(id) != nil && !slices.Contains(o.pass.needs, id) {
		o.pass.needs = append(o.pass.needs, id)
	}
	return nil
}

// needOrCreate returns the payment of an intent. One that was never shown before begins empty. Whether it was shown
// is in the order's row, so that "not loaded" is never taken for "empty".
func (o *Order) needOrCreate(intent Intent) (p *Payment, created bool) {
	if p = o.Loaded[intent.ID]; p != nil {
		return p, false
	}
	if a := o.Attempt(intent.ID); a != nil && a.Version > 0 {
		return o.need(intent.ID), false
	}
	p = &Payment{ID: intent.ID, Livemode: intent.Livemode, Record: Record{Created: intent.Created}}
	o.Loaded[intent.ID] = p
	return p, true
}

// Rebuilt is a fact: PaymentIntents that name the order, as Stripe lists them, in the order of CompareListed. The
// first that claims an attempt is it.
type Rebuilt struct {
	Payments []Listed
	Complete bool // the list has all of them, so that a number without one has no payment
	Expired  bool // retention has taken the order, so that it has been announced as paid
}

func (f Rebuilt) applyTo(o *Order, now time.Time) {
	fresh := !o.Stored()
	o.pass.expired = f.Expired
	var first int64
	for _, p := range f.Payments {
		origin := OriginOf(p.Metadata)
		if o.Place(p.ID, origin) == Foreign {
			continue
		}
		a := o.Attempt(p.ID)
		if a == nil {
			a = o.attach(p.ID, origin, p.Snapshot)
		}
		o.recoverTerms(a, origin.Rev, p.Snapshot, now)
		if !fresh {
			continue
		}
		a.Ours = true
		o.Terms, o.Rev = p.Terms(), max(o.Rev, origin.Rev)
		o.Closed, o.KnownAtClosing = origin.Closed, len(o.Attempts)
		if p.Succeeded > 0 && (o.Winner == "" || p.Succeeded < first) {
			o.Winner, first = p.ID, p.Succeeded
		}
	}
	if f.Complete {
		AttemptsListed{}.applyTo(o, now)
	}
	for i := range o.Attempts {
		if a := &o.Attempts[i]; a.State == "" && a.Payment != "" && a.Payment != o.Current() {
			a.Superseded = true
		}
	}
}

// CompareListed orders the payments of an order by their attempts. Of two that claim the same, the one that
// succeeded comes first, and then the older one.
func CompareListed(a, b Listed) int {
	return cmp.Or(
		cmp.Compare(OriginOf(a.Metadata).Attempt, OriginOf(b.Metadata).Attempt),
		cmp.Compare(
			btoi(b.Succeeded > 0), btoi(a.Succeeded > 0),
		), cmp.Compare(a.Created, b.Created), cmp.Compare(a.ID, b.ID),
	)
}

// RestoreFact is the fact of a read that restores a missing order. If its charge is older than the lowest
// retention ever used, retention has removed the order, so order.paid was sent. Otherwise the order was lost.
func (o *Order) RestoreFact(seen Seen, now time.Time) Fact {
	listed := Listed{Intent: seen.Intent, Succeeded: seen.Charged}
	lowest := o.Rules.LowestRetention
	expired := seen.Charged > 0 && lowest > 0 && now.Sub(time.Unix(seen.Charged, 0)) > lowest
	return Restored{All{Rebuilt{Payments: []Listed{listed}, Expired: expired}, seen}}
}

// Adopted is a fact: Stripe's list shows a PaymentIntent that names the order. It becomes the attempt that it
// claims, if that one has no payment.
type Adopted struct {
	Seen
	Known bool // it is merged even if the order knows it
}

func (f Adopted) applyTo(o *Order, now time.Time) {
	place := o.Place(f.Intent.ID, OriginOf(f.Intent.Metadata))
	if place == Attachable || (place == Known && f.Known) {
		o.pass.noPointer = true
		f.Seen.applyTo(o, now)
	}
}

// UnknownPeriod returns the period in which the unknown attempts of the order were made: between the attempts that are
// known, or up to a day before the first of these.
func (o *Order) UnknownPeriod(now time.Time) (since, until time.Time) {
	since, until = now.Add(-keyForgotten), now
	for i := range o.Attempts {
		a := &o.Attempts[i]
		if reserved := time.UnixMilli(a.Reserved); a.Reserved > 0 && reserved.Before(since) {
			since = reserved
		}
		if p := o.Loaded[a.Payment]; p != nil && p.Record.Created > 0 {
			if created := time.Unix(p.Record.Created, 0).Add(-keyForgotten); created.Before(since) {
				since = created
			}
		}
	}
	return since, until
}

// Unsettled returns the attempt with an unknown outcome, nil if there is none, and whether an attempt is
// unknown.
func (o *Order) Unsettled() (a *Attempt, unknown bool) {
	if last := o.last(); last != nil && last.pending() {
		a = last
	}
	return a, o.hasUnknownAttempt()
}
