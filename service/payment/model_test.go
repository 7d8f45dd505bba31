package payment

import (
	"fmt"
	"slices"
)

// truth is Stripe's state of one PaymentIntent, by Stripe's page on its lifecycle. It has data that are in no event.
type truth struct {
	Snapshot
	charges int
	owed    bool // an attempt is processing whose charge does not exist yet
}

// step is one thing that can happen to a PaymentIntent at Stripe.
type step struct {
	name   string
	from   []Status
	happen func(*truth)
	silent bool // it has no event: only the response of its call shows it
}

// GoString keeps a failing draw readable.
func (s step) GoString() string { return s.name }

var steps = []step{
	{name: "needs 3DS", from: []Status{RequiresPaymentMethod}, happen: func(t *truth) { t.become(RequiresAction) }},
	{
		name: "fails 3DS", from: []Status{RequiresAction},
		happen: func(t *truth) { t.fail(authenticationFailure, t.Charge.ID) },
	},
	{
		name: "runs out", from: []Status{RequiresAction},
		happen: func(t *truth) { t.fail("payment_intent_payment_attempt_expired", "") },
	},
	{
		name: "declined", from: []Status{RequiresPaymentMethod, RequiresAction},
		happen: func(t *truth) { t.charge(); t.fail("card_declined", t.Charge.ID) },
	},
	{
		name: "declined before a charge", from: []Status{RequiresPaymentMethod},
		happen: func(t *truth) { t.fail("payment_method_provider_decline", "") },
	},
	{
		name: "processing", from: []Status{RequiresPaymentMethod, RequiresAction},
		happen: func(t *truth) { t.charge(); t.become(Processing) },
	},
	{
		name: "processing, charge later", from: []Status{RequiresPaymentMethod, RequiresAction},
		happen: func(t *truth) { t.owed = true; t.become(Processing) },
	},
	{
		name: "debit fails", from: []Status{Processing},
		happen: func(t *truth) { t.chargeOwed(); t.fail("payment_intent_payment_attempt_failed", t.Charge.ID) },
	},
	{
		name: "succeeds", from: []Status{RequiresPaymentMethod, RequiresAction},
		happen: func(t *truth) { t.charge(); t.receive(t.Amount) },
	},
	{
		name: "debit succeeds", from: []Status{Processing},
		happen: func(t *truth) { t.chargeOwed(); t.receive(t.Amount) },
	},
	{
		name: "authorized", from: []Status{RequiresPaymentMethod, RequiresAction},
		happen: func(t *truth) { t.charge(); t.authorize() },
	},
	{name: "authorized later", from: []Status{Processing}, happen: func(t *truth) { t.chargeOwed(); t.authorize() }},
	{name: "raised", from: []Status{RequiresCapture}, happen: func(t *truth) { t.Amount += 10; t.authorize() }},
	{name: "captured", from: []Status{RequiresCapture}, happen: func(t *truth) { t.receive(t.Amount) }},
	{name: "captured in part", from: []Status{RequiresCapture}, happen: func(t *truth) { t.receive(t.Amount / 2) }},
	{
		name: "canceled", from: []Status{RequiresPaymentMethod, RequiresAction, Processing, RequiresCapture},
		happen: func(t *truth) { t.AmountCapturable = 0; t.become(Canceled) },
	},
	{
		name: "updated", from: []Status{RequiresPaymentMethod}, silent: true,
		happen: func(t *truth) { t.Amount++; t.become(RequiresPaymentMethod) },
	},
	{
		name:   "read",
		from:   []Status{RequiresPaymentMethod, RequiresAction, Processing, RequiresCapture, Succeeded, Canceled},
		silent: true, happen: func(*truth) {},
	},
}

// newTruth returns a new PaymentIntent. One with manual capture never succeeds at once, and any other is never
// authorized. Since neither of these states leads to the other, one graph has the histories of both kinds.
func newTruth() truth {
	return truth{Snapshot: Snapshot{Status: RequiresPaymentMethod, Amount: 1000, Currency: "eur"}}
}

func (t *truth) become(s Status) { t.Status, t.Failure = s, nil }

func (t *truth) charge() {
	t.charges++
	t.Charge.ID, t.owed = fmt.Sprintf("ch_%d", t.charges), false
}

func (t *truth) chargeOwed() {
	if t.owed {
		t.charge()
	}
}

func (t *truth) fail(code, charge string) {
	t.Status, t.Failure = RequiresPaymentMethod, &Failure{Code: code, Charge: charge}
}

func (t *truth) authorize() {
	t.become(RequiresCapture)
	t.AmountCapturable = t.Amount
}

func (t *truth) receive(amount int64) {
	t.become(Succeeded)
	t.AmountReceived, t.AmountCapturable = amount, 0
}

// possible returns the steps that may follow.
func (t *truth) possible() []step {
	var next []step
	for _, s := range steps {
		if slices.Contains(s.from, t.Status) {
			next = append(next, s)
		}
	}
	return next
}

// happened is a step in a history.
type happened struct {
	step
	covers []int // of a silent step: the earlier steps that were known when it began
	after  Snapshot
}

// moments are the times of the steps, and the error of the clock that stamped each, in milliseconds.
type moments struct{ at, skew []int64 }

func (m moments) stamp(i int) int64 { return (m.at[i] + m.skew[i]) / 1000 }

// facts returns what Kasse can learn of a history: the event or the response of each step.
func facts(history []happened, m moments) []RecordFact {
	var list []RecordFact
	for i, h := range history {
		s := Observation{At: m.stamp(i), Snapshot: h.after}
		if !h.silent {
			s.Event, s.APIVersion = h.id(i), "2024-06-20"
			list = append(list, Event{Observation: s})
			continue
		}
		var covers []string
		for _, k := range h.covers {
			covers = append(covers, history[k].id(k))
		}
		list = append(list, Read{Observation: s, IDs: []string{h.id(i)}, KnownBefore: covers})
	}
	return list
}

// id returns the id of the event or response. Ids do not sort in the order of the steps, so that no rule can rely on
// that.
func (h happened) id(i int) string {
	kind := "evt"
	if h.silent {
		kind = "req"
	}
	return fmt.Sprintf("%s_%d", kind, (i+1)*37%101)
}
