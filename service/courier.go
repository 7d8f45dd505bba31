package service

import (
	"context"
	"crypto/rand"
	"errors"
	mathrand "math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"kasse/service/payment"
)

// pushSchedule is Standard Webhooks': the pauses after the first try, the second, and so on; ten tries in three days.
var pushSchedule = []time.Duration{
	5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
}

const (
	pushWindow   = 64                    // first deliveries of a partition in the hands of one process
	pushFirst    = 32                    // of them to one endpoint at the same time
	pushRetries  = 16                    // retries to one endpoint at the same time: they take nothing from the first
	pushLease    = 5 * time.Second       // after which a dead process's deliveries are another's
	pushHide     = 20 * time.Second      // of a retry under way: longer than a try takes
	pushPoll     = time.Second           // between claims by itself, should a hint be lost, and half of it more at most
	pushPause    = 20 * time.Millisecond // between claims at least
	pushGrace    = 3 * time.Second       // for deliveries under way when the process stops
	retryAfterUp = 24 * time.Hour        // what an endpoint may ask for at most
)

// courier brings events to one endpoint, for one process.
type courier struct {
	*Relay
	endpoint Endpoint
	owner    string
	lanes    []*lane       // by partition
	first    chan struct{} // slots
	again    chan struct{} // slots of retries
	retrying sync.WaitGroup
	nudge    chan struct{} // a delivery has ended: there is room
	disabled atomic.Bool
	away     bool // the last claim failed
	turn     int  // partition that is asked for retries first
}

func newCourier(r *Relay, e Endpoint) *courier {
	c := &courier{
		Relay: r, endpoint: e, owner: rand.Text(), first: make(chan struct{}, pushFirst), again: make(chan struct{}, pushRetries),
		nudge: make(chan struct{}, 1),
	}
	for range r.outbox.PartitionCount() {
		c.lanes = append(c.lanes, &lane{})
	}
	return c
}

// run claims and delivers until the context ends.
func (c *courier) run(ctx context.Context) {
	working, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	appended, stop := c.outbox.WatchEvents()
	defer stop()
	for ctx.Err() == nil {
		c.claim(ctx, working)
		select {
		case <-ctx.Done():
		case <-appended:
		case <-c.nudge:
		case <-time.After(pushPoll + mathrand.N(pushPoll/2)): //nolint:gosec // no secret
		}
		pause(ctx, pushPause)
	}
	grace := time.AfterFunc(pushGrace, cut)
	defer grace.Stop()
	for _, l := range c.lanes {
		l.running.Wait()
	}
	c.retrying.Wait()
	c.release(context.WithoutCancel(ctx))
}

// claim asks all partitions for work, and begins it.
func (c *courier) claim(ctx, working context.Context) {
	shares := make([]PushShare, len(c.lanes))
	for n := range shares {
		held := c.lanes[n].held()
		shares[n] = PushShare{Held: held, First: max(pushWindow-held, 0)}
	}
	for range cap(c.again) - len(c.again) {
		c.turn = (c.turn + 1) % len(c.lanes)
		shares[c.turn].Retries++
	}
	works := c.outbox.ClaimPushes(ctx, PushClaim{Endpoint: c.endpoint.ID(), Owner: c.owner, Lease: pushLease, Shares: shares, Hide: pushHide})
	var failed error
	lost, waiting, disabled := 0, 0, false
	for n, work := range works {
		lost, waiting, disabled = lost+work.Lost, waiting+work.Waiting, disabled || work.Disabled
		failed = errors.Join(failed, work.Err)
		c.begin(ctx, working, c.lanes[n], work)
	}
	c.report(ctx, failed, lost, waiting, disabled)
}

// begin takes up the work of one partition. One that another process has meanwhile taken over is dropped.
func (c *courier) begin(ctx, working context.Context, l *lane, work PushWork) {
	if work.Taken {
		l.drop()
	}
	for _, id := range l.accept(working, work.First) {
		l.running.Go(func() { c.follow(ctx, l, id) })
	}
	for _, d := range work.Retries {
		c.again <- struct{}{} // there is room: no more were asked for
		c.retrying.Go(func() {
			defer func() { <-c.again; c.poke() }()
			c.deliver(working, d)
		})
	}
}

// follow delivers what has come of one payment, one after the other, until nothing is left.
func (c *courier) follow(ctx context.Context, l *lane, id payment.ID) {
	for more := true; more; more = l.done(id) {
		working, d := l.head(id)
		select {
		case c.first <- struct{}{}:
			if !c.disabled.Load() && ctx.Err() == nil {
				c.deliver(working, d) //nolint:contextcheck // the lane's own: it ends when another process has the partition
			}
			<-c.first
		case <-ctx.Done():
		case <-working.Done():
		}
		c.poke()
	}
	c.poke()
}

func (c *courier) poke() {
	select {
	case c.nudge <- struct{}{}:
	default:
	}
}

// deliver makes one try, and notes what came of it. Where that cannot be noted, the delivery is made again.
func (c *courier) deliver(ctx context.Context, d Delivery) {
	failure := c.endpoint.Push(ctx, d.Event)
	if failure != nil && ctx.Err() != nil {
		return // broken off by us: it is another's now, or comes again
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), pushGrace) // what is known should be noted
	defer cancel()
	outcome, err := c.note(ctx, d, failure)
	if err != nil {
		c.log.WarnContext(ctx, "push: it may be made twice, since what came of it could not be noted", "endpoint", c.endpoint.Name(), "event", d.Event.ID, "error", err)
	}
	if c.observer != nil {
		c.observer.Pushed(c.endpoint.Name(), outcome, d.Event.CreatedAt)
	}
}

func (c *courier) note(ctx context.Context, d Delivery, failure error) (outcome string, err error) {
	id := c.endpoint.ID()
	if failure == nil {
		return "delivered", c.outbox.FinishPush(ctx, id, d)
	}
	details := []any{"endpoint", c.endpoint.Name(), "endpoint_id", id, "event", d.Event.ID, "tries", d.Tries + 1, "reason", failure.Error()}
	var f *PushFailure
	switch {
	case errors.As(failure, &f) && f.Gone:
		changed, err := c.outbox.DisablePushes(ctx, id)
		if changed {
			c.log.ErrorContext(ctx, "push: the endpoint answered 410 and is disabled; kasse events enable lets it go on", details...)
		}
		return "gone", err
	case d.Tries >= len(pushSchedule):
		c.log.ErrorContext(ctx, "push: given up", details...)
		return "dead", c.outbox.BuryPush(ctx, id, d, failure.Error())
	}
	c.log.WarnContext(ctx, "push: failed", details...)
	return "failed", c.outbox.DelayPush(ctx, id, d, nextTry(d.Tries, f))
}

// nextTry is the pause after so many tries and one: a tenth more or less than the schedule's, so that what failed together
// does not come together, and no less than the endpoint asks for.
func nextTry(tries int, f *PushFailure) time.Duration {
	planned := pushSchedule[tries]
	planned += mathrand.N(planned/5) - planned/10 //nolint:gosec // no secret
	if f == nil {
		return planned
	}
	return max(planned, min(f.RetryAfter, retryAfterUp))
}

// report says what is not as it should be, once for each change.
func (c *courier) report(ctx context.Context, failed error, lost, waiting int, disabled bool) {
	name := c.endpoint.Name()
	if (failed != nil) != c.away && ctx.Err() == nil {
		c.away = failed != nil
		c.log.WarnContext(ctx, "push: Redis", "endpoint", name, "away", c.away, "error", failed)
	}
	if lost > 0 {
		c.log.ErrorContext(ctx, "push: events were trimmed before they were delivered (EVENT_RETENTION)", "endpoint", name, "count", lost)
	}
	if failed == nil && c.disabled.Swap(disabled) != disabled {
		c.log.WarnContext(ctx, "push: endpoint", "endpoint", name, "endpoint_id", c.endpoint.ID(), "disabled", disabled)
	}
	if c.observer != nil {
		c.observer.Backlog(name, waiting)
		if lost > 0 {
			c.observer.Lost(name, lost)
		}
	}
}

// release lets others have the partitions at once: a claim of nothing, with a lease that is over.
func (c *courier) release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, pushGrace)
	defer cancel()
	_ = c.outbox.ClaimPushes(ctx, PushClaim{Endpoint: c.endpoint.ID(), Owner: c.owner, Shares: make([]PushShare, len(c.lanes))}) // else the lease ends by itself
}
