package push

import (
	"context"
	"errors"
	"time"
)

// attempt makes one try of a delivery and records its result. A delivery that is held back stays claimed in Redis, and is
// claimed again when deliveries go on.
func (w *endpointWorker) attempt(ctx, request context.Context, d Delivery) {
	slots := w.first
	if d.Retry {
		slots = w.retry
	}
	select {
	case slots <- struct{}{}:
	case <-ctx.Done():
		return
	case <-request.Done():
		return
	}
	if ctx.Err() != nil || w.disabled.Load() || w.circuit.open.Load() && !d.Probe {
		<-slots
		return
	}
	began := w.now()
	status, err := w.destination.Push(request, d.Event)
	<-slots
	if err != nil && request.Err() != nil {
		return // we canceled it: the delivery is another owner's, or comes again
	}
	w.record(context.WithoutCancel(ctx), Attempt{Delivery: d, Status: status, Took: w.now().Sub(began)}, err)
}

// record writes the result of an attempt. Where that fails, the delivery is made again.
func (w *endpointWorker) record(ctx context.Context, a Attempt, failure error) {
	ctx, cancel := context.WithTimeout(ctx, stopGrace)
	defer cancel()
	outcome, err := "delivered", error(nil)
	if failure == nil {
		err = w.recorder.record(ctx, a)
		w.succeeded(ctx)
	} else {
		a.Reason = failure.Error()
		outcome, err = w.recordFailure(ctx, a, failure)
	}
	if err != nil {
		w.log.WarnContext(ctx, "push: could not record the result; the event may be delivered again",
			"endpoint", w.destination.Name(), "event", a.Event.ID, "error", err)
	}
	if w.observer != nil {
		w.observer.PushAttempted(w.destination.Name(), outcome, a.Event.CreatedAt)
	}
}

// recordFailure decides whether a failed delivery waits for a retry, is given up, or ends all deliveries.
func (w *endpointWorker) recordFailure(ctx context.Context, a Attempt, failure error) (outcome string, err error) {
	var f *Failure
	var retryAfter time.Duration
	if errors.As(failure, &f) {
		retryAfter = f.RetryAfter
	}
	details := []any{
		"endpoint", w.destination.Name(), "endpoint_id", w.id, "event", a.Event.ID, "tries", a.Tries + 1, "reason", a.Reason,
	}
	switch {
	case f != nil && f.Gone:
		changed, err := w.outbox.DisablePushes(ctx, w.id, DisabledGone)
		w.disabled.Store(w.disabled.Load() || err == nil)
		if changed {
			w.log.ErrorContext(ctx, "push: the endpoint answered 410 and is disabled; kasse events enable lets it go on", details...)
		}
		return "gone", err
	case !a.Early && lastTry(a.Tries):
		w.log.ErrorContext(ctx, "push: the last try failed, the event is given up", details...)
		w.failed(ctx, a, retryAfter)
		return "dead", w.outbox.DeadLetterPush(ctx, w.id, a)
	}
	if w.circuit.open.Load() {
		w.log.DebugContext(ctx, "push: a try failed while the endpoint's circuit is open", details...)
	} else {
		w.log.WarnContext(ctx, "push: a try failed, the event waits for a retry", details...)
	}
	delay, asked := retryDelay(a.Tries, retryAfter)
	err = w.outbox.RetryPush(ctx, w.id, a, delay, asked)
	w.failed(ctx, a, retryAfter)
	return "failed", err
}

// claimReport sums what the partitions said in one claim.
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
		w.log.WarnContext(ctx, "push: the endpoint is disabled, its events wait", details...)
		return
	}
	w.log.WarnContext(ctx, "push: the endpoint is enabled, its events go on", details...)
	for _, q := range w.queues {
		q.appended = true
	}
	w.wakeUp()
}
