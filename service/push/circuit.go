package push

import (
	"context"
	"sync/atomic"
	"time"
)

// openAfter is how many tries in a row fail before the circuit opens. An endpoint that fails half
// of its requests at random reaches ten in a row once in about 2,000 requests.
const openAfter = 10

// probePauses are the bounds of the pause between two probes. After an outage of d the next probe
// comes within about d/2, and within half a minute.
var probePauses = Pauses{Min: 500 * time.Millisecond, Max: 30 * time.Second}

const (
	probeWithin = timeout + 5*time.Second // a probe takes no longer; after that another replica may make one
	circuitPoll = time.Second             // between two looks at an open circuit
	probeGap    = 100 * time.Millisecond  // between two attempts to get the right to probe
)

// circuit is this process's view of an endpoint's circuit, whose state is in Redis.
type circuit struct {
	failures atomic.Int32 // in a row
	open     atomic.Bool
	probeAt  atomic.Int64 // Unix milliseconds of the next probe

	// Only the claiming goroutine uses these.
	number int       // of the last probe
	lookAt time.Time // when to look at an open circuit again: another process may close it
}

func (c *circuit) probeIn(now time.Time, d time.Duration) { c.probeAt.Store(now.Add(d).UnixMilli()) }

func (c *circuit) nextProbe() time.Time { return time.UnixMilli(c.probeAt.Load()) }

// succeeded closes an open circuit: one delivery was accepted.
func (w *endpointWorker) succeeded(ctx context.Context) {
	w.circuit.failures.Store(0)
	if !w.circuit.open.Load() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, stopGrace)
	defer cancel()
	// The retries go first: no replica claims anything before the circuit is closed.
	moved, err := w.outbox.PullRetriesForward(ctx, w.id)
	if err != nil {
		w.log.WarnContext(ctx, "push: could not bring waiting retries forward; each waits for its own time",
			"endpoint", w.destination.Name(), "error", err)
	}
	changed, err := w.outbox.CloseCircuit(ctx, w.id)
	if err != nil {
		w.log.WarnContext(ctx, "push: could not close the circuit; the next success closes it",
			"endpoint", w.destination.Name(), "error", err)
		return
	}
	if changed {
		w.log.WarnContext(ctx, "push: circuit closed; the endpoint accepts events again",
			"endpoint", w.destination.Name(), "endpoint_id", w.id, "retries", moved)
	}
	w.circuit.open.Store(false)
	for n := range w.queues {
		w.appended.Add(n)
	}
}

// failed counts a failure. It opens the circuit, or delays the next probe of an open one.
func (w *endpointWorker) failed(ctx context.Context, a Attempt, retryAfter time.Duration) {
	if w.circuit.open.Load() {
		if !a.Probe {
			return
		}
		w.delayProbe(ctx, retryAfter)
		w.wakeUp()
		return
	}
	if w.circuit.failures.Add(1) < openAfter {
		return
	}
	changed, next, err := w.outbox.OpenCircuit(ctx, w.id, probePauses, retryAfter)
	if err != nil {
		return // the next failure tries again
	}
	w.circuit.probeIn(w.now(), next)
	w.circuit.open.Store(true) // followCircuit may have been sooner
	if changed {
		w.log.WarnContext(ctx, "push: circuit open: the endpoint fails; its events wait while single probes are sent",
			"endpoint", w.destination.Name(), "endpoint_id", w.id, "reason", a.Reason)
	}
	w.wakeUp()
}

// followCircuit takes over the state that another process may have changed.
func (w *endpointWorker) followCircuit(c Circuit, now time.Time) {
	w.circuit.probeIn(now, c.ProbeIn)
	if w.circuit.open.Swap(c.Open) && !c.Open {
		w.circuit.failures.Store(0)
		for n := range w.queues {
			w.appended.Add(n)
		}
	}
}

// probe sends one delivery to an endpoint whose circuit is open, when a probe is due and no request
// is under way.
func (w *endpointWorker) probe(stopCtx, deliverCtx context.Context) {
	if !w.circuit.open.Load() || w.disabled.Load() || stopCtx.Err() != nil || w.now().Before(w.circuit.nextProbe()) {
		return
	}
	candidates := false
	for _, q := range w.queues {
		if first, retries := q.held(); first+retries > 0 {
			return
		}
		candidates = candidates || q.mayProbe()
	}
	if !candidates {
		return
	}
	taken, next, err := w.outbox.ClaimProbe(stopCtx, w.id, probeWithin)
	w.circuit.probeIn(w.now(), max(next, probeGap))
	if err != nil || !taken {
		return
	}
	for range w.queues {
		w.circuit.number++
		n := w.circuit.number % len(w.queues)
		if w.queues[n].mayProbe() && w.claimProbe(stopCtx, deliverCtx, n) {
			return
		}
	}
	w.delayProbe(stopCtx, 0)
}

func (w *endpointWorker) delayProbe(ctx context.Context, notBefore time.Duration) {
	next, err := w.outbox.DelayProbe(ctx, w.id, probePauses, notBefore)
	if err != nil {
		w.log.WarnContext(ctx, "push: could not delay the next probe; the endpoint gets probes more often",
			"endpoint", w.destination.Name(), "error", err)
		return
	}
	w.circuit.probeIn(w.now(), next)
}

// mayProbe reports whether the partition may have a delivery for a probe.
func (q *partitionQueue) mayProbe() bool { return q.elsewhere.IsZero() && (q.candidate || q.appended) }

// claimProbe claims one delivery of a partition and starts it. It reports whether there was one.
func (w *endpointWorker) claimProbe(stopCtx, deliverCtx context.Context, n int) bool {
	q := w.queues[n]
	shares := []Share{{Partition: n, Probe: w.circuit.number}}
	work := w.outbox.ClaimPushes(stopCtx, Claim{Endpoint: w.id, Owner: w.owner, Lease: lease, Shares: shares})[0]
	for i := range work.Deliveries {
		work.Deliveries[i].Probe = true
	}
	w.start(stopCtx, deliverCtx, q, work.Deliveries)
	first, retries := q.held()
	q.observe(work, w.now())
	return first+retries > 0
}
