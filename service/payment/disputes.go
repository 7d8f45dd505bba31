package payment

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// DisputeID is the id of a Dispute at Stripe, "dp_…" or "du_…".
type DisputeID string

// Dispute is what one event or one list of Stripe showed of a dispute.
//
// Source: https://docs.stripe.com/api/disputes/object
type Dispute struct {
	// Unix seconds by Stripe's clock: the event's created, or the Date of the list
	At      int64  `json:"at"`
	Event   string `json:"event,omitempty"` // "evt_…"; none for a list
	Status  string `json:"status"`          // verbatim
	Amount  int64  `json:"amount"`          // minor units
	Created int64  `json:"created"`         // Unix seconds, of the dispute
	Added   Added  `json:"-"`               // by a newer program
}

// DisputeHistories are the observations of each dispute of one payment, oldest first.
type DisputeHistories map[DisputeID][]Dispute

// Statuses of Stripe that decide what a dispute means.
const (
	disputeWon  = "won"
	disputeLost = "lost"
)

// disputeRank orders the statuses of Stripe for the best guess. An inquiry may become a dispute, and a lost dispute
// may be appealed.
//
// Source: the types of npm stripe 23.1.0 (API 2026-10-28.endive).
var disputeRank = map[string]int{
	"warning_needs_response": 1, "warning_under_review": 2, "warning_closed": 3, "prevented": 4, "needs_response": 5,
	"under_review": 6, disputeLost: 7, "appeal_needs_response": 8, "appeal_under_review": 9, disputeWon: 10,
}

func (d Dispute) seenAt() int64 { return d.At }

func (d Dispute) sameVisibleState(o Dispute) bool {
	return d.Status == o.Status && d.Amount == o.Amount
}

func (d Dispute) listed() bool { return d.Event == "" }

func (d Dispute) lost() bool { return d.Status == disputeLost }

// inquiry reports whether the dispute is only a question of the bank, which moves no money.
func (d Dispute) inquiry() bool { return strings.HasPrefix(d.Status, "warning_") }

// open reports whether the dispute needs or awaits a decision. A status that is not known here is open: an unknown word
// never releases a hold. Appeals of a lost dispute are open too.
func (d Dispute) open() bool {
	return !d.lost() && d.Status != disputeWon && d.Status != "prevented" && !d.inquiry()
}

// compareDisputes orders observations of one dispute by how likely each is to be the newest.
func compareDisputes(a, b Dispute) int {
	return cmp.Or(
		cmp.Compare(a.At, b.At), cmp.Compare(btoi(a.listed()), btoi(b.listed())),
		cmp.Compare(disputeRank[a.Status], disputeRank[b.Status]),
		strings.Compare(a.Event, b.Event), strings.Compare(a.Status, b.Status),
		cmp.Compare(a.Amount, b.Amount), cmp.Compare(a.Created, b.Created),
	)
}

// DisputeSeen is a fact: a Dispute as an event or a list of Stripe showed it.
type DisputeSeen struct {
	ID DisputeID
	Dispute
}

func (f DisputeSeen) mergeInto(r *Record) {
	kept := append(slices.Clone(r.Disputes[f.ID]), f.Dispute)
	slices.SortFunc(kept, compareDisputes)
	r.Disputes = maps.Clone(r.Disputes)
	if r.Disputes == nil {
		r.Disputes = DisputeHistories{}
	}
	r.Disputes[f.ID] = withinWindow(slices.Compact(kept))
}

// disputes returns each dispute as it was last seen. The first is the most important one: a lost one, else an open one,
// else the newest.
func (r *Record) disputes() []DisputeSeen {
	var list []DisputeSeen
	for id, kept := range r.Disputes {
		list = append(list, DisputeSeen{id, kept[len(kept)-1]})
	}
	slices.SortFunc(list, func(a, b DisputeSeen) int {
		return cmp.Or(
			cmp.Compare(btoi(b.lost()), btoi(a.lost())), cmp.Compare(btoi(b.open()), btoi(a.open())),
			cmp.Compare(b.Created, a.Created), strings.Compare(string(b.ID), string(a.ID)),
		)
	})
	return list
}

// ambiguousDisputesUntil returns the time, in Unix seconds, before which no list can decide which observation
// of a dispute is the newest; zero if none is ambiguous. Different observations within the window are
// ambiguous, unless a list has decided between them.
func (r *Record) ambiguousDisputesUntil() (notBefore int64) {
	for _, kept := range r.Disputes {
		last := kept[len(kept)-1]
		ambiguous := func(d Dispute) bool {
			return !d.sameVisibleState(last) && (!last.listed() || !r.Listing.includes(d))
		}
		if slices.ContainsFunc(kept, ambiguous) {
			notBefore = max(notBefore, last.At+2*window)
		}
	}
	return notBefore
}

// includes reports whether the list was made with the event known.
func (l *RefundListing) includes(d Dispute) bool {
	return l != nil && !d.listed() && slices.Contains(l.KnownBefore, d.Event)
}
