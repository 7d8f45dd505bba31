package app

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"kasse/service/payment"
	"kasse/store"
)

// loadShown reads the order with all its payments, its events and their deliveries.
func (a *App) loadShown(ctx context.Context, ref payment.Ref, asked payment.ID) (payment.Order, *Shown, error) {
	o, now, err := a.store.LoadOrder(ctx, ref)
	if err != nil {
		return o, nil, err
	}
	if asked != "" && slices.Contains(o.ForeignIDs, asked) {
		ref.Foreign = asked
		if o, now, err = a.store.LoadOrder(ctx, ref); err != nil {
			return o, nil, err
		}
	}
	if ids := o.Payments(); len(ids) > 1 {
		if o, now, err = a.store.LoadOrder(ctx, ref, ids...); err != nil {
			return o, nil, err
		}
	}
	s := newShown(&o, asked, now)
	events, err := a.store.LoadOrderEvents(ctx, o)
	if err != nil {
		return o, nil, err
	}
	for _, e := range events {
		s.Events = append(s.Events, ShownEvent{
			ID: e.ID, Type: e.Type, CreatedAt: e.CreatedAt, Entry: e.Entry, Restored: e.Restored,
			Deliveries: []ShownDelivery{},
		})
	}
	return o, s, a.addDeliveries(ctx, s, o.ID, events)
}

func newShown(o *payment.Order, asked payment.ID, now time.Time) *Shown {
	t := o.Terms
	s := &Shown{
		Order: o.ID, Asked: ptr(asked), Foreign: o.Foreign != "", Current: ptr(o.Current()), Winner: ptr(o.Winner),
		Closed: ptr(string(o.Closed)), FulfillableAt: seconds(o.FulfillableAt),
		Terms: ShownTerms{
			Amount: t.Amount, Currency: t.Currency, Customer: ptr(string(t.Customer)),
			CaptureMethod: ptr(string(t.CaptureMethod)), SetupFutureUsage: ptr(t.SetupFutureUsage),
			Since: millis(o.Rev),
		},
		Attempts: []ShownAttempt{}, OtherPayments: append([]payment.ID{}, o.ForeignIDs...), Timeline: []ShownStep{},
		Events: []ShownEvent{},
	}
	if o.Lease.Held(now) {
		s.LockedUntil = millis(o.Lease.Until)
	}
	for i := range o.Attempts {
		s.Attempts = append(s.Attempts, shownAttempt(o, &o.Attempts[i], now))
		s.addSteps(o, &o.Attempts[i])
	}
	slices.SortStableFunc(s.Timeline, func(a, b ShownStep) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.rank(), b.rank()), cmp.Compare(val(a.Version), val(b.Version)))
	})
	return s
}

func shownAttempt(o *payment.Order, a *payment.Attempt, now time.Time) ShownAttempt {
	s := ShownAttempt{
		Attempt: a.Number, Payment: ptr(a.Payment), State: ptr(a.State), Superseded: a.Superseded,
		FailedAttempts: a.Failures, Outcome: outcome(a),
		Personal: ShownPersonal{Form: a.Form != "", Forgotten: o.Forgotten >= a.Number},
	}
	if due := o.ReadDue(a.Payment, now); !due.IsZero() {
		s.ReadDueAt = new(due.UTC())
	}
	p := o.Loaded[a.Payment]
	if p != nil {
		s.LastReadAt = seconds(p.Record.ReadAt)
		for _, call := range p.Calls {
			s.Personal.Form = s.Personal.Form || call.Form != ""
		}
	}
	v, ok := o.View(a.Payment)
	if !ok {
		return s
	}
	s.State, s.Status, s.Version = &v.State, ptr(string(v.Status)), &v.Version
	s.Fulfillable, s.HoldReason = v.Fulfillable, v.HoldReason
	s.Amount, s.AmountReceived, s.AmountRefunded = &v.Amount, &v.AmountReceived, &v.AmountRefunded
	s.Currency = &v.Currency
	if f := v.Failure; f != nil {
		s.Failure = ptr(strings.Trim(val(f.Code)+"/"+val(f.DeclineCode), "/"))
	}
	s.Personal.Metadata, s.Personal.PaymentMethod = len(v.Metadata) > 0, v.Method != nil
	s.Personal.Receipt = v.ReceiptURL != nil
	return s
}

// outcome describes the result of an attempt without a PaymentIntent.
func outcome(a *payment.Attempt) *string {
	switch {
	case a.Payment != "":
		return nil
	case a.Refused:
		return new("Stripe created no payment")
	case a.Unknown:
		return new("forgotten: a later attempt exists, and Stripe's list is searched")
	case a.Unclear, a.Mismatch:
		return new("Stripe's response is not clear: its list is searched")
	}
	return new("Stripe has not answered yet")
}

// addSteps adds the steps of an attempt.
func (s *Shown) addSteps(o *payment.Order, a *payment.Attempt) {
	id := ptr(a.Payment)
	add := func(step ShownStep) {
		step.Payment = id
		s.Timeline = append(s.Timeline, step)
	}
	if a.Reserved > 0 {
		add(ShownStep{At: *millis(a.Reserved), Kind: "attempt", To: new("sent to Stripe"), Amount: &a.Terms.Amount})
	}
	p := o.Loaded[a.Payment]
	if p == nil {
		return
	}
	for _, h := range p.History {
		add(ShownStep{
			At: time.Unix(h.At, 0).UTC(), Kind: "state", From: ptr(string(h.From)), To: ptr(string(h.To)),
			Cause: ptr(h.Cause),
			By:    actor(h.By), Version: &h.Version,
		})
	}
	for _, r := range p.Refunds() {
		add(ShownStep{
			At: time.Unix(r.Created, 0).UTC(), Kind: "refund", ID: ptr(string(r.ID)), To: ptr(string(r.Status)),
			Amount: &r.Amount, Reason: ptr(r.Reason),
		})
	}
	for _, c := range p.Calls {
		if c.Answered == nil {
			add(ShownStep{
				At: *millis(c.First), Kind: "refund_call", To: refundCall(c), Amount: ptr(c.Amount),
				Reason: ptr(c.Reason),
			})
		}
	}
	for _, id := range slices.Sorted(maps.Keys(p.Record.Disputes)) {
		for _, d := range p.Record.Disputes[id] {
			add(ShownStep{
				At: time.Unix(d.At, 0).UTC(), Kind: "dispute", ID: ptr(string(id)), To: &d.Status, Amount: &d.Amount,
				Cause: ptr(cmp.Or(d.Event, payment.CauseRead)),
			})
		}
	}
	for _, id := range slices.Sorted(maps.Keys(p.Record.Reviews)) {
		r := p.Record.Reviews[id]
		step := ShownStep{At: time.Unix(r.OpenedAt, 0).UTC(), Kind: "review", ID: ptr(string(id))}
		if step.To, step.Reason = new("open"), ptr(r.Reason); r.Closed {
			step.To, step.Reason = new("closed"), ptr(r.ClosedReason)
		}
		add(step)
	}
}

// rank orders the steps of one second: first requests, then states, then Stripe's objects.
func (s ShownStep) rank() int {
	switch s.Kind {
	case "attempt":
		return 0
	case "state":
		return 1
	}
	return 2
}

func refundCall(c payment.RefundCall) *string {
	if c.Refused {
		return new("Stripe created no refund")
	}
	return new("Stripe has not answered yet")
}

func actor(by *payment.Actor) *string {
	if by == nil {
		return nil
	}
	text := by.Operation
	if by.Key != "" {
		text += ", key " + by.Key
	}
	if by.RequestID != "" {
		text += ", request " + by.RequestID
	}
	return &text
}

// addDeliveries adds the deliveries to each configured endpoint to each event.
func (a *App) addDeliveries(ctx context.Context, s *Shown, id payment.OrderID, events []payment.FeedEvent) error {
	for _, endpoint := range a.Endpoints {
		all, err := a.store.LoadDeliveries(ctx, endpoint.ID(), id, events)
		if err != nil {
			return err
		}
		for i, d := range all {
			shown := shownDelivery(d)
			shown.Endpoint, shown.EndpointID = endpoint.Name(), string(endpoint.ID())
			if !endpoint.Wants(events[i].Type) && len(d.Tries) == 0 {
				shown.State = "not wanted by the endpoint"
			}
			s.Events[i].Deliveries = append(s.Events[i].Deliveries, shown)
		}
	}
	return nil
}

func shownDelivery(d store.Delivery) ShownDelivery {
	s := ShownDelivery{State: string(d.State), Tries: []ShownTry{}}
	if !d.Due.IsZero() {
		s.DueAt = &d.Due
	}
	if d.Dead != nil {
		s.Reason = &d.Dead.Reason
	}
	for _, p := range d.Tries {
		s.Tries = append(s.Tries, ShownTry{
			At: p.At, Try: p.Try, Status: ptr(p.Status), TookMS: p.Took.Milliseconds(), Reason: ptr(p.Reason),
		})
	}
	return s
}
