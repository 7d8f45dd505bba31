package service

import (
	"cmp"
	"slices"
)

// window is the precision of Stripe's time stamps, in seconds: within it they tell nothing about order.
const window = 1

// maxFailures bounds the failed attempts kept of one payment; the smallest ids stay, so that a bounded union is still
// one.
const maxFailures = 100

// Record is what is known of one PaymentIntent. It is a function of the set of facts seen, never of their arrival:
// every field is a maximum, a union, or a window under a maximum, so merging is associative, commutative and
// idempotent.
type Record struct {
	Created  int64      `json:"created,omitempty"`  // Unix seconds, of the PaymentIntent
	Opening  *Sighting  `json:"opening,omitempty"`  // the create's answer or payment_intent.created: it fills, and never overwrites
	Recent   []Sighting `json:"recent,omitempty"`   // the non-terminal events within window of the newest of them
	Terminal []Sighting `json:"terminal,omitempty"` // the newest of each terminal status
	Reads    []Read     `json:"reads,omitempty"`    // the answers to reads of the running payment within window of the newest of them
	Received int64      `json:"received,omitempty"` // the greatest amount received, in minor units
	Failures []string   `json:"failures,omitempty"` // failed attempts: the charge each made, or the event of one that made none
	Doubt    int64      `json:"doubt,omitempty"`    // Unix seconds: only a read dated later can be trusted

	Refunds  map[RefundID]Refund     `json:"refunds,omitempty"`  // each at its furthest status
	Returned []Returned              `json:"returned,omitempty"` // how much is given back, within window of the newest word
	Disputes map[DisputeID][]Dispute `json:"disputes,omitempty"` // the sightings of each within window of its newest
	Ledger   *Ledger                 `json:"ledger,omitempty"`   // the newest list of refunds and disputes
	Unlisted bool                    `json:"unlisted,omitempty"` // events about money given back may have come before there was a record
}

// Read is a PaymentIntent as Stripe itself showed it when asked.
type Read struct {
	Sighting
	IDs           []string `json:"ids,omitempty"`            // of the answer, and of others that said the same in the same second
	Covers        []string `json:"covers,omitempty"`         // events and answers known before the question, and so included in the answer
	CaptureBefore int64    `json:"capture_before,omitempty"` // Unix seconds, the end of an authorisation
}

// Fact is one thing learned of a PaymentIntent: an Event, an Opening, a Read or a Doubt; or of money given back: a
// RefundSeen, a Returned, a DisputeSeen or a Ledger.
type Fact interface{ mergeInto(r *Record) }

// Event is what a webhook or the list of events said.
type Event struct{ Sighting }

// Opening is the PaymentIntent as it was made.
type Opening struct{ Sighting }

// Doubt says that an answer dated so, in Unix seconds, may have been older than its date: a replay, or a repeated call.
type Doubt int64

// Merge returns the record with the fact in it; the record it was given stays as it was.
func Merge(r Record, f Fact) Record {
	f.mergeInto(&r)
	return r
}

// Empty reports whether nothing that can be shown has been seen yet.
func (r *Record) Empty() bool {
	return r.Opening == nil && len(r.Recent) == 0 && len(r.Terminal) == 0 && len(r.Reads) == 0
}

func (e Event) mergeInto(r *Record) {
	r.note(e.Sighting)
	switch {
	case e.Status.terminal():
		r.Terminal = newestOfEach(r.Terminal, e.Sighting)
	default:
		r.Recent = newestWindow(r.Recent, e.Sighting)
	}
}

func (o Opening) mergeInto(r *Record) {
	r.note(o.Sighting)
	if r.Opening == nil || compareStamps(*r.Opening, o.Sighting) < 0 {
		r.Opening = &o.Sighting
	}
}

func (a Read) mergeInto(r *Record) {
	r.note(a.Sighting)
	switch {
	case a.Status.terminal():
		r.Terminal = newestOfEach(r.Terminal, a.Sighting)
	default:
		r.Reads = newestReads(r.Reads, a)
	}
}

func (d Doubt) mergeInto(r *Record) { r.Doubt = max(r.Doubt, int64(d)) }

// note takes the parts that only ever grow.
func (r *Record) note(s Sighting) {
	r.Received = max(r.Received, s.AmountReceived)
	if !s.failed() {
		return
	}
	attempt := cmp.Or(s.Failure.made(), s.Event)
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

// newestOfEach keeps the newest sighting of each terminal status.
func newestOfEach(kept []Sighting, s Sighting) []Sighting {
	return keepNewer(kept, s, compareEnds, func(k Sighting) bool { return k.Status == s.Status })
}

// newestWindow adds an event and drops those older than the newest by more than the window. An event that arrives in
// two API versions is kept in the newer one.
func newestWindow(kept []Sighting, s Sighting) []Sighting {
	return withinWindow(keepNewer(kept, s, compareStamps, func(k Sighting) bool { return k.Event == s.Event }))
}

// keepNewer adds a sighting, in the order of compare; of two that are the same the newer stays.
func keepNewer(kept []Sighting, s Sighting, compare func(a, b Sighting) int, same func(Sighting) bool) []Sighting {
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

// newestReads adds an answer and drops those older than the newest by more than the window. One that says what another
// has said only adds to what that one covers.
func newestReads(kept []Read, a Read) []Read {
	kept = slices.Clone(kept)
	i := slices.IndexFunc(kept, func(k Read) bool { return compareReads(k, a) == 0 })
	if i < 0 {
		i, kept = len(kept), append(kept, a)
	}
	kept[i].IDs, kept[i].Covers = union(kept[i].IDs, a.IDs), union(kept[i].Covers, a.Covers)
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

// Seen returns the ids of the events and answers that a read begun now would cover.
func (r *Record) Seen() []string {
	ids := make([]string, 0, len(r.Recent)+len(r.Reads))
	for _, s := range r.Recent {
		ids = append(ids, s.Event)
	}
	for _, a := range r.Reads {
		ids = append(ids, a.IDs...)
	}
	return append(ids, r.returnsSeen()...)
}

// Shown is the one snapshot that the record stands for.
type Shown struct {
	Sighting
	Wanted     bool  // only Stripe can tell whether it is right: ask
	NotBefore  int64 // Unix seconds by Stripe's clock: an answer dated earlier would settle nothing
	Impossible bool  // both succeeded and canceled were seen
}

// Show picks the snapshot to show, all of whose fields belong together. The record must not be empty.
func (r *Record) Show() Shown {
	shown, finished := r.showTerminal()
	if !finished {
		shown = r.showRunning()
		shown.doubt(r.doubt(), r.lastRead())
	}
	received := max(shown.AmountReceived, r.Received)
	if r.missesRefunds() || r.mistakesRelease(shown.Amount, received) || r.Unlisted && received > 0 && r.Ledger == nil {
		shown.Wanted = true
	}
	if notBefore := r.doubtsDispute(); notBefore > 0 {
		shown.Wanted, shown.NotBefore = true, max(shown.NotBefore, notBefore)
	}
	return shown
}

// doubt asks for an answer that is surely newer than one whose date may be wrong.
func (s *Shown) doubt(at int64, last *Read) {
	if at > 0 && (last == nil || last.At < at+2*window) {
		s.Wanted, s.NotBefore = true, at+2*window
	}
}

// doubt returns the newest date that an answer may have borne wrongly, zero where there is none. Answers within the
// window that differ are in doubt too, unless one was asked for when the others were known.
func (r *Record) doubt() int64 {
	last := r.lastRead()
	for _, a := range r.Reads {
		if !a.alike(last.Snapshot) && !r.covered(a) {
			return max(r.Doubt, last.At)
		}
	}
	return r.Doubt
}

// lastRead returns the newest answer, nil before the first. (That all cover each other cannot be.)
func (r *Record) lastRead() *Read {
	var last *Read
	for i := range r.Reads {
		if last == nil || !r.covered(r.Reads[i]) {
			last = &r.Reads[i]
		}
	}
	return last
}

// covered reports whether the answer was known when another was asked for, and so is older.
func (r *Record) covered(a Read) bool {
	for _, later := range r.Reads {
		unknown := func(id string) bool { return !slices.Contains(later.Covers, id) }
		if len(a.IDs) > 0 && !slices.ContainsFunc(a.IDs, unknown) {
			return true
		}
	}
	return false
}

// showTerminal shows the end of the payment, once one is seen.
func (r *Record) showTerminal() (Shown, bool) {
	if len(r.Terminal) == 0 {
		return Shown{}, false
	}
	last := r.Terminal[len(r.Terminal)-1]
	contradicted := len(r.Terminal) > 1
	return Shown{Sighting: last, Impossible: contradicted, Wanted: contradicted && last.Event != "", NotBefore: last.At}, true
}

func (r *Record) showRunning() Shown {
	open, read := r.unread(), r.lastRead()
	switch {
	case len(open) == 0 && read != nil:
		return Shown{Sighting: read.Sighting}
	case len(open) == 0:
		return Shown{Sighting: *r.Opening}
	}
	if read != nil && open[len(open)-1].At <= read.At+window {
		open = append(open, read.Sighting)
		if !allAlike(open) {
			return Shown{Sighting: slices.MaxFunc(open, compareGuesses), Wanted: true}
		}
	}
	if last, certain := lastOf(open); certain {
		return Shown{Sighting: last}
	}
	return Shown{Sighting: slices.MaxFunc(open, compareGuesses), Wanted: true}
}

// unread returns the recent events that no read includes: one covers what was known when it began, and whatever is
// older than it by more than the window.
func (r *Record) unread() []Sighting {
	return slices.DeleteFunc(slices.Clone(r.Recent), func(s Sighting) bool {
		includes := func(a Read) bool { return s.At < a.At-window || slices.Contains(a.Covers, s.Event) }
		return slices.ContainsFunc(r.Reads, includes)
	})
}

func allAlike(list []Sighting) bool {
	return !slices.ContainsFunc(list, func(s Sighting) bool { return !s.alike(list[0].Snapshot) })
}

// lastOf returns the sighting that all others are alike to or certainly before.
func lastOf(list []Sighting) (Sighting, bool) {
	for _, last := range slices.Backward(list) {
		after := func(s Sighting) bool { return !s.alike(last.Snapshot) && !s.certainlyBefore(last.Snapshot) }
		if !slices.ContainsFunc(list, after) {
			return last, true
		}
	}
	return Sighting{}, false
}
