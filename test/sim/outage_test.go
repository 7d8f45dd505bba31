package sim_test

import (
	"context"
	"slices"
	"testing/synctest"
	"time"

	"kasse/service"
)

func (w *simulation) crashAll() {
	for _, r := range slices.Clone(w.replicas) {
		w.crash(r)
	}
	synctest.Wait()
	w.conclude()
}

// stopFor lets time pass without a running replica, while customers act.
func (w *simulation) stopFor(d time.Duration) {
	w.tracef("no replica runs for %v", d)
	running := max(len(w.replicas), 1)
	w.crashAll()
	for range 1 + w.draw.IntN(4) {
		w.elapse(d / 4)
		if !w.faultsEnded {
			w.customerActs()
		}
	}
	w.elapse(d)
	for range running {
		w.startReplica()
	}
}

// outage stops all replicas for minutes, or until Stripe has deleted every idempotency key.
func (w *simulation) outage() {
	w.stopFor(pick(w, 10*time.Minute, 26*time.Hour))
	if w.losses > 0 {
		w.awaitRecovery()
	}
}

// awaitRecovery starts no new requests until lost data is restored. After a day an idempotency key no longer prevents a
// second creation of a lost attempt.
func (w *simulation) awaitRecovery() {
	w.faultsEnded = true
	w.until("every request ends", func() bool { return len(w.begun) == 0 })
	w.recover()
	w.until("all is settled", w.settled)
	w.faultsEnded = false
	w.keepState()
}

// recover restores lost data with a rebuild, or with the catch-up alone.
func (w *simulation) recover() {
	if w.losses == 0 || w.failure != nil {
		return
	}
	const catchUpFirst = 72*time.Hour - 2*time.Hour // the service's own margin, less the clocks' differences
	first := slices.ContainsFunc(w.redis.parts, func(p *partition) bool { return p.caughtUp.IsZero() })
	w.needsRebuild = w.needsRebuild || (first && time.Since(w.began) > catchUpFirst)
	if !w.settings.rebuild && !w.needsRebuild {
		begun := time.Now()
		w.until("a catch-up has ended", func() bool { return w.caughtUp.After(begun) })
		return
	}
	w.crashAll()
	w.elapse(time.Minute)
	for w.redis.leased() { // if Redis's clock has gone back, leases last longer
		w.elapse(time.Minute)
	}
	r := w.newReplica()
	w.begin("rebuild", func(ctx context.Context, at *replica) error {
		return at.Rebuild(ctx, retention, &service.Recovery{})
	}, func(err error) {
		if err != nil {
			w.violated("the rebuild fails: %v", err)
		}
		w.pointersLost = false
	})
	w.until("the rebuild ends", func() bool { return len(w.begun) == 0 })
	w.crash(r)
	synctest.Wait()
	w.startReplica()
}
