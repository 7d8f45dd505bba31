package payment

import "time"

// plan adds the work that follows: reads, sweeps, attention, pointers and the end of the order.
func (o *Order) plan(c *Changes, now time.Time) {
	for i := range o.Attempts {
		a := &o.Attempts[i]
		p := o.Loaded[a.Payment]
		if p == nil || p.Record.Empty() {
			continue
		}
		c.Reads = append(c.Reads, Due{a.Payment, o.readAt(a, p, now)})
		c.Sweeps = append(c.Sweeps, Due{a.Payment, o.sweepAt(a, p, now)})
		o.planPointer(a, c, now)
	}
	for _, id := range o.pass.wantReads {
		if o.Loaded[id] == nil {
			c.Reads = append(c.Reads, Due{id, now})
		}
	}
	c.Attention = o.attentionAt(now)
	c.Expires = o.expires()
}

// pointerSlack is how much longer a pointer stays than its order.
const pointerSlack = 30 * 24 * time.Hour

// planPointer writes a pointer that is missing, and renews one that could end before the order does.
func (o *Order) planPointer(a *Attempt, c *Changes, now time.Time) {
	missing := o.pass.noPointer && a.Payment == o.pass.announceID
	needed := now.Add(o.Rules.Retention + orderOutlives).Unix()
	if a.PointerUntil > needed && !missing {
		return
	}
	until := now.Add(o.Rules.Retention + orderOutlives + pointerSlack)
	a.PointerUntil = until.Unix()
	c.Pointers = append(c.Pointers, Pointer{a.Payment, until})
}

// attentionAt returns when a worker must check the order itself, because an attempt is unknown or the
// response to one is.
func (o *Order) attentionAt(now time.Time) time.Time {
	if o.hasUnknownAttempt() {
		return o.afterLease(now)
	}
	last := o.last()
	if last == nil || !last.pending() {
		return time.Time{}
	}
	tried, searched := time.UnixMilli(last.Tried), time.UnixMilli(last.Searched)
	if last.Searched < last.Tried {
		return later(o.afterLease(now), tried.Add(searchAfter))
	}
	if last.MayAbandon(now) {
		return o.afterLease(now)
	}
	pause := min(max(searched.Sub(tried), searchAfter), time.Hour)
	return later(o.afterLease(now), searched.Add(pause))
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

const (
	// orderOutlives is how much longer an order stays than PAYMENT_RETENTION.
	orderOutlives = 24 * time.Hour
	// refusedKept is how long an order stays that Stripe refused: as long as Stripe may remember the key of its
	// attempt, and a day more.
	refusedKept = 48 * time.Hour
)

// expires returns after which time without a change the order may be forgotten; zero while it can be paid.
func (o *Order) expires() time.Duration {
	switch {
	case o.Foreign != "", o.Winner != "", o.Closed != "", o.allCanceled():
		return o.Rules.Retention + orderOutlives
	case o.unbound():
		return refusedKept
	}
	return 0
}
