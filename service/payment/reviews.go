package payment

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"
)

// ReviewID is the id of a Review of Stripe's Radar, "prv_…".
type ReviewID string

// Review is a payment that a person at the shop is to look at, as Stripe's Radar showed it.
//
// Source: https://docs.stripe.com/api/radar/reviews/object
type Review struct {
	Reason       string `json:"reason,omitempty"` // Stripe's opened_reason, verbatim
	OpenedAt     int64  `json:"opened"`           // Unix seconds
	Closed       bool   `json:"closed,omitempty"`
	ClosedReason string `json:"closed_reason,omitempty"` // verbatim
	Added        Added  `json:"-"`                       // by a newer program
}

// Reviews are the reviews of one payment.
type Reviews map[ReviewID]Review

// reviewApproved is the one closed_reason that releases a payment.
const reviewApproved = "approved"

// holds reports whether the payment must not be fulfilled: the review is open, or was closed without an
// approval, also for an unknown reason.
func (r Review) holds() bool { return !r.Closed || r.ClosedReason != reviewApproved }

// compareReviews orders observations of one review. Closed wins over open, and a reason over none. Of two
// reasons, which Stripe does not send, the one that holds wins.
func compareReviews(a, b Review) int {
	return cmp.Or(
		cmp.Compare(btoi(a.Closed), btoi(b.Closed)), cmp.Compare(
			btoi(a.ClosedReason != ""), btoi(b.ClosedReason != ""),
		),
		cmp.Compare(btoi(a.holds()), btoi(b.holds())),
		strings.Compare(
			a.ClosedReason, b.ClosedReason,
		), cmp.Compare(a.OpenedAt, b.OpenedAt), strings.Compare(a.Reason, b.Reason),
	)
}

// ReviewSeen is a fact: a Review as an event or an answer of Stripe showed it.
type ReviewSeen struct {
	ID ReviewID
	Review
}

func (f ReviewSeen) mergeInto(r *Record) {
	known, seen := r.Reviews[f.ID]
	if seen && compareReviews(known, f.Review) >= 0 {
		return
	}
	r.Reviews = maps.Clone(r.Reviews)
	if r.Reviews == nil {
		r.Reviews = Reviews{}
	}
	r.Reviews[f.ID] = f.Review
}

// inReview reports whether a review holds the payment.
func (r *Record) inReview() bool {
	for _, review := range r.Reviews {
		if review.holds() {
			return true
		}
	}
	return false
}

// unreadReview reports whether a snapshot names a review of which nothing is known, and no read since has shown it. The
// read of a key that may not see reviews shows nothing either, and is not repeated.
func (r *Record) unreadReview(s Observation) bool {
	_, known := r.Reviews[s.Review]
	return s.Review != "" && !known && r.ReadAt < s.At
}

// ReviewView is an open review as the holder of a service key sees it.
type ReviewView struct {
	ID       string    `json:"id"`
	Reason   string    `json:"reason"`
	OpenedAt time.Time `json:"opened_at"`
}

// openReview returns the open review that was opened last; nil where none is open.
func (r *Record) openReview() *ReviewView {
	open := slices.DeleteFunc(
		slices.Collect(maps.Keys(r.Reviews)), func(id ReviewID) bool { return r.Reviews[id].Closed },
	)
	if len(open) == 0 {
		return nil
	}
	id := slices.MaxFunc(open, func(a, b ReviewID) int {
		return cmp.Or(cmp.Compare(r.Reviews[a].OpenedAt, r.Reviews[b].OpenedAt), strings.Compare(string(a), string(b)))
	})
	review := r.Reviews[id]
	return &ReviewView{ID: string(id), Reason: review.Reason, OpenedAt: time.Unix(review.OpenedAt, 0).UTC()}
}

// KnowsDetails reports whether the record has the reviews among the facts as they are, and something of each charge.
func (r *Record) KnowsDetails(facts []RecordFact) bool {
	return !slices.ContainsFunc(facts, func(f RecordFact) bool {
		switch f := f.(type) {
		case ReviewSeen:
			known, seen := r.Reviews[f.ID]
			return !seen || compareReviews(known, f.Review) < 0
		case ChargeSeen:
			_, seen := r.Charges[f.ID]
			return !seen
		}
		return false
	})
}
