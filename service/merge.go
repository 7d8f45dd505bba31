package service

import (
	"cmp"
	"encoding/json"
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
	Terminal []Sighting `json:"terminal,omitempty"` // the newest event of each terminal status
	Read     *Read      `json:"read,omitempty"`     // the last answer to a read
	Received int64      `json:"received,omitempty"` // the greatest amount received, in minor units
	Failures []string   `json:"failures,omitempty"` // failed attempts: the failure's charge, or the event that made none
	Doubt    int64      `json:"doubt,omitempty"`    // Unix seconds: only a read dated later can be trusted
}

// Read is a PaymentIntent as Stripe itself showed it when asked.
type Read struct {
	Sighting
	Covers        []string `json:"covers,omitempty"`         // events known before the question, and so included in the answer
	CaptureBefore int64    `json:"capture_before,omitempty"` // Unix seconds, the end of an authorisation
}

// Fact is one thing learned of a PaymentIntent: an Event, an Opening, a Read or a Doubt.
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
	return r.Opening == nil && len(r.Recent) == 0 && len(r.Terminal) == 0 && r.Read == nil
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
	a.Covers = slices.Clone(a.Covers)
	slices.Sort(a.Covers)
	if r.Read == nil {
		r.Read = &a
		return
	}
	if order := compareReads(*r.Read, a); order != 0 {
		if order < 0 {
			r.Read = &a
		}
		return
	}
	r.Read = r.mergeSameSecond(*r.Read, a)
}

func (d Doubt) mergeInto(r *Record) { r.Doubt = max(r.Doubt, int64(d)) }

// note takes the parts that only ever grow.
func (r *Record) note(s Sighting) {
	r.Received = max(r.Received, s.AmountReceived)
	if !s.failed() {
		return
	}
	attempt := cmp.Or(s.Failure.Charge, s.Event)
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
	kept = slices.Clone(kept)
	i := slices.IndexFunc(kept, func(k Sighting) bool { return k.Status == s.Status })
	switch {
	case i < 0:
		kept = append(kept, s)
	case compareStamps(kept[i], s) < 0:
		kept[i] = s
	}
	slices.SortFunc(kept, compareStamps)
	return kept
}

// newestWindow adds a sighting and drops what is older than the newest by more than the window: it can never come
// back. An event that arrives in two API versions is kept in the newer one.
func newestWindow(kept []Sighting, s Sighting) []Sighting {
	kept = slices.Clone(kept)
	i := slices.IndexFunc(kept, func(k Sighting) bool { return k.Event == s.Event })
	switch {
	case i < 0:
		kept = append(kept, s)
	case compareStamps(kept[i], s) < 0:
		kept[i] = s
	}
	slices.SortFunc(kept, compareStamps)
	newest := kept[len(kept)-1].At
	return slices.DeleteFunc(kept, func(k Sighting) bool { return k.At < newest-window })
}

// compareReads orders reads by date, but no read of an unfinished payment displaces one of a finished.
func compareReads(a, b Read) int {
	return cmp.Or(cmp.Compare(btoi(a.Status.terminal()), btoi(b.Status.terminal())), cmp.Compare(a.At, b.At))
}

// mergeSameSecond joins two reads of one second. Where they differ nobody can say which is newer: a third is asked for.
func (r *Record) mergeSameSecond(a, b Read) *Read {
	if !a.alike(b.Snapshot) {
		r.Doubt = max(r.Doubt, a.At)
	}
	if compareGuesses(a.Sighting, b.Sighting) < 0 || (compareGuesses(a.Sighting, b.Sighting) == 0 && canonical(a) < canonical(b)) {
		a, b = b, a
	}
	a.Covers = slices.Compact(slices.Sorted(slices.Values(slices.Concat(a.Covers, b.Covers))))
	a.CaptureBefore = max(a.CaptureBefore, b.CaptureBefore)
	return &a
}

// canonical gives the last, arbitrary but fixed, order between reads that nothing else tells apart.
func canonical(a Read) string {
	text, _ := json.Marshal(a.Snapshot) //nolint:errchkjson // strings and numbers only
	return string(text)
}

// Seen returns the ids of the events that a read begun now would cover.
func (r *Record) Seen() []string {
	ids := make([]string, 0, len(r.Recent))
	for _, s := range r.Recent {
		ids = append(ids, s.Event)
	}
	return ids
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
	if shown, finished := r.showTerminal(); finished {
		return shown
	}
	shown := r.showRunning()
	if r.Doubt > 0 && (r.Read == nil || r.Read.At <= r.Doubt) {
		shown.Wanted, shown.NotBefore = true, r.Doubt+2*window
	}
	return shown
}

// showTerminal shows the end of the payment, once one is seen.
func (r *Record) showTerminal() (Shown, bool) {
	ends := slices.Clone(r.Terminal)
	if r.Read != nil && r.Read.Status.terminal() {
		ends = append(ends, r.Read.Sighting)
	}
	if len(ends) == 0 {
		return Shown{}, false
	}
	last := slices.MaxFunc(ends, func(a, b Sighting) int {
		return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(btoi(a.Event == ""), btoi(b.Event == "")), compareStamps(a, b))
	})
	contradicted := slices.ContainsFunc(ends, func(e Sighting) bool { return e.Status != last.Status })
	return Shown{Sighting: last, Impossible: contradicted, Wanted: contradicted && last.Event != "", NotBefore: last.At}, true
}

func (r *Record) showRunning() Shown {
	open := r.unread()
	switch {
	case len(open) == 0 && r.Read != nil:
		return Shown{Sighting: r.Read.Sighting}
	case len(open) == 0:
		return Shown{Sighting: *r.Opening}
	}
	if r.Read != nil && open[len(open)-1].At <= r.Read.At+window {
		open = append(open, r.Read.Sighting)
		if !allAlike(open) {
			return Shown{Sighting: slices.MaxFunc(open, compareGuesses), Wanted: true}
		}
	}
	if last, certain := lastOf(open); certain {
		return Shown{Sighting: last}
	}
	return Shown{Sighting: slices.MaxFunc(open, compareGuesses), Wanted: true}
}

// unread returns the recent events that the last read does not include: a read covers what was known when it began,
// and whatever is older than it by more than the window.
func (r *Record) unread() []Sighting {
	if r.Read == nil {
		return slices.Clone(r.Recent)
	}
	return slices.DeleteFunc(slices.Clone(r.Recent), func(s Sighting) bool {
		return s.At < r.Read.At-window || slices.Contains(r.Read.Covers, s.Event)
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
