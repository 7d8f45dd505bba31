package payment

import "slices"

// Resolved is the one snapshot that a record stands for. All its fields come from one observation.
type Resolved struct {
	Observation
	NeedsRead     bool  // only a read at Stripe can show whether the snapshot is right
	NotBefore     int64 // Unix seconds by Stripe's clock: an answer dated earlier settles nothing
	Contradictory bool  // both succeeded and canceled were seen
	Received      int64 // minor units: how much money has come
}

// Resolve picks the snapshot to show. The record must not be empty.
//
//	known                                      | shown                              | needs a read
//	-------------------------------------------|------------------------------------|--------------------
//	a terminal snapshot                        | Stripe's own, else the newest      | if both ends were seen
//	only the creation                          | it                                 | no
//	events newer than the last read, all alike | that                               | no
//	one of them certainly after the others     | that one                           | no
//	otherwise                                  | the best guess                     | yes
//
// A stale response, an event that only names the payment, unknown refunds, an unknown review and ambiguous disputes
// ask for a read in every row.
func (r *Record) Resolve() Resolved {
	shown, finished := r.resolveTerminal()
	if !finished {
		shown = r.resolveRunning()
		shown.requireReadAfter(r.untrustedUntil(), r.lastRead())
	}
	shown.Received = max(shown.AmountReceived, r.Received)
	if finished && shown.vouched() {
		shown.Received = max(shown.AmountReceived, r.Vouched) // a higher sum of webhooks is not true
	}
	unlisted := r.Unlisted && shown.Received > 0 && r.Listing == nil
	if unlisted || r.hasUnknownRefunds() || r.releaseAmbiguous(shown.Amount, shown.Received) ||
		r.unreadReview(shown.Observation) {
		shown.NeedsRead = true
	}
	if notBefore := r.unreadUntil(shown.Received); notBefore > 0 {
		shown.NeedsRead, shown.NotBefore = true, max(shown.NotBefore, notBefore)
	}
	if notBefore := r.ambiguousDisputesUntil(); notBefore > 0 {
		shown.NeedsRead, shown.NotBefore = true, max(shown.NotBefore, notBefore)
	}
	return shown
}

// requireReadAfter requires a read that is certainly newer than an answer whose date, in Unix seconds, may be
// wrong.
func (s *Resolved) requireReadAfter(at int64, last *Read) {
	if at > 0 && (last == nil || last.At < at+2*window) {
		s.NeedsRead, s.NotBefore = true, at+2*window
	}
}

// unreadUntil returns the time, in Unix seconds, from which an answer includes the object of the newest event
// that only names the payment; zero if a read has shown it. Once money was received, a read includes refunds
// and disputes.
func (r *Record) unreadUntil(received int64) int64 {
	read := r.ReadAt
	if received > 0 {
		read = 0
		if r.Listing != nil {
			read = r.Listing.At
		}
	}
	if r.UnreadAt == 0 || read >= r.UnreadAt+2*window {
		return 0
	}
	return r.UnreadAt + 2*window
}

// untrustedUntil returns the newest date, in Unix seconds, at which an answer's date may be wrong; zero if
// there is none. Different answers within the window are untrusted, too, unless one was requested when the
// others were known.
func (r *Record) untrustedUntil() int64 {
	last := r.lastRead()
	for _, a := range r.Reads {
		if !a.sameVisibleState(last.Snapshot) && !r.supersededByRead(a) {
			return max(r.StaleAt, last.At)
		}
	}
	return r.StaleAt
}

// lastRead returns the newest read, nil before the first. Reads cannot all supersede each other.
func (r *Record) lastRead() *Read {
	var last *Read
	for i := range r.Reads {
		if last == nil || !r.supersededByRead(r.Reads[i]) {
			last = &r.Reads[i]
		}
	}
	return last
}

// supersededByRead reports whether the read was known when another was asked for, and so is older.
func (r *Record) supersededByRead(a Read) bool {
	for _, later := range r.Reads {
		unknown := func(id string) bool { return !slices.Contains(later.KnownBefore, id) }
		if len(a.IDs) > 0 && !slices.ContainsFunc(a.IDs, unknown) {
			return true
		}
	}
	return false
}

// resolveTerminal shows the end of the payment, once one is seen.
func (r *Record) resolveTerminal() (Resolved, bool) {
	if len(r.Terminal) == 0 {
		return Resolved{}, false
	}
	newest := r.Terminal[len(r.Terminal)-1]
	contradictory := len(r.Terminal) > 1
	return Resolved{
		Observation: slices.MaxFunc(r.Terminal, compareEvidence), Contradictory: contradictory,
		NeedsRead: contradictory && newest.Event != "", NotBefore: newest.At,
	}, true
}

// resolveRunning shows a payment that has not ended.
func (r *Record) resolveRunning() Resolved {
	open, read := r.afterReads(), r.lastRead()
	switch {
	case len(open) == 0 && read != nil:
		return Resolved{Observation: read.Observation}
	case len(open) == 0:
		return Resolved{Observation: *r.Creation}
	}
	if read != nil && open[len(open)-1].At <= read.At+window {
		open = append(open, read.Observation)
		if !sameVisibleStates(open) {
			return Resolved{Observation: slices.MaxFunc(open, compareGuesses), NeedsRead: true}
		}
	}
	if last, certain := certainlyLast(open); certain {
		return Resolved{Observation: last}
	}
	return Resolved{Observation: slices.MaxFunc(open, compareGuesses), NeedsRead: true}
}

// afterReads returns the recent events that no read includes. A read includes what was known when it began,
// and everything that is older by more than the window.
func (r *Record) afterReads() []Observation {
	return slices.DeleteFunc(slices.Clone(r.Recent), func(s Observation) bool {
		includes := func(a Read) bool { return s.At < a.At-window || slices.Contains(a.KnownBefore, s.Event) }
		return slices.ContainsFunc(r.Reads, includes)
	})
}

func sameVisibleStates(list []Observation) bool {
	return !slices.ContainsFunc(list, func(s Observation) bool { return !s.sameVisibleState(list[0].Snapshot) })
}

// certainlyLast returns the observation that all others equal or certainly precede.
func certainlyLast(list []Observation) (Observation, bool) {
	for _, last := range slices.Backward(list) {
		mayFollow := func(s Observation) bool {
			return !s.sameVisibleState(last.Snapshot) && !s.mustPrecede(last.Snapshot)
		}
		if !slices.ContainsFunc(list, mayFollow) {
			return last, true
		}
	}
	return Observation{}, false
}

// ShowsSame reports whether the record stands for the same as a snapshot.
func (r *Record) ShowsSame(s Snapshot) bool { return !r.Empty() && r.Resolve().sameVisibleState(s) }
