package push

import (
	"context"
	"errors"
	"time"
)

// attempt makes one try of a delivery. It reports whether nothing is left to record; otherwise the
// recorder drops the delivery. One that is held back stays claimed in Redis, and is claimed again
// when deliveries go on.
func (w *endpointWorker) attempt(ctx, request context.Context, q *partitionQueue, d Delivery) (recorded bool) {
	slots := w.first
	if d.Retry {
		slots = w.retry
	}
	select {
	case slots <- struct{}{}: // there is room, as mostly
	default:
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return true
		case <-request.Done():
			return true
		}
	}
	if ctx.Err() != nil || w.disabled.Load() || w.circuit.open.Load() && !d.Probe {
		<-slots
		return true
	}
	began := w.now()
	status, err := w.destination.Push(request, d.Event)
	<-slots
	if err != nil && request.Err() != nil {
		return true // we canceled it: the delivery is another owner's, or comes again
	}
	a := Attempt{Delivery: d, Status: status, Took: w.now().Sub(began)}
	after := context.WithoutCancel(ctx) // the result is recorded although the process stops
	if err == nil {
		w.recorder.add(after, q, a)
		w.succeeded(after)
		w.observe("delivered", a)
		return false
	}
	after, cancel := context.WithTimeout(after, stopGrace)
	defer cancel()
	a.Reason = err.Error()
	outcome, unrecorded := w.recordFailure(after, a, err)
	if unrecorded != nil {
		w.logUnrecorded(after, 1, unrecorded)
	}
	w.observe(outcome, a)
	return true
}

func (w *endpointWorker) observe(outcome string, a Attempt) {
	if w.observer != nil {
		w.observer.PushAttempted(w.destination.Name(), outcome, a.Event.CreatedAt)
	}
}

func (w *endpointWorker) logUnrecorded(ctx context.Context, count int, err error) {
	w.log.WarnContext(ctx, "push: could not record results; events may be delivered again",
		"endpoint", w.destination.Name(), "count", count, "error", err)
}

// recordFailure decides whether a failed delivery waits for a retry, is given up, or ends all
// deliveries.
func (w *endpointWorker) recordFailure(ctx context.Context, a Attempt, failure error) (outcome string, err error) {
	var f *Failure
	var retryAfter time.Duration
	if errors.As(failure, &f) {
		retryAfter = f.RetryAfter
	}
	details := []any{
		"endpoint", w.destination.Name(), "endpoint_id", w.id, "event", a.Event.ID, "tries", a.Tries +
			1, "reason", a.Reason,
	}
	switch {
	case f != nil && f.Gone:
		changed, err := w.outbox.DisablePushes(ctx, w.id, DisabledGone)
		w.disabled.Store(w.disabled.Load() || err == nil)
		if changed {
			w.log.ErrorContext(ctx,
				"push: disabled the endpoint, which answered 410; kasse events enable enables it again", details...)
		}
		return "gone", err
	case !a.Early && lastTry(a.Tries):
		w.log.ErrorContext(ctx, "push: the last try failed; the event is now a dead letter", details...)
		w.failed(ctx, a, retryAfter)
		return "dead", w.outbox.DeadLetterPush(ctx, w.id, a)
	}
	if w.circuit.open.Load() {
		w.log.DebugContext(ctx, "push: a try failed; the endpoint's circuit is open", details...)
	} else {
		w.log.WarnContext(ctx, "push: a try failed; the event is retried later", details...)
	}
	delay, asked := retryDelay(a.Tries, retryAfter)
	err = w.outbox.RetryPush(ctx, w.id, a, delay, asked)
	w.failed(ctx, a, retryAfter)
	return "failed", err
}

// claimReport sums the works of one claim.
type claimReport struct {
	failed   error
	lost     int
	disabled bool
}

func (r *claimReport) add(share Share, work Work) {
	r.failed = errors.Join(r.failed, work.Err)
	r.lost += work.Lost
	if work.Err == nil && share.Partition == 0 { // the switch is set in partition 0 last, and cleared there last
		r.disabled = work.Disabled
	}
}

// report logs each change once, and counts.
func (w *endpointWorker) report(ctx context.Context, r claimReport) {
	name := w.destination.Name()
	switch {
	case ctx.Err() != nil:
	case r.failed != nil && !w.claimFailed:
		w.log.WarnContext(ctx, "push: claim failed, retrying", "endpoint", name, "error", r.failed)
	case r.failed == nil && w.claimFailed:
		w.log.WarnContext(ctx, "push: claim recovered", "endpoint", name)
	}
	w.claimFailed = r.failed != nil
	if r.lost > 0 {
		w.log.ErrorContext(ctx, "push: events were trimmed before they were delivered (EVENT_RETENTION)",
			"endpoint", name, "count", r.lost)
	}
	if w.disabled.Swap(r.disabled) != r.disabled {
		w.reportSwitch(ctx, r.disabled)
	}
	if w.observer == nil {
		return
	}
	waiting := 0
	for _, q := range w.queues {
		waiting += q.waiting
	}
	w.observer.PushesWaiting(name, waiting)
	if r.lost > 0 {
		w.observer.PushesLost(name, r.lost)
	}
}

func (w *endpointWorker) reportSwitch(ctx context.Context, disabled bool) {
	details := []any{"endpoint", w.destination.Name(), "endpoint_id", w.id}
	if disabled {
		w.log.WarnContext(ctx, "push: the endpoint is disabled; its events wait", details...)
		return
	}
	w.log.WarnContext(ctx, "push: the endpoint is enabled; deliveries continue", details...)
	for _, q := range w.queues {
		q.appended = true
	}
	w.wakeUp()
}
