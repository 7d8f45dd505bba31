package payment

import (
	"slices"
	"strconv"
	"time"
)

// Apply returns the order with the fact applied, and the visible changes. It is pure: the receiver stays
// unchanged. The result includes what the fact changes in the order's other payments.
func (o Order) Apply(f Fact, now time.Time) (Order, Changes) {
	before := o
	o = o.clone()
	f.applyTo(&o, now)
	if len(o.pass.needs) == 0 {
		o.deriveStates(now)
		o.needVisiblyChanged(before)
	}
	if len(o.pass.needs) > 0 {
		return before, Changes{Needs: o.pass.needs}
	}
	c := o.announce(&before, now)
	c.Now = now
	o.plan(&c, now)
	o.list(&c, now)
	c.Unlist = before.Listed
	c.Reads = slices.DeleteFunc(c.Reads, func(d Due) bool {
		return d.At.IsZero() && before.ReadDue(d.Payment, now).IsZero()
	})
	c.NoAttention = before.Stored() && c.Attention.IsZero() && before.attentionAt(now).IsZero()
	c.NoExpiry = before.Stored() && c.Expires == 0 && before.expires() == 0
	o.pass = pass{} // the next fact may be applied to this order, without a load between
	return o, c
}

// deriveStates derives states, failures, winner and superseded payments from the facts.
func (o *Order) deriveStates(now time.Time) {
	for id, p := range o.Loaded {
		a := o.Attempt(id)
		if a == nil || p.Record.Empty() {
			continue
		}
		if a.Number <= o.Forgotten {
			p.Record = p.Record.withoutPerson()
		}
		p.matchRefunds()
		a.State, a.Failures = p.state(), len(p.Record.Failures)
	}
	if o.Foreign != "" {
		return
	}
	if o.failures() > o.Rules.MaxFailures && !o.Frozen() {
		o.close(ClosedByFailures)
	}
	o.pass.fulfilled = o.FulfillableAt != 0
	o.dropDeniedWinner()
	if o.Winner == "" {
		o.chooseWinner(now)
	}
	o.markSuperseded(now)
	if w := o.Loaded[o.Winner]; w != nil && o.FulfillableAt == 0 && o.fulfillable(w) {
		o.FulfillableAt = now.Unix()
		if at := o.pass.succeeded[w.ID]; at > 0 && o.pass.restored {
			o.FulfillableAt = at
		}
	}
	o.fulfilExpired()
}

// chooseWinner makes the first payment that has succeeded the order's winner. While Stripe is being asked to set
// another amount, the amount that was paid is the order's.
func (o *Order) chooseWinner(now time.Time) {
	for i := range o.Attempts {
		a := &o.Attempts[i]
		p := o.Loaded[a.Payment]
		if p == nil || !a.State.Won() {
			continue
		}
		if o.Proposed.Amount == p.Record.Resolve().Amount || !o.Lease.Held(now) {
			o.acceptProposal()
		}
		o.Proposed = Proposal{}
		o.Winner = a.Payment
		return
	}
}

// markSuperseded marks every payment except the order's current one. The current one is also marked while it
// is being cancelled so that another can follow. That mark is cleared if the payment continues instead, or
// has ended without a successor for a while.
func (o *Order) markSuperseded(now time.Time) {
	current := o.Current()
	for i := range o.Attempts {
		a := &o.Attempts[i]
		switch {
		case a.Payment == "":
		case a.Payment != current:
			a.Superseded = true
		case o.Winner != "":
			a.Superseded = false
		case a.Superseded && !o.Lease.Held(now) && (a.State == InProgress || o.withdrawalEnded(a, now)):
			a.Superseded = false
		}
	}
}

// withdrawalGrace is how long after a withdrawal the next attempt may follow without an order.canceled in between: the
// answer of Stripe may have been lost, and the customer tries again.
const withdrawalGrace = time.Minute

// withdrawalEnded reports whether a withdrawn payment was cancelled, and no other has followed for a while.
func (o *Order) withdrawalEnded(a *Attempt, now time.Time) bool {
	return a.State == CanceledState && now.Sub(time.UnixMilli(a.WithdrawnAt)) >= withdrawalGrace
}

// fulfillable reports whether nothing holds a received payment.
func (o *Order) fulfillable(p *Payment) bool {
	a := o.Attempt(p.ID)
	return a != nil && o.view(a, p).Fulfillable
}

// fulfilExpired dates the fulfilment of an order that retention has taken by the charge, and notes that it was
// announced.
func (o *Order) fulfilExpired() {
	p := o.Loaded[o.Winner]
	if !o.pass.expired || p == nil {
		return
	}
	o.FulfillableAt = max(o.pass.succeeded[p.ID], 1)
	v := o.view(o.Attempt(p.ID), p)
	o.LastWord = Word{p.ID, Paid, v.Fulfillable}
}

// needVisiblyChanged names the payments whose row shows something else than before and that are not loaded.
func (o *Order) needVisiblyChanged(before Order) {
	for i := range o.Attempts {
		a := &o.Attempts[i]
		if i >= len(before.Attempts) || a.Payment == "" || o.Loaded[a.Payment] != nil || a.Version == 0 {
			continue
		}
		repriced := o.Terms != before.Terms && a.State.Won() // it may be held for another reason
		if repriced || a.Superseded != before.Attempts[i].Superseded {
			o.need(a.Payment)
		}
	}
	if id := o.Current(); o.Attempt(id) != nil && o.Loaded[id] == nil && o.Attempt(id).Version > 0 {
		o.need(id)
	}
}

// announce gives a new version to every changed payment and returns the events for backends: first those of
// superseded payments, then those of the order.
func (o *Order) announce(before *Order, now time.Time) (c Changes) {
	version := max(o.Version+1, now.UnixMilli())
	var superseded, ofOrder []Announcement
	for i := range o.Attempts {
		a := &o.Attempts[i]
		p := o.Loaded[a.Payment]
		if p == nil || p.Record.Empty() {
			continue
		}
		was, is := before.shown(a.Payment), o.view(a, p)
		if was.State != "" && was.sameMeaning(is) {
			continue
		}
		a.Version, a.UpdatedAt, o.Version = version, now.Unix(), version
		is = o.view(a, p)
		p.History = append(slices.Clip(p.History), HistoryEntry{
			Version: version, From: was.State, To: is.State, At: now.Unix(), Cause: o.pass.cause, By: o.pass.by,
		})
		text := is.encode()
		c.Views = append(c.Views, RenderedView{
			Payment: p.ID, JSON: text, Version: version, SecretHash: p.SecretHash, From: was.State, To: is.State,
			Contradictory: p.Record.Resolve().Contradictory,
		})
		switch kind := o.eventType(was, is); {
		case kind == "":
		case is.Superseded && kind != duplicateEvent:
			superseded = append(superseded, o.announcement(kind, is, text))
		default:
			ofOrder = append(ofOrder, o.announcement(kind, is, text))
			o.noteWord(kind, is)
		}
	}
	if last := o.lastWord(&c, version); last != nil {
		ofOrder = append(ofOrder, *last)
	}
	c.Events = slices.Concat(superseded, ofOrder)
	return c
}

// shown is the view of a payment as it was last shown; a zero one before the first.
func (o *Order) shown(id ID) View {
	a, p := o.Attempt(id), o.Loaded[id]
	if a == nil || p == nil || a.Version == 0 {
		return View{}
	}
	v := o.view(a, p)
	v.State = a.State // a state that other rules would name differently today counts as a change
	return v
}

// announcement is an event whose data is the view's JSON.
func (o *Order) announcement(kind string, v View, text []byte) Announcement {
	return Announcement{
		ID: string(v.Payment) + "." + strconv.FormatInt(
			v.Version, 10,
		), Type: kind, Data: text, Restored: o.pass.restored,
	}
}

// noteWord records the order's last event. A second success is about another payment than the order's current
// one.
func (o *Order) noteWord(kind string, v View) {
	if kind != duplicateEvent {
		o.LastWord = Word{v.Payment, v.State, v.Fulfillable}
	}
}

// lastWord sends the event of the order's current payment if the last event does not agree with it. It waits
// while the payment is being withdrawn, or while an attempt is unknown.
func (o *Order) lastWord(c *Changes, version int64) *Announcement {
	id := o.Current()
	a, p := o.Attempt(id), o.Loaded[id]
	if o.Foreign != "" || a == nil || p == nil || p.Record.Empty() || a.Superseded || o.hasUnknownAttempt() {
		return nil
	}
	v := o.view(a, p)
	word := Word{id, v.State, v.Fulfillable}
	if o.LastWord == word || (o.LastWord == Word{} && v.State == Pending) {
		return nil
	}
	kind := "order." + string(v.State)
	switch {
	case o.LastWord.Payment != id && v.State == Pending:
		kind = reopenedEvent
	case v.State == Paid && v.HoldReason != nil:
		kind = "order.held"
	case o.LastWord.Payment == id && o.LastWord.State == v.State, v.State == Paid:
		kind = "order.updated"
	}
	o.LastWord = word
	text := v.encode()
	if a.Version != version { // the view is unchanged, but its event needs an id of its own
		a.Version, o.Version = version, version
		v = o.view(a, p)
		text = v.encode()
		c.Views = append(c.Views, RenderedView{
			Payment: id, JSON: text, Version: version, SecretHash: p.SecretHash, From: v.State, To: v.State,
		})
	}
	last := o.announcement(kind, v, text)
	return &last
}
