package payment

import (
	"cmp"
	"slices"
)

// window is the precision of Stripe's time stamps, in seconds. Time stamps closer than that have no certain
// order.
const window = 1

// maxFailures bounds the failed attempts kept of one payment. The smallest ids stay, so that a bounded union is still a
// union.
const maxFailures = 100

// Record is what is known of one PaymentIntent. It is a function of the set of facts seen, never of their arrival.
// Every field is a maximum, a union, or a window under a maximum, so merging is associative, commutative and
// idempotent.
type Record struct {
	Created int64 `json:"created,omitempty"` // Unix seconds, of the PaymentIntent
	// answer of the create call or payment_intent.created; fills, never overwrites
	Creation *Observation `json:"creation,omitempty"`
	// non-terminal events within window of the newest of them
	Recent   []Observation `json:"recent,omitempty"`
	Terminal []Observation `json:"terminal,omitempty"` // the newest of each terminal status
	// non-terminal reads within window of the newest of them
	Reads    []Read `json:"reads,omitempty"`
	Received int64  `json:"received,omitempty"` // the greatest amount received, in minor units
	// the greatest of these that Stripe itself showed, in minor units
	Vouched int64    `json:"vouched,omitempty"`
	Claims  []string `json:"claims,omitempty"` // webhooks that showed an end, or money
	Denied  []string `json:"denied,omitempty"` // the vouched events that a response has denied
	// failed attempts: the charge of each, or the event id of one without a charge
	Failures       []string         `json:"failures,omitempty"`
	StaleAt        int64            `json:"stale,omitempty"`    // Unix seconds: only a read dated later can be trusted
	Refunds        Refunds          `json:"refunds,omitempty"`  // each at its furthest status
	RefundedTotals []RefundedTotal  `json:"refunded,omitempty"` // sums given back, within window of the newest
	Disputes       DisputeHistories `json:"disputes,omitempty"` // the observations of each within window of its newest
	Charges        Charges          `json:"charges,omitempty"`  // each as it was last seen
	Reviews        Reviews          `json:"reviews,omitempty"`  // each open or closed
	Listing        *RefundListing   `json:"listing,omitempty"`  // the newest list of refunds and disputes
	// Unix seconds, of the newest event that only names the payment
	UnreadAt int64 `json:"unread,omitempty"`
	ReadAt   int64 `json:"read_at,omitempty"` // Unix seconds, the Date of the newest read

	// Unlisted is set where the record began with an event: refunds and disputes may have been reported before it
	// existed.
	Unlisted bool `json:"unlisted,omitempty"`

	Added Added `json:"-"` // by a newer program
}

// Read is a PaymentIntent as Stripe showed it in the answer to a call.
type Read struct {
	Observation
	IDs []string `json:"ids,omitempty"` // of the answer, and of others that showed the same in the same second
	// Events and answers known before the call, so the answer includes them.
	KnownBefore   []string `json:"known,omitempty"`
	CaptureBefore int64    `json:"capture_before,omitempty"` // Unix seconds, the end of an authorization
}

// RecordFact is one thing learned of a PaymentIntent: an Event, a Creation, a Read, a StaleResponse, a Named or a
// Denial; of money given back: a RefundSeen, a RefundedTotal, a DisputeSeen or a RefundListing; or a ChargeSeen or
// a ReviewSeen.
type RecordFact interface{ mergeInto(r *Record) }

// Event is a snapshot from a webhook or from the list of events.
type Event struct {
	Observation
	Listed bool // Stripe's list of events has it, so that no forged webhook can be its source
}

// Creation is the PaymentIntent as it was made.
type Creation struct{ Observation }

// StaleResponse is the Date, in Unix seconds, of a response that may be older than its date: a replay, or the
// response to a call that was sent twice.
type StaleResponse int64

// Merge returns the record with the fact in it. The record that it was given stays as it was.
func Merge(r Record, f RecordFact) Record {
	f.mergeInto(&r)
	r.dropEnded()
	return r
}

// dropEnded drops data that is never shown once the payment has ended: its creation and intermediate
// observations. It commutes with every merge, since an end stays known. Failed attempts, the received sum and
// both ends of a contradiction stay.
func (r *Record) dropEnded() {
	if len(r.Terminal) > 0 {
		r.Creation, r.Recent, r.Reads, r.StaleAt = nil, nil, nil, 0
	}
}

// Empty reports whether nothing that can be shown has been seen yet.
func (r *Record) Empty() bool {
	return r.Creation == nil && len(r.Recent) == 0 && len(r.Terminal) == 0 && len(r.Reads) == 0
}

func (e Event) mergeInto(r *Record) {
	r.accumulate(e.Observation)
	if !e.Listed && (e.Status.Terminal() || e.AmountReceived > 0) {
		r.Claims = boundedUnion(r.Claims, e.Event)
	}
	switch {
	case e.Status.Terminal():
		if e.Vouched = e.Listed; e.Listed {
			r.Vouched = max(r.Vouched, e.AmountReceived)
		}
		r.Terminal = newestOfEach(r.Terminal, e.Observation)
	default:
		r.Recent = newestWindow(r.Recent, e.Observation)
	}
}

func (c Creation) mergeInto(r *Record) {
	r.accumulate(c.Observation)
	switch {
	case c.vouched():
		r.Vouched = max(r.Vouched, c.AmountReceived)
	case c.Status.Terminal() || c.AmountReceived > 0:
		r.Claims = boundedUnion(r.Claims, c.Event)
	}
	if r.Creation == nil || compareStamps(*r.Creation, c.Observation) < 0 {
		r.Creation = &c.Observation
	}
}

func (a Read) mergeInto(r *Record) {
	r.accumulate(a.Observation)
	r.ReadAt, r.Vouched = max(r.ReadAt, a.At), max(r.Vouched, a.AmountReceived)
	switch {
	case a.Status.Terminal():
		r.Terminal = newestOfEach(r.Terminal, a.Observation)
	default:
		r.Reads = newestReads(r.Reads, a)
	}
}

// Named is the time, in Unix seconds, of an event that names the PaymentIntent and shows nothing of it that can be
// decoded.
type Named int64

func (at Named) mergeInto(r *Record) { r.UnreadAt = max(r.UnreadAt, int64(at)) }

func (at StaleResponse) mergeInto(r *Record) { r.StaleAt = max(r.StaleAt, int64(at)) }

// accumulate merges the parts that only grow: the sum received and the set of failed attempts.
func (r *Record) accumulate(s Observation) {
	r.Received = max(r.Received, s.AmountReceived)
	if !s.failed() {
		return
	}
	attempt := cmp.Or(s.Failure.ownCharge(), s.Event)
	if attempt == "" {
		return
	}
	at, known := slices.BinarySearch(r.Failures, attempt)
	if known {
		return
	}
	r.Failures = slices.Insert(slices.Clone(r.Failures), at, attempt)
	r.Failures = r.Failures[:min(len(r.Failures), maxFailures)]
}

// newestOfEach keeps the best observation of each terminal status, in the order of compareEnds.
func newestOfEach(kept []Observation, s Observation) []Observation {
	kept = keepNewer(kept, s, compareEvidence, func(k Observation) bool { return k.Status == s.Status })
	slices.SortFunc(kept, compareEnds)
	return kept
}

// newestWindow adds an event and drops those older than the newest by more than the window. An event that arrives
// in two API versions is kept in the newer one.
func newestWindow(kept []Observation, s Observation) []Observation {
	return withinWindow(keepNewer(kept, s, compareStamps, func(k Observation) bool { return k.Event == s.Event }))
}

// keepNewer adds an observation in the order of compare. Of two that are the same the newer stays.
func keepNewer(
	kept []Observation, s Observation, compare func(a, b Observation) int, same func(Observation) bool,
) []Observation {
	kept = slices.Clone(kept)
	i := slices.IndexFunc(kept, same)
	switch {
	case i < 0:
		kept = append(kept, s)
	case compare(kept[i], s) < 0:
		kept[i] = s
	}
	slices.SortFunc(kept, compare)
	return kept
}

// newestReads adds a read and drops reads older than the newest by more than the window. A read with the same
// content as another only extends what that one includes.
func newestReads(kept []Read, a Read) []Read {
	kept = slices.Clone(kept)
	i := slices.IndexFunc(kept, func(k Read) bool { return compareReads(k, a) == 0 })
	if i < 0 {
		i, kept = len(kept), append(kept, a)
	}
	kept[i].IDs, kept[i].KnownBefore = union(kept[i].IDs, a.IDs), union(kept[i].KnownBefore, a.KnownBefore)
	kept[i].CaptureBefore = max(kept[i].CaptureBefore, a.CaptureBefore)
	slices.SortFunc(kept, compareReads)
	return withinWindow(kept)
}

func union(a, b []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(slices.Concat(a, b))))
}

// withinWindow drops what is older than the last, the newest, by more than the window: it can never come back.
func withinWindow[T interface{ seenAt() int64 }](kept []T) []T {
	newest := kept[len(kept)-1].seenAt()
	return slices.DeleteFunc(kept, func(k T) bool { return k.seenAt() < newest-window })
}

// KnownIDs returns the ids of the events and answers that a read begun now includes.
func (r *Record) KnownIDs() []string {
	ids := make([]string, 0, len(r.Recent)+len(r.Reads))
	for _, s := range r.Recent {
		ids = append(ids, s.Event)
	}
	for _, a := range r.Reads {
		ids = append(ids, a.IDs...)
	}
	return append(ids, r.knownReversals()...)
}
