package sim_test

import (
	"maps"
	"time"
)

// state is what Redis held at a moment.
type state struct {
	at    time.Time
	parts []*partition
}

// keepState keeps the state after a write, so that Redis can go back to it.
func (w *simulation) keepState() {
	if w.settings.losses == 0 || w.calm {
		return
	}
	s := state{at: time.Now()}
	for _, p := range w.redis.parts {
		s.parts = append(s.parts, p.clone())
	}
	w.states = append(w.states, s)
}

// goBack lets Redis go back to an earlier state, as after a power cut or a failover that lags: the whole of it, one
// of its servers, or only the pointers of one.
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
		w.note("Redis loses pointers, and goes back to %s", s.at.Format(time.TimeOnly))
		w.redis.parts[at].pointers = maps.Clone(s.parts[at].pointers)
		w.pointersLost = true
	case kind < 3 && len(w.redis.parts) > 1:
		w.note("partition %d of Redis goes back to %s", at, s.at.Format(time.TimeOnly))
		w.redis.parts[at] = s.parts[at].clone()
		w.pointersLost = true
		w.needsRebuild = w.needsRebuild || w.outOfCatchUp(s.at)
	default:
		w.note("Redis goes back to %s", s.at.Format(time.TimeOnly))
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
	w.states[len(w.states)-1].at = s.at  // as old as the oldest part of it
	if time.Since(s.at) > 20*time.Hour { // Stripe may have forgotten the keys of lost attempts
		w.crashAll()
		w.startReplica()
		w.awaitRecovery()
	}
}

// outOfCatchUp reports whether an event was applied since a moment that the next catch-up would not look at: the
// cursor of catch-up lies in another partition, which did not go back.
func (w *simulation) outOfCatchUp(since time.Time) bool {
	const margin = time.Hour - 20*time.Minute // the service's own, less what clocks differ by
	oldest := w.redis.parts[0].caughtUp.Add(-margin)
	for _, e := range w.stripe.events {
		if e.acked && !e.ackedAt.Before(since) && time.Unix(e.Created, 0).Before(oldest) {
			return true
		}
	}
	return false
}

// forget drops what the simulation knows of the order's prices: only Redis knew which one was the newest.
func (o *order) forget() {
	for _, p := range o.prices {
		p.applied = false
	}
}
