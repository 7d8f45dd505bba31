package sim_test

import (
	"reflect"
	"slices"
	"testing/synctest"
	"time"

	"kasse/service/payment"
)

// advanceCall lets one pending call arrive, or its response. It returns false if there was none.
func (w *simulation) advanceCall() bool {
	c, abandoned := w.choose()
	if c == nil {
		return false
	}
	w.last = c.actor
	switch {
	case c.done:
		w.reply(c)
	case abandoned && w.happens(0.5):
		w.remove(c)
		w.tracef("%s: %s %s never arrives", c.actor.name, c.name, c.subject)
	case abandoned:
		w.arrive(c)
		w.remove(c)
	case w.fault(0.03):
		w.refuseCall(c)
	default:
		w.arrive(c)
		if w.happens(0.8) {
			w.reply(c)
		}
	}
	synctest.Wait()
	return true
}

// choose picks a pending call and reports whether its caller has given up.
func (w *simulation) choose() (c *call, abandoned bool) {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	slices.SortFunc(w.pending, compareCalls)
	w.pending = slices.DeleteFunc(w.pending, func(c *call) bool {
		return c.abandoned && (c.done || w.faultsEnded || !c.writes() || time.Since(c.sent) > c.timeout)
	})
	switch {
	case len(w.pending) == 0:
		return nil, false
	case w.faultsEnded:
		c = slices.MinFunc(w.pending, func(a, b *call) int { return a.sent.Compare(b.sent) })
		return c, c.abandoned
	}
	busy := slices.DeleteFunc(slices.Clone(w.pending), func(c *call) bool { return c.polls() || w.isSlow(c) })
	switch {
	case w.hasWork() && w.happens(0.5), w.happens(0.05):
		c = pick(w, w.pending...)
	case len(busy) > 0:
		c = pick(w, busy...)
	default:
		return nil, false
	}
	if w.happens(w.settings.sameActor) {
		if at := slices.IndexFunc(busy, func(c *call) bool { return c.actor == w.last }); at >= 0 {
			c = busy[at]
		}
	}
	return c, c.abandoned
}

// hasWork reports whether a queue has work for a worker.
func (w *simulation) hasWork() bool {
	return slices.ContainsFunc(w.redis.parts, func(p *partition) bool { return len(p.reads)+len(p.attention) > 0 })
}

// isSlow reports whether a call is one of the few slow ones. More happens during a slow call.
func (w *simulation) isSlow(c *call) bool {
	if !c.seen {
		c.seen = true
		if w.fault(0.05) {
			c.slowUntil = w.steps + w.draw.IntN(100)
		}
	}
	return w.steps < c.slowUntil
}

// arrive lets a call take effect.
func (w *simulation) arrive(c *call) {
	c.value, c.err = c.do()
	c.done = true
	w.traceCall(c)
}

// reply lets a call's response arrive. The response may be lost, or the client may have sent the call again.
func (w *simulation) reply(c *call) {
	switch {
	case w.fault(0.03):
		w.tracef("%s: the response to %s %s is lost", c.actor.name, c.name, c.subject)
		c.value, c.err = nil, c.timedOut()
	case !c.toStripe() && w.fault(0.02):
		c.value, c.err = c.do()
		w.tracef("%s: %s %s is sent again: %s", c.actor.name, c.name, c.subject, outcome(c.err))
	case c.toStripe() && c.writes() && c.err == nil && w.fault(0.03):
		w.tracef("%s: %s %s was sent again: the first response", c.actor.name, c.name, c.subject)
		c.value = w.stripe.repeated(c.value)
	}
	w.remove(c)
	close(c.answer)
}

// refuseCall responds in place of Redis or Stripe.
func (w *simulation) refuseCall(c *call) {
	c.err = redisUnreachable()
	if c.toStripe() {
		code := pick(w, payment.CodeStripeRateLimited, payment.CodeStripeUnavailable, payment.CodeStripeError,
			payment.CodeIdempotencyInProgress)
		c.err = &payment.Error{Code: code, Detail: "a fault", RetryAfter: time.Second}
	}
	w.tracef("%s: %s %s fails: %s", c.actor.name, c.name, c.subject, outcome(c.err))
	w.remove(c)
	close(c.answer)
}

func (w *simulation) remove(c *call) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pending = slices.DeleteFunc(w.pending, func(other *call) bool { return other == c })
}

// traceCall writes a line of the trace about a call. It omits polls that found no work.
func (w *simulation) traceCall(c *call) {
	if ids := reflect.ValueOf(c.value); !c.polls() || (ids.Kind() == reflect.Slice && ids.Len() > 0) {
		w.tracef("%s: %s %s: %s", c.actor.name, c.name, c.subject, outcome(c.err))
	}
}
