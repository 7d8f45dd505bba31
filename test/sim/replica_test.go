package sim_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"kasse/service"
)

// Bounds of one call; Redis's is that of a client with its retries.
const (
	stripeTimeout = 20 * time.Second
	redisTimeout  = 5 * time.Second
)

// mostFailures is low, so that orders are closed for their customer's failures.
const mostFailures = 2

// replica is one process of the service. It implements service.Store and service.Stripe: every call stands before the
// world until it is let go.
type replica struct {
	world *world
	name  string
	*service.Service
	ctx    context.Context // ends with the process
	cancel context.CancelFunc
	dead   bool // guarded by the world
}

// startReplica starts a process with its worker.
func (w *world) startReplica() {
	w.born++
	r := &replica{world: w, name: fmt.Sprintf("replica %d", w.born)}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	r.Service = service.New(r, r, service.Options{
		Name: "kasse", StripeTimeout: stripeTimeout, StripeReads: 100, MaxFailures: mostFailures, AbandonAfter: 168 * time.Hour,
		Logger: slog.New(slog.DiscardHandler), Jitter: w.jitter,
	})
	w.replicas = append(w.replicas, r)
	attends, reconciles := as(r.ctx, w.newActor(r.name+" attends")), as(r.ctx, w.newActor(r.name+" reconciles"))
	go r.Attend(attends)
	go r.Reconcile(reconciles)
}

// crash ends a process where it stands. Of its calls those that are on their way may still arrive.
func (w *world) crash(r *replica) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r.dead = true
	r.cancel()
	for _, c := range w.standing {
		if c.replica == r && !c.gone {
			c.gone, c.err = true, errDead
			close(c.answer)
		}
	}
	w.replicas = slices.DeleteFunc(w.replicas, func(other *replica) bool { return other == r })
}

func (w *world) newActor(name string) *actor {
	w.actors++
	return &actor{number: w.actors, name: name}
}
