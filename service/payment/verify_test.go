package payment

import (
	"slices"
	"testing"
	"time"
)

// listed returns the event as from Stripe's list of events.
func listed(e Event) Event {
	e.Listed = true
	return e
}

// verifying returns an open order whose successes are verified.
func verifying(v Verification, payments ...ID) Order {
	o := openOrder(payments...)
	o.Rules.Verification = v
	return o
}

// answered returns Stripe's response to a read of the first attempt. The read began when the order was as it is now.
func (o *Order) answered(at int64, s Snapshot) Fact {
	seen := seenAs("pi_1", 1, read(at, s))
	seen.Facts = Answer{
		Intent: Intent{ID: "pi_1", Snapshot: s}, RequestID: "req_1", Date: at,
	}.ReadFacts(o.Known("pi_1", false))
	return seen
}

// forgedEvent is a success over more money than Stripe has shown.
func forgedEvent() Event {
	bigger := succeeded("ch_1")
	bigger.Amount, bigger.AmountReceived = 9000, 9000
	return event("evt_9", 99, bigger)
}

func canceledWithMoney() Snapshot {
	s := canceled("ch_1")
	s.AmountReceived = 1000
	return s
}

// claim is a set of facts, and the webhook's claim of received money that they leave unproven.
type claim struct {
	name     string
	facts    []RecordFact
	claim    string // event id; empty: none
	amount   int64
	received int64
	denied   bool
}

// claims are facts without a denial.
var claims = []claim{
	{"a webhook's success", []RecordFact{event("evt_1", 10, succeeded("ch_1"))}, "evt_1", 1000, 1000, false},
	{"a webhook's end with money", []RecordFact{event("evt_1", 10, canceledWithMoney())}, "evt_1", 1000, 1000, false},
	{
		"a webhook's creation that has succeeded",
		[]RecordFact{Creation{Observation{At: 10, Event: "evt_1", Snapshot: succeeded("ch_1")}}},
		"evt_1",
		1000, 1000, false,
	},
	{"no money", []RecordFact{event("evt_1", 10, processing("ch_1"))}, "", 1000, 0, false},
	{"an end without money", []RecordFact{event("evt_1", 10, canceled(""))}, "", 1000, 0, false},
	{
		"a read confirms it",
		[]RecordFact{event("evt_1", 10, succeeded("ch_1")), read(9, succeeded("ch_1"))},
		"", 1000, 1000, false,
	},
	{
		"Stripe's list confirms it",
		[]RecordFact{event("evt_1", 10, succeeded("ch_1")), listed(event("evt_1", 10, succeeded("ch_1")))},
		"",
		1000, 1000, false,
	},
	{
		"a read takes precedence over a webhook with more money",
		[]RecordFact{read(10, succeeded("ch_1")), forgedEvent()},
		"",
		1000, 1000, false,
	},
	{
		"Stripe's list takes precedence too",
		[]RecordFact{listed(event("evt_1", 10, succeeded("ch_1"))), forgedEvent()},
		"", 1000,
		1000, false,
	},
}

// deniedClaims are claims that a read did not confirm.
var deniedClaims = []claim{
	{
		"Stripe shows another state",
		[]RecordFact{event("evt_1", 10, succeeded("ch_1")), read(20, pending()), Denial{"evt_1"}},
		"evt_1",
		1000, 1000, true,
	},
	{
		"Stripe does not know the payment",
		[]RecordFact{event("evt_1", 10, succeeded("ch_1")), Denial{"evt_1"}},
		"evt_1", 1000, 1000, true,
	},
	{
		"a newer claim does not end the denial",
		[]RecordFact{event("evt_1", 10, succeeded("ch_1")), Denial{"evt_1"}, forgedEvent()},
		"evt_9", 9000, 9000, true,
	},
	{
		"a read that confirms it ends the denial",
		[]RecordFact{event("evt_1", 10, succeeded("ch_1")), Denial{"evt_1"}, read(30, succeeded("ch_1"))},
		"",
		1000, 1000, false,
	},
	{
		"Stripe shows an end without money",
		[]RecordFact{event("evt_1", 30, succeeded("ch_1")), Denial{"evt_1"}, read(20, canceled(""))},
		"", 1000,
		0, false,
	},
}

// TestClaims: a webhook's success is a claim until Stripe's own response or list has shown the money. That holds in
// every order of the facts.
func TestClaims(t *testing.T) {
	for _, tt := range slices.Concat(claims, deniedClaims) {
		t.Run(tt.name, func(t *testing.T) {
			for order := range permutations(tt.facts) {
				r := merged(order...)
				shown := r.Resolve()
				got := r.claims()
				if (tt.claim == "") != (got == nil) || (got != nil && !slices.Contains(got, tt.claim)) ||
					r.isDenied() != tt.denied || shown.Amount != tt.amount || shown.Received != tt.received {
					t.Fatalf("claims %q, denied %t, received %d of %d; want %+v",
						got, r.isDenied(), shown.Received, shown.Amount, tt)
				}
			}
		})
	}
}

// TestVerification: the result of a webhook's success, by the setting and Stripe's response.
func TestVerification(t *testing.T) {
	success := seenAs("pi_1", 1, event("evt_1", 10, succeeded("ch_1")))
	for _, tt := range []struct {
		setting     Verification
		atOnce      string // event
		confirmed   string
		denied      string
		fulfillable bool // at once
	}{
		{VerifyOff, "order.paid", "", "", true},
		{VerifyInBackground, "order.paid", "", "order.updated", true},
		{VerifyBefore, "order.held", "order.paid", "", false},
	} {
		t.Run(string(tt.setting), func(t *testing.T) {
			o, changes := verifying(tt.setting, "pi_1").Apply(success, noon)
			v, _ := o.View("pi_1")
			if got := eventTypes(changes); !slices.Equal(got, []string{tt.atOnce}) || v.Fulfillable != tt.fulfillable ||
				v.State != Paid {
				t.Fatalf("at once: %v, %+v", got, v)
			}
			if verifies := tt.setting != VerifyOff; readAt(changes).IsZero() == verifies {
				t.Fatalf("reads %v", changes.Reads)
			}
			after := noon.Add(time.Second)
			for _, end := range []struct {
				snapshot    Snapshot
				event       string
				fulfillable bool
				hold        Hold
			}{
				{succeeded("ch_1"), tt.confirmed, true, ""},
				{pending(), tt.denied, tt.setting == VerifyOff, HoldUnverified},
			} {
				then, changes := o.Apply(o.answered(noon.Unix(), end.snapshot), after)
				v, _ := then.View("pi_1")
				if got := eventTypes(changes); (len(got) > 0) != (end.event != "") ||
					(len(got) > 0 && got[0] != end.event) {
					t.Fatalf("%s: %v, want %q", end.snapshot.Status, got, end.event)
				}
				if v.State != Paid || v.Fulfillable != end.fulfillable ||
					(!v.Fulfillable && *v.HoldReason != end.hold) {
					t.Fatalf("%s: the view is %+v", end.snapshot.Status, v)
				}
				if !readAt(changes).IsZero() {
					t.Fatalf("%s: read again at %v", end.snapshot.Status, readAt(changes))
				}
				if denied := !v.Fulfillable; changes.Sweeps[0].At.IsZero() == denied {
					t.Fatalf("%s: swept at %v", end.snapshot.Status, changes.Sweeps[0].At)
				}
			}
		})
	}
}

// TestStaleAnswersDenyNothing: a response from before the claim, or one that may be older than its date, does not
// change a paid order. Another read is due.
func TestStaleAnswersDenyNothing(t *testing.T) {
	before := verifying(VerifyInBackground, "pi_1")
	before, _ = before.Apply(seenAs("pi_1", 1, opening(5, pending())), noon)
	early := before.answered(noon.Unix()+60, processing("ch_1"))
	o, _ := before.Apply(seenAs("pi_1", 1, event("evt_1", noon.Unix(), succeeded("ch_1"))), noon)
	stale := seenAs("pi_1", 1, StaleResponse(noon.Unix()))
	stale.Intent.Snapshot = processing("ch_1")
	for name, f := range map[string]Fact{"a read that began before": early, "a repeated call": stale} {
		then, changes := o.Apply(f, noon.Add(time.Second))
		if v, _ := then.View("pi_1"); !v.Fulfillable || v.State != Paid || len(changes.Events) > 0 {
			t.Errorf("%s: %+v, %v", name, v, eventTypes(changes))
		}
		if readAt(changes).IsZero() {
			t.Errorf("%s: no other read is due", name)
		}
	}
}

// TestDeniedSuccessIsAskedAboutAgain: a denied success is held until Stripe shows the money, also if webhooks repeat
// it. A new event causes a read at once. Without one the pauses between reads grow.
func TestDeniedSuccessIsAskedAboutAgain(t *testing.T) {
	o, _ := verifying(VerifyInBackground, "pi_1").Apply(
		seenAs("pi_1", 1, event("evt_1", noon.Unix()+290, succeeded("ch_1"))), noon,
	)
	o, c := o.Apply(o.answered(noon.Unix(), pending()), noon.Add(time.Second))
	if wait := c.Sweeps[0].At.Sub(c.Now); wait != deniedSweepAfter {
		t.Fatalf("the next read is after %v", wait)
	}
	o.Rules.Verification = VerifyOff // a new setting does not release it
	o, c = o.Apply(o.answered(noon.Unix()+3600, pending()), noon.Add(time.Hour))
	if v, _ := o.View("pi_1"); v.Fulfillable || len(c.Events) > 0 || c.Sweeps[0].At.Sub(c.Now) < 50*time.Minute {
		t.Fatalf("the view is %+v, events %v, sweeps %v", v, eventTypes(c), c.Sweeps)
	}
	o.Rules.Verification = VerifyInBackground
	at := noon.Add(2 * time.Hour)
	o, c = o.Apply(seenAs("pi_1", 1, event("evt_2", at.Unix(), succeeded("ch_2"))), at)
	if v, _ := o.View("pi_1"); v.Fulfillable || !readAt(c).Equal(at) {
		t.Fatalf("the view is %+v, reads %v", v, c.Reads)
	}
	o, c = o.Apply(o.answered(at.Unix(), succeeded("ch_2")), at.Add(time.Second))
	if v, _ := o.View("pi_1"); !v.Fulfillable || !slices.Equal(eventTypes(c), []string{"order.updated"}) ||
		!c.Sweeps[0].At.IsZero() {
		t.Fatalf("the view is %+v, events %v", v, eventTypes(c))
	}
}

// TestDeniedWinnerMakesRoom: if Stripe shows that a payment with a forged success is cancelled, the order is open
// again, or won by the attempt that has really paid. order.paid is still sent once.
func TestDeniedWinnerMakesRoom(t *testing.T) {
	o, _ := verifying(VerifyInBackground, "pi_1", "pi_2").Apply(
		seenAs("pi_1", 1, event("evt_1", 10, succeeded("ch_1"))), noon,
	)
	o, _ = o.Apply(o.answered(noon.Unix(), pending()), noon.Add(time.Second))
	if o.Winner != "pi_1" || !o.Frozen() {
		t.Fatalf("the order is %+v", o)
	}
	alone, c := o.Apply(o.answered(noon.Unix()+9, canceled("")), noon.Add(9*time.Second))
	if alone.Winner != "" || alone.Frozen() {
		t.Fatalf("the order is %+v, events %v", alone, eventTypes(c))
	}
	both, _ := o.Apply(seenAs("pi_2", 2, event("evt_2", 20, succeeded("ch_2"))), noon.Add(5*time.Second))
	both, c = both.Apply(both.answered(noon.Unix()+9, canceled("")), noon.Add(9*time.Second))
	if v, _ := both.View("pi_2"); both.Winner != "pi_2" || !v.Fulfillable ||
		slices.Contains(eventTypes(c), "order.paid") {
		t.Fatalf("the view is %+v, events %v", v, eventTypes(c))
	}
}

// TestInventedPaymentIsSwept: a PaymentIntent that Stripe does not know is left to the sweep, although its refunds were
// never listed.
func TestInventedPaymentIsSwept(t *testing.T) {
	invented := seenAs("pi_1", 1, event("evt_1", noon.Unix(), succeeded("ch_1")))
	invented.ByEvent = true
	o, c := verifying(VerifyInBackground, "").Apply(invented, noon)
	if o.Loaded["pi_1"] == nil || readAt(c).IsZero() {
		t.Fatalf("the changes are %+v", c)
	}
	o, c = o.Apply(PaymentDenied{Payment: "pi_1", Claims: o.Known("pi_1", false).Claims}, noon.Add(time.Second))
	if !o.Denied("pi_1") || !readAt(c).IsZero() || c.Sweeps[0].At.IsZero() {
		t.Fatalf("reads %v, sweeps %v", c.Reads, c.Sweeps)
	}
}
