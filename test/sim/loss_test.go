package sim_test

import (
	"maps"
	"time"
)

// state is a copy of Redis's data.
type state struct {
	at    time.Time
	parts []*partition
}

// keepState copies the data after a write, so that Redis can return to it.
func (w *simulation) keepState() {
	if w.settings.losses == 0 || w.faultsEnded {
		return
	}
	s := state{at: time.Now()}
	for _, p := range w.redis.parts {
		s.parts = append(s.parts, p.clone())
	}
	w.states = append(w.states, s)
}

// goBack returns Redis to an earlier state, as after a power cut or a failover to a lagging replica: the
// whole of it, one of its servers, or only one server's pointers.
func (w *simulation) goBack() {
	back := w.draw.IntN(len(w.states))
	if w.happens(0.7) {
		back = min(back, w.draw.IntN(12))
	}
	s := w.states[len(w.states)-1-back]
	w.losses++
	w.lostAt = time.Now()
	kind := w.draw.IntN(6)
	at := w.draw.IntN(len(w.redis.parts))
	switch {
	case kind == 0:
		w.tracef("the pointers of partition %d go back to %s", at, s.at.Format(time.TimeOnly))
		w.redis.parts[at].pointers = maps.Clone(s.parts[at].pointers)
		w.pointersLost = true
	case kind < 3 && len(w.redis.parts) > 1:
		w.tracef("partition %d goes back to %s", at, s.at.Format(time.TimeOnly))
		w.redis.parts[at] = s.parts[at].clone()
		w.pointersLost = true
		w.needsRebuild = w.needsRebuild || w.outOfCatchUp(s.at)
	default:
		w.tracef("Redis goes back to %s", s.at.Format(time.TimeOnly))
		for i := range w.redis.parts {
			w.redis.parts[i] = s.parts[i].clone()
		}
		w.states = w.states[:len(w.states)-back]
	}
	for _, o := range w.orders {
		o.forget()
	}
	for _, p := range w.stripe.intents {
		p.shownAge = 0
	}
	w.elapse(time.Millisecond)
	w.keepState()
	w.states[len(w.states)-1].at = s.at  // as old as its oldest part
	if time.Since(s.at) > 20*time.Hour { // Stripe may have forgotten the keys of lost attempts
		w.crashAll()
		w.startReplica()
		w.awaitRecovery()
	}
}

// outOfCatchUp reports whether a running pass of the catch-up has applied an event that was then lost, and that is
// older than the start of the next pass. At its end this pass saves its cursor behind the lost event, so that no later
// pass reads it. Without such a pass the cursor goes back with the events.
func (w *simulation) outOfCatchUp(since time.Time) bool {
	began := w.caughtUp
	for _, r := range w.replicas {
		if r.catchUpBegan.After(began) {
			began = r.catchUpBegan
		}
	}
	if !began.After(w.caughtUp) {
		return false
	}
	const margin = time.Hour - 20*time.Minute // the service's own margin, less the clocks' differences
	for _, e := range w.stripe.events {
		if e.acked && !e.ackedAt.Before(since) && time.Unix(e.Created, 0).Before(began.Add(-margin)) {
			return true
		}
	}
	return false
}

// forget marks the order's prices as not applied, since Redis may have lost the newest one.
func (o *order) forget() {
	for _, p := range o.prices {
		p.applied = false
	}
}
