package service

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
	At      int64  `json:"at"`              // Unix seconds by Stripe's clock: the event's created, or the Date of the list
	Event   string `json:"event,omitempty"` // "evt_…"; none for a list
	Status  string `json:"status"`          // verbatim
	Amount  int64  `json:"amount"`          // minor units
	Created int64  `json:"created"`         // Unix seconds, of the dispute
}

// disputeRank orders the statuses of Stripe for the best guess; an inquiry may become a dispute.
var disputeRank = map[string]int{
	"warning_needs_response": 1, "warning_under_review": 2, "warning_closed": 3, "needs_response": 4, "under_review": 5, "won": 6, "lost": 7,
}

func (d Dispute) seenAt() int64 { return d.At }

func (d Dispute) alike(o Dispute) bool { return d.Status == o.Status && d.Amount == o.Amount }

func (d Dispute) listed() bool { return d.Event == "" }

func (d Dispute) lost() bool { return d.Status == "lost" }

// open reports whether the dispute needs or awaits a decision. An inquiry moves no money, and is none.
func (d Dispute) open() bool { return d.Status == "needs_response" || d.Status == "under_review" }

// compareDisputes orders sightings of one dispute by how likely each is to be the newest.
func compareDisputes(a, b Dispute) int {
	return cmp.Or(
		cmp.Compare(a.At, b.At), cmp.Compare(btoi(a.listed()), btoi(b.listed())), cmp.Compare(disputeRank[a.Status], disputeRank[b.Status]),
		strings.Compare(a.Event, b.Event), strings.Compare(a.Status, b.Status), cmp.Compare(a.Amount, b.Amount), cmp.Compare(a.Created, b.Created),
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
		r.Disputes = map[DisputeID][]Dispute{}
	}
	r.Disputes[f.ID] = withinWindow(slices.Compact(kept))
}

// disputes returns each dispute as it was last seen; the first is the one that says most of the payment: a lost one, or
// else an open one, or else the newest.
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

// doubtsDispute returns the moment before which no list can settle which sighting of a dispute is the newest; zero where
// none is in doubt. In doubt are different ones within the window, unless the list that settled it is known.
func (r *Record) doubtsDispute() (notBefore int64) {
	for _, kept := range r.Disputes {
		last := kept[len(kept)-1]
		settled := func(d Dispute) bool { return d.alike(last) || (last.listed() && r.Ledger.includes(d)) }
		doubtful := func(d Dispute) bool { return !settled(d) }
		if slices.ContainsFunc(kept, doubtful) {
			notBefore = max(notBefore, last.At+2*window)
		}
	}
	return notBefore
}

// includes reports whether the list was made with the event known.
func (l *Ledger) includes(d Dispute) bool {
	return l != nil && !d.listed() && slices.Contains(l.Covers, d.Event)
}
