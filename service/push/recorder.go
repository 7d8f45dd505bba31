package push

import (
	"context"
	"sync"
	"time"
)

// recordEvery is how long a result waits at most for others to be recorded with it. A process that is killed delivers
// again what it had not recorded.
const recordEvery = 20 * time.Millisecond

// recorder records successful attempts of one endpoint, several in one call.
type recorder struct {
	worker  *endpointWorker
	mu      sync.Mutex
	busy    bool
	waiting []unrecorded
	running sync.WaitGroup
}

type unrecorded struct {
	queue   *partitionQueue
	attempt Attempt
}

// add records an attempt soon, and ends the hold of its delivery then.
func (r *recorder) add(ctx context.Context, q *partitionQueue, a Attempt) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting = append(r.waiting, unrecorded{q, a})
	if !r.busy {
		r.busy = true
		r.running.Go(func() { r.flush(ctx) })
	}
}

// flush makes calls until no attempt waits.
func (r *recorder) flush(ctx context.Context) {
	for {
		pause(ctx, r.worker.untilRecord())
		r.mu.Lock()
		batch := r.waiting
		r.waiting = nil
		r.mu.Unlock()
		attempts := make([]Attempt, len(batch))
		for i, u := range batch {
			attempts[i] = u.attempt
		}
		call, cancel := context.WithTimeout(ctx, stopGrace)
		if err := r.worker.outbox.FinishPushes(call, r.worker.id, attempts); err != nil {
			r.worker.logUnrecorded(ctx, len(batch), err)
		}
		cancel()
		for _, u := range batch {
			r.worker.drop(u.queue, u.attempt.Delivery)
		}
		r.mu.Lock()
		r.busy = len(r.waiting) > 0
		more := r.busy
		r.mu.Unlock()
		if !more {
			return
		}
	}
}

// wait returns when everything is recorded. No attempt may be added meanwhile.
func (r *recorder) wait() { r.running.Wait() }
