package service

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// RefundID is the id of a Refund at Stripe, "re_…" or "pyr_…".
type RefundID string

// RefundStatus is a Refund's status, verbatim as Stripe writes it.
//
// Source: https://docs.stripe.com/api/refunds/object
type RefundStatus string

// refundRank orders the statuses as a refund goes through them. One that has succeeded can still fail, when the
// customer's bank sends the money back.
var refundRank = map[RefundStatus]int{"pending": 1, "requires_action": 2, "succeeded": 3, "canceled": 4, "failed": 5}

// Known reports whether the status is one that Stripe documents.
func (s RefundStatus) Known() bool { return refundRank[s] > 0 }

// counts reports whether the money is given back, or on its way.
func (s RefundStatus) counts() bool { return refundRank[s] <= refundRank["succeeded"] }

// Refund is money given back, or the release of money that was only authorised: Stripe makes a Refund for either.
type Refund struct {
	Status  RefundStatus `json:"status"`
	Amount  int64        `json:"amount"` // minor units
	Reason  string       `json:"reason,omitempty"`
	Created int64        `json:"created"`        // Unix seconds
	Call    string       `json:"call,omitempty"` // hex SHA-256 that names the call that made it, where it was ours
}

func compareRefunds(a, b Refund) int {
	return cmp.Or(
		cmp.Compare(refundRank[a.Status], refundRank[b.Status]), cmp.Compare(a.Amount, b.Amount), cmp.Compare(a.Created, b.Created),
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
		r.Refunds = map[RefundID]Refund{}
	}
	r.Refunds[f.ID] = f.Refund
}

// Returned is a fact: how much of a charge is given back, in minor units, by an event that need not name the refunds.
type Returned struct {
	At     int64  `json:"at"` // Unix seconds
	Event  string `json:"event"`
	Amount int64  `json:"amount"`
}

func (f Returned) seenAt() int64 { return f.At }

func (f Returned) mergeInto(r *Record) {
	kept := append(slices.Clone(r.Returned), f)
	slices.SortFunc(kept, func(a, b Returned) int {
		return cmp.Or(cmp.Compare(a.At, b.At), strings.Compare(a.Event, b.Event), cmp.Compare(a.Amount, b.Amount))
	})
	r.Returned = withinWindow(slices.Compact(kept))
}

// Ledger is a fact: that all refunds and disputes of the payment were listed. What they are is told by facts of their own.
type Ledger struct {
	At     int64    `json:"at"`               // Unix seconds, of the answer
	Covers []string `json:"covers,omitempty"` // events known before the question, and so included in the answer
}

func (f Ledger) mergeInto(r *Record) {
	switch {
	case r.Ledger == nil || r.Ledger.At < f.At:
		r.Ledger = &Ledger{At: f.At, Covers: union(f.Covers, nil)}
	case r.Ledger.At == f.At:
		r.Ledger = &Ledger{At: f.At, Covers: union(r.Ledger.Covers, f.Covers)}
	}
}

// covers reports whether the list was made with the event known, or long enough after it.
func (l *Ledger) covers(at int64, event string) bool {
	return l != nil && (at < l.At-window || slices.Contains(l.Covers, event))
}

// missesRefunds reports whether more is known to be given back than the refunds that are known, and no list made since
// explains it.
func (r *Record) missesRefunds() bool {
	var known int64
	for _, refund := range r.Refunds {
		if refund.Status.counts() {
			known += refund.Amount
		}
	}
	return slices.ContainsFunc(r.Returned, func(f Returned) bool { return f.Amount > known && !r.Ledger.covers(f.At, f.Event) })
}

// mistakesRelease reports whether a refund may be taken for the release of what was not captured, which no list has shown.
func (r *Record) mistakesRelease(amount, received int64) bool {
	return received > 0 && received < amount && len(r.Refunds) > 0 && r.Ledger == nil
}

// refunds returns what was given back of the money received, oldest first, also what failed. The release of what was
// authorised and not captured is none: with nothing received that is all; on a partly captured payment it is the earliest
// refund of exactly the rest.
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
	release := slices.IndexFunc(list, func(f RefundSeen) bool { return f.Amount == amount-received })
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

// returnsSeen returns the ids of the events about money given back that a list begun now would include.
func (r *Record) returnsSeen() (ids []string) {
	for _, f := range r.Returned {
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
