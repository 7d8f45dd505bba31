package push

import (
	"context"
	"crypto/rand"
	"slices"
	"sync/atomic"
	"time"
)

const (
	firstSlots  = 32 // requests of first deliveries to one endpoint at the same time
	retrySlots  = 16 // requests of retries at the same time; they use none of the first deliveries' slots
	queueWindow = 64 // first deliveries, and retries, of a partition that one process holds

	lease        = 2 * time.Second        // after which a dead owner's deliveries are another's
	renewAfter   = 700 * time.Millisecond // since the last claim of a partition with deliveries under way
	pollAfter    = 3 * time.Second        // between two claims without a hint, and up to half as long again
	hintPause    = 50 * time.Millisecond  // between two claims because of hints
	claimPause   = 5 * time.Millisecond   // between any two claims
	claimRetry   = time.Second            // after a claim that failed
	followerIdle = time.Second            // after which a goroutine without an order ends

	stopGrace = 3 * time.Second // for requests under way when the process stops
)

// endpointWorker delivers events to one endpoint, for one process. One goroutine claims; each order
// with claimed deliveries has a goroutine that makes them one after the other.
type endpointWorker struct {
	*Relay
	destination Destination
	id          EndpointID
	owner       string
	queues      []*partitionQueue // by partition
	first       chan struct{}     // slots
	retry       chan struct{}     // slots of retries
	appended    *Appended
	wake        chan struct{} // the claiming goroutine has something to do
	orders      chan orderRun // to goroutines that are idle
	recorder    recorder
	circuit     circuit
	disabled    atomic.Bool
	pollAt      time.Time // when to claim everything without any hint
	renewAt     time.Time // when to renew the leases of partitions with deliveries under way
	claimFailed bool      // the last claim failed
}

func newEndpointWorker(r *Relay, d Destination) *endpointWorker {
	w := &endpointWorker{
		Relay: r, destination: d, id: d.ID(), owner: rand.Text(), appended: NewAppended(), wake: make(chan struct{}, 1),
		orders: make(chan orderRun),
		first:  make(chan struct{}, firstSlots), retry: make(chan struct{}, retrySlots),
	}
	w.recorder = recorder{worker: w}
	for range r.outbox.PartitionCount() {
		w.queues = append(w.queues, &partitionQueue{})
	}
	return w
}

// run claims and delivers until stopCtx ends. deliverCtx is the context of the requests. The shutdown:
//
//  1. stopCtx ends: nothing more is claimed.
//  2. Requests under way end by themselves, or with deliverCtx after stopGrace.
//  3. Their results are recorded.
//  4. The leases are released.
func (w *endpointWorker) run(stopCtx context.Context) {
	deliverCtx, cancelRequests := context.WithCancel(context.WithoutCancel(stopCtx))
	defer cancelRequests()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for stopCtx.Err() == nil {
		began := w.now()
		timer.Reset(w.claim(stopCtx, deliverCtx))
		select {
		case <-stopCtx.Done():
		case <-w.appended.Hints():
		case <-w.wake:
		case <-timer.C:
		}
		pause(stopCtx, claimPause-w.now().Sub(began))
	}
	grace := time.AfterFunc(stopGrace, cancelRequests)
	defer grace.Stop()
	for _, q := range w.queues {
		q.running.Wait()
	}
	w.recorder.wait()
	w.release(context.WithoutCancel(stopCtx))
}

// claim asks the partitions that need it for work and starts it. It returns the pause until the
// next claim that is due by time.
func (w *endpointWorker) claim(stopCtx, deliverCtx context.Context) time.Duration {
	w.appended.Take(func(partition int) { w.queues[partition].appended = true })
	now := w.now()
	poll, renew := !now.Before(w.pollAt), !now.Before(w.renewAt)
	if poll {
		w.pollAt = w.nextPoll(now)
	}
	if renew {
		w.renewAt = now.Add(renewAfter)
	}
	look := w.circuit.open.Load() && !now.Before(w.circuit.lookAt)
	if look {
		w.circuit.lookAt = now.Add(circuitPoll)
	}
	c := Claim{Endpoint: w.id, Owner: w.owner, Lease: lease}
	for n, q := range w.queues {
		share, needed := w.share(n, q, now)
		if needed || look && n == 0 || poll && q.claimAt.IsZero() || renew && share.HeldFirst+share.HeldRetries > 0 {
			c.Shares = append(c.Shares, share)
		}
	}
	if len(c.Shares) > 0 {
		w.begin(stopCtx, deliverCtx, c)
	}
	w.probe(stopCtx, deliverCtx)
	return max(w.nextClaim(now).Sub(w.now()), 0)
}

// nextClaim returns when to claim again where no hint arrives before.
func (w *endpointWorker) nextClaim(now time.Time) time.Time {
	next := w.pollAt
	for _, q := range w.queues {
		if first, retries := q.held(); first+retries > 0 && w.renewAt.Before(next) {
			next = w.renewAt
		}
		if !q.claimAt.IsZero() && q.claimAt.Before(next) {
			next = q.claimAt
		}
		if q.nextRetry.After(now) && q.nextRetry.Before(next) && q.elsewhere.IsZero() && !w.heldBack() {
			next = q.nextRetry
		}
	}
	if !w.circuit.open.Load() {
		return next
	}
	if w.circuit.lookAt.Before(next) {
		next = w.circuit.lookAt
	}
	if at := w.circuit.nextProbe(); at.After(now) && at.Before(next) {
		next = at
	}
	return next
}

// share returns how many deliveries to claim from a partition, and whether to claim now. Deliveries are
// claimed in batches, when at most half of the window is in use.
func (w *endpointWorker) share(n int, q *partitionQueue, now time.Time) (s Share, needed bool) {
	s = Share{Partition: n}
	s.HeldFirst, s.HeldRetries = q.held()
	if !q.claimAt.IsZero() { // hints are for another owner, too; after a failure they come too soon
		needed = !now.Before(q.claimAt)
		if !needed || w.heldBack() {
			return s, needed
		}
	}
	if w.heldBack() {
		return s, false
	}
	if s.HeldFirst <= queueWindow/2 {
		s.First = queueWindow - s.HeldFirst
		needed = needed || q.appended || q.waiting > 0
	}
	if s.HeldRetries <= queueWindow/2 {
		s.Retries = queueWindow - s.HeldRetries
		needed = needed || !q.nextRetry.IsZero() && !now.Before(q.nextRetry)
	}
	return s, needed
}

// heldBack reports whether nothing but probes may be sent.
func (w *endpointWorker) heldBack() bool { return w.disabled.Load() || w.circuit.open.Load() }

// begin claims, and starts what was claimed.
func (w *endpointWorker) begin(stopCtx, deliverCtx context.Context, c Claim) {
	works := w.outbox.ClaimPushes(stopCtx, c)
	now := w.now()
	r := claimReport{disabled: w.disabled.Load()}
	for i, share := range c.Shares {
		q, work := w.queues[share.Partition], works[i]
		r.add(share, work)
		if work.OwnedElsewhere > 0 {
			q.abandon()
		}
		w.start(stopCtx, deliverCtx, q, work.Deliveries)
		q.observe(work, now)
		if share.Partition == 0 && work.Err == nil {
			w.followCircuit(work.Circuit, now)
		}
	}
	w.report(stopCtx, r)
}

// observe records what a claim has returned about the partition.
func (q *partitionQueue) observe(work Work, now time.Time) {
	if work.Err != nil {
		q.claimAt = now.Add(claimRetry)
		return
	}
	q.waiting = work.Waiting
	q.candidate = work.Waiting+work.Retries > 0 && work.OwnedElsewhere == 0
	q.appended, q.elsewhere, q.nextRetry, q.claimAt = false, time.Time{}, time.Time{}, time.Time{}
	if work.NextRetry >= 0 {
		q.nextRetry = now.Add(work.NextRetry)
	}
	if work.OwnedElsewhere > 0 {
		q.elsewhere = now.Add(work.OwnedElsewhere)
		q.claimAt = q.elsewhere
	}
}

// start queues deliveries and starts a goroutine for each order that has none. Deliveries that the
// endpoint does not want are finished without a request.
func (w *endpointWorker) start(stopCtx, deliverCtx context.Context, q *partitionQueue, all []Delivery) {
	wanted := make([]Delivery, 0, len(all))
	var skipped []Attempt
	for _, d := range all {
		if w.destination.Wants(d.Event.Type) && !w.has(d) {
			wanted = append(wanted, d)
		} else {
			skipped = append(skipped, Attempt{Delivery: d, Skipped: true})
		}
	}
	if len(skipped) > 0 {
		if err := w.outbox.FinishPushes(stopCtx, w.id, skipped); err != nil {
			w.log.WarnContext(stopCtx, "push: could not skip events; they are claimed again",
				"endpoint", w.destination.Name(), "count", len(skipped), "error", err)
		}
	}
	if len(wanted) == 0 {
		return
	}
	for _, order := range q.add(deliverCtx, wanted) {
		q.running.Add(1)
		select {
		case w.orders <- orderRun{q, order}:
		default:
			go w.followOrders(stopCtx, orderRun{q, order})
		}
	}
}

// has reports whether the endpoint got the event from an earlier entry of the stream. A retry is asked for, by hand
// too.
func (w *endpointWorker) has(d Delivery) bool {
	return !d.Retry && slices.Contains(d.Event.Sent, w.id.Group())
}

func (w *endpointWorker) wakeUp() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// release gives up the partitions' leases, with claims of nothing. If that fails, the leases expire.
func (w *endpointWorker) release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, stopGrace)
	defer cancel()
	c := Claim{Endpoint: w.id, Owner: w.owner}
	for n := range w.queues {
		c.Shares = append(c.Shares, Share{Partition: n})
	}
	_ = w.outbox.ClaimPushes(ctx, c)
}

func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
