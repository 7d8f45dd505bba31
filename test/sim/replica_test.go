package sim_test

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"time"

	"kasse/service"
)

// Timeouts of one call. Redis's is that of a client with its retries.
const (
	stripeTimeout = 20 * time.Second
	redisTimeout  = 5 * time.Second
)

// maxFailures is low, so that some orders are closed by failed attempts.
const maxFailures = 2

// retention is the retention of finished orders.
const retention = 13200 * time.Hour

// replica is one process of the service. It implements service.Store and service.Stripe: every call is
// pending until the scheduler lets it continue.
type replica struct {
	sim  *simulation
	name string
	*service.Service
	ctx    context.Context // ends with the process
	cancel context.CancelFunc
	dead   bool // guarded by the simulation

	catchUpBegan time.Time // by the simulation's clock
}

// newReplica makes a process without its workers.
func (w *simulation) newReplica() *replica {
	w.started++
	r := &replica{sim: w, name: fmt.Sprintf("replica %d", w.started)}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	r.Service = service.New(r, r, service.Options{
		Name: "kasse", StripeTimeout: stripeTimeout, StripeReads: 100, MaxFailures: maxFailures, Retention: retention,
		Verification: w.settings.verify, AbandonAfter: 168 * time.Hour, Logger: slog.New(slog.DiscardHandler),
		Jitter: w.jitter,
	})
	r.SetLowestRetention(retention)
	w.replicas = append(w.replicas, r)
	return r
}

// startReplica starts a process with its workers.
func (w *simulation) startReplica() {
	r := w.newReplica()
	reads, reconcile := as(r.ctx, w.newActor(r.name+" reads")), as(r.ctx, w.newActor(r.name+" reconcile"))
	go func() {
		defer w.catchPanic()
		r.RunReadWorker(reads)
	}()
	go func() {
		defer w.catchPanic()
		r.Reconcile(reconcile)
	}()
}

// catchPanic fails the simulation if a goroutine of the service panics.
func (w *simulation) catchPanic() {
	if p := recover(); p != nil {
		w.violated("a panic: %v\n%s", p, debug.Stack())
	}
}

// crash ends a process. Its pending calls may still arrive.
func (w *simulation) crash(r *replica) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r.dead = true
	r.cancel()
	for _, c := range w.pending {
		if c.replica == r && !c.abandoned {
			c.abandoned, c.err = true, errDead
			close(c.answer)
		}
	}
	w.replicas = slices.DeleteFunc(w.replicas, func(other *replica) bool { return other == r })
}

func (w *simulation) newActor(name string) *actor {
	w.actors++
	return &actor{number: w.actors, name: name}
}
