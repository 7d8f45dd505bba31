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

// takeover is how long Redis is away before it goes back.
const takeover = 2500 * time.Millisecond

// goBack returns Redis to an earlier state, as after a power cut or a failover to a lagging replica: the
// whole of it, one of its servers, or only one server's pointers.
func (w *simulation) goBack() {
	back := w.draw.IntN(len(w.states))
	if w.happens(0.7) {
		back = min(back, w.draw.IntN(12))
	}
	s := w.states[len(w.states)-1-back]
	w.elapse(takeover)
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
		w.redis.goBack(at, s.parts[at])
		w.pointersLost = true
	default:
		w.tracef("Redis goes back to %s", s.at.Format(time.TimeOnly))
		for i := range w.redis.parts {
			w.redis.goBack(i, s.parts[i])
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
	if time.Since(s.at) > 20*time.Hour { // Stripe may have deleted the keys of lost attempts
		w.crashAll()
		w.startReplica()
		w.awaitRecovery()
	}
}

// forget marks the order's prices as not applied, since Redis may have lost the newest one.
func (o *order) forget() {
	for _, p := range o.prices {
		p.applied = false
	}
}
