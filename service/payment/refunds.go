package payment

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// RefundID is the id of a Refund at Stripe, "re_…" or "pyr_…".
type RefundID string

// RefundStatus is a Refund's status, verbatim as Stripe writes it. Stripe types it nullable: empty is null.
//
// Source: https://docs.stripe.com/api/refunds/object
type RefundStatus string

// refundRank orders the statuses as a refund goes through them. One that has succeeded can still fail, when the
// customer's bank sends the money back. A status that is not listed ranks as pending.
var refundRank = map[RefundStatus]int{"pending": 1, "requires_action": 2, "succeeded": 3, "canceled": 4, "failed": 5}

func (s RefundStatus) rank() int { return max(refundRank[s], 1) }

// counts reports whether the money is given back, or on its way. An unknown status counts: a word that is not known
// here never makes a payment fulfillable.
func (s RefundStatus) counts() bool { return s != "canceled" && s != "failed" }

// Refund is money given back, or the release of money that was only authorized: Stripe makes a Refund for either.
type Refund struct {
	Status  RefundStatus `json:"status"`
	Amount  int64        `json:"amount"` // minor units
	Reason  string       `json:"reason,omitempty"`
	Created int64        `json:"created"`        // Unix seconds
	Call    string       `json:"call,omitempty"` // hex SHA-256 that names our call that made it; empty: made elsewhere
	Added   Added        `json:"-"`              // by a newer program
}

// Refunds are the refunds of one payment.
type Refunds map[RefundID]Refund

func compareRefunds(a, b Refund) int {
	return cmp.Or(
		cmp.Compare(a.Status.rank(), b.Status.rank()), strings.Compare(string(a.Status), string(b.Status)),
		cmp.Compare(a.Amount, b.Amount), cmp.Compare(a.Created, b.Created),
		strings.Compare(a.Reason, b.Reason), strings.Compare(a.Call, b.Call),
	)
}

// RefundSeen is a fact: a Refund as an event or an answer of Stripe showed it. Of each the furthest status counts.
type RefundSeen struct {
	ID RefundID
	Refund
}

func (f RefundSeen) mergeInto(r *Record) {
	known, seen := r.Refunds[f.ID]
	if seen && compareRefunds(known, f.Refund) >= 0 {
		return
	}
	r.Refunds = maps.Clone(r.Refunds)
	if r.Refunds == nil {
		r.Refunds = Refunds{}
	}
	r.Refunds[f.ID] = f.Refund
}

// RefundedTotal is a fact: the sum given back of a charge, in minor units, by an event that need not name the refunds.
type RefundedTotal struct {
	At     int64  `json:"at"` // Unix seconds
	Event  string `json:"event"`
	Amount int64  `json:"amount"`
	Added  Added  `json:"-"` // by a newer program
}

func (f RefundedTotal) seenAt() int64 { return f.At }

func (f RefundedTotal) mergeInto(r *Record) {
	kept := append(slices.Clone(r.RefundedTotals), f)
	slices.SortFunc(kept, func(a, b RefundedTotal) int {
		return cmp.Or(cmp.Compare(a.At, b.At), strings.Compare(a.Event, b.Event), cmp.Compare(a.Amount, b.Amount))
	})
	r.RefundedTotals = withinWindow(slices.Compact(kept))
}

// RefundListing is a fact: all refunds and disputes of the payment were listed. Facts of their own carry the rows.
type RefundListing struct {
	At          int64    `json:"at"`              // Unix seconds, of the answer
	KnownBefore []string `json:"known,omitempty"` // events known before the call, and so included in the answer
	Added       Added    `json:"-"`               // by a newer program
}

func (f RefundListing) mergeInto(r *Record) {
	switch {
	case r.Listing == nil || r.Listing.At < f.At:
		r.Listing = &RefundListing{At: f.At, KnownBefore: union(f.KnownBefore, nil)}
	case r.Listing.At == f.At:
		r.Listing = &RefundListing{At: f.At, KnownBefore: union(r.Listing.KnownBefore, f.KnownBefore)}
	}
}

// covers reports whether the list was made with the event known, or long enough after it.
func (l *RefundListing) covers(at int64, event string) bool {
	return l != nil && (at < l.At-window || slices.Contains(l.KnownBefore, event))
}

// hasUnknownRefunds reports whether more was given back than the known refunds sum up to, and no later list
// explains it.
func (r *Record) hasUnknownRefunds() bool {
	var known int64
	for _, refund := range r.Refunds {
		if refund.Status.counts() {
			known += refund.Amount
		}
	}
	return slices.ContainsFunc(r.RefundedTotals, func(f RefundedTotal) bool {
		return f.Amount > known && !r.Listing.covers(f.At, f.Event)
	})
}

// releaseAmbiguous reports whether a refund may be mistaken for the release of what was not captured, because no
// list has shown all refunds yet.
func (r *Record) releaseAmbiguous(amount, received int64) bool {
	return received > 0 && received < amount && len(r.Refunds) > 0 && r.Listing == nil
}

// refunds returns the refunds of received money, oldest first, including failed ones. The release of
// uncaptured money does not count. Without received money every refund is a release. On a partly captured
// payment it is the earliest refund of exactly the rest that no call of ours has made.
func (r *Record) refunds(amount, received int64) []RefundSeen {
	if received == 0 {
		return nil
	}
	var list []RefundSeen
	for id, refund := range r.Refunds {
		list = append(list, RefundSeen{id, refund})
	}
	slices.SortFunc(list, func(a, b RefundSeen) int {
		return cmp.Or(cmp.Compare(a.Created, b.Created), strings.Compare(string(a.ID), string(b.ID)))
	})
	isRelease := func(f RefundSeen) bool { return f.Call == "" && f.Amount == amount-received }
	release := slices.IndexFunc(list, isRelease)
	if release < 0 {
		return list
	}
	return slices.Delete(list, release, release+1)
}

// refunded returns how much of the money received was given back or is on its way, in minor units.
func (r *Record) refunded(amount, received int64) (sum int64) {
	for _, refund := range r.refunds(amount, received) {
		if refund.Status.counts() {
			sum += refund.Amount
		}
	}
	return sum
}

// knownReversals returns the ids of the events about money given back that a list begun now includes.
func (r *Record) knownReversals() (ids []string) {
	for _, f := range r.RefundedTotals {
		ids = append(ids, f.Event)
	}
	for _, kept := range r.Disputes {
		for _, d := range kept {
			if !d.listed() {
				ids = append(ids, d.Event)
			}
		}
	}
	slices.Sort(ids)
	return ids
}

// Knows reports whether the record has the listed refund or dispute as it is. One that a complete list did not show,
// although it existed by then, belongs to a charge that does not count.
func (r *Record) Knows(g ListedReversal) bool {
	if refund, seen := r.Refunds[RefundID(g.ID)]; seen {
		return refund.Status == RefundStatus(g.Status)
	}
	if kept := r.Disputes[DisputeID(g.ID)]; len(kept) > 0 {
		return kept[len(kept)-1].Status == g.Status
	}
	return r.Listing != nil && g.Created < r.Listing.At-window
}
