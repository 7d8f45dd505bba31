package payment

import (
	"slices"
	"strconv"
	"testing"
	"time"
)

func TestOrderStandsFor(t *testing.T) {
	for _, tt := range []struct {
		name    string
		order   Order
		winner  ID
		last    int // number; 0: none
		current ID
		unbound bool
	}{
		{name: "nothing asked yet", order: openOrder(), unbound: true},
		{name: "waiting for Stripe", order: openOrder(""), last: 1},
		{name: "open", order: openOrder("pi_1"), last: 1, current: "pi_1"},
		{name: "refused", order: openOrder("refused"), unbound: true},
		{name: "refused, then open", order: openOrder("refused", "pi_2"), last: 2, current: "pi_2"},
		{name: "the second waiting", order: openOrder("pi_1", ""), last: 2, current: "pi_1"},
		{name: "the second refused", order: openOrder("pi_1", "refused"), last: 1, current: "pi_1"},
		{name: "the newest", order: openOrder("pi_1", "pi_2"), last: 2, current: "pi_2"},
		{name: "the winner", order: openOrder("pi_1", "pi_2"), winner: "pi_1", last: 2, current: "pi_1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.order.Winner = tt.winner
			last := value(tt.order.last())
			if last.Number != tt.last || tt.order.Current() != tt.current || tt.order.unbound() != tt.unbound {
				t.Errorf("last %d, current %q, unbound %v", last.Number, tt.order.Current(), tt.order.unbound())
			}
		})
	}
}

func TestReserveAndAnswer(t *testing.T) {
	o := openOrder("refused", "pi_2")
	o.Terms = price
	o, _ = o.Apply(All{Leased{"somebody", noon.Add(time.Millisecond)}, Reserved{Form: "form"}}, noon)
	a := o.last()
	if a.Number != 3 || a.Reserved != noon.UnixMilli() || a.Terms != price || a.Form != "form" || !a.Ours {
		t.Errorf("reserved %+v in %+v", a, o)
	}
	if !o.Lease.Held(noon) || o.Lease.Held(noon.Add(time.Millisecond)) || o.Lease.HeldByOther("somebody", noon) {
		t.Errorf("lease %+v", o.Lease)
	}
	o, _ = o.Apply(seenAs("pi_3", 3, opening(10, pending())), noon)
	if a := o.last(); a.Payment != "pi_3" || a.Form != "" {
		t.Errorf("answered %+v", a)
	}
	if got := o.Payments(); !slices.Equal(got, []ID{"pi_2", "pi_3"}) {
		t.Errorf("payments %v", got)
	}
}

// TestRefusedTermsBindNothing: the number of a refused attempt stays used, since Stripe may remember the key.
func TestRefusedTermsBindNothing(t *testing.T) {
	o := openOrder("refused")
	if o.Terms != (Terms{}) || o.Attempts[0].Form != "" {
		t.Errorf("%+v", o)
	}
	o.Terms = price
	if o, _ = o.Apply(Reserved{}, noon); o.last().Number != 2 {
		t.Errorf("number %d", o.last().Number)
	}
}

func TestPlace(t *testing.T) {
	for _, tt := range []struct {
		name    string
		order   Order
		id      ID
		attempt int
		want    Placement
	}{
		{"known", openOrder("pi_1"), "pi_1", 1, Known},
		{"known, whatever it says of itself", openOrder("pi_1"), "pi_1", 9, Known},
		{"on its way", openOrder(""), "pi_1", 1, Attachable},
		{"in place of a known one", openOrder("pi_1"), "pi_2", 1, Foreign},
		{"of one that was given up", openOrder("refused"), "pi_2", 1, Attachable},
		{"forgotten", openOrder("pi_1"), "pi_2", 2, Attachable},
		{"of an order that is not stored", Order{ID: "order-1"}, "pi_2", 2, Attachable},
	} {
		if got := tt.order.Place(tt.id, Origin{Order: "order-1", Attempt: tt.attempt}); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
}

// TestWantsProof: only a claim that would move the order's terms needs to be proven.
func TestWantsProof(t *testing.T) {
	dear, cheap := Snapshot{Amount: price.Amount + 500}, Snapshot{Amount: 1}
	foreign := openOrder("pi_1")
	foreign.ForeignIDs = []ID{"pi_2"}
	for _, tt := range []struct {
		name    string
		order   Order
		id      ID
		attempt int
		shown   Snapshot
		key     string
		want    bool
	}{
		{"a forgotten attempt of another price", openOrder("pi_1"), "pi_2", 2, dear, "", true},
		{"a cheap copy", openOrder("pi_1"), "pi_2", 2, cheap, "", true},
		{"made under another key", openOrder("pi_1"), "pi_2", 2, cheap, "another", true},
		{"made under our key", openOrder("pi_1"), "pi_2", 2, dear, "kasse:kasse:order-1:2", false},
		{"made under the key of another attempt", openOrder("pi_1"), "pi_2", 2, dear, "kasse:kasse:order-1:1", true},
		{"an attempt that is known", openOrder("pi_1"), "pi_1", 1, cheap, "", false},
		{"an attempt that has another payment", openOrder("pi_1"), "pi_2", 1, cheap, "", false},
		{"known as foreign", foreign, "pi_2", 2, cheap, "", false},
		{"an order that is not stored", Order{ID: "order-1"}, "pi_1", 1, cheap, "", false},
	} {
		intent := Intent{ID: tt.id, Snapshot: tt.shown}
		intent.Metadata = map[string]string{
			"kasse_service": "kasse", "kasse_order_id": "order-1", "kasse_attempt": strconv.Itoa(tt.attempt),
		}
		if got := tt.order.WantsProof(intent, tt.key); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
	equal := openOrder("pi_1")
	equal.Terms = dear.Terms()
	if equal.WantsProof(Intent{ID: "pi_2", Snapshot: dear}, "") {
		t.Error("a claim at the order's own terms needs a proof")
	}
}

func TestOrigin(t *testing.T) {
	for _, tt := range []struct {
		attempt, rev string
		want         Origin
	}{
		{"2", "1700000000000", Origin{Attempt: 2, Rev: 1_700_000_000_000}},
		{"", "", Origin{Attempt: 1}},
		{"0", "x", Origin{Attempt: 1}},
		{"-3", "-1", Origin{Attempt: 1, Rev: -1}},
		{"second", "1.5", Origin{Attempt: 1}},
		{"1001", "7", Origin{Attempt: 1, Rev: 7}},
	} {
		tt.want.Service, tt.want.Order = "kasse", "order-1"
		got := OriginOf(map[string]string{
			"kasse_service": "kasse", "kasse_order_id": "order-1", "kasse_attempt": tt.attempt, "kasse_rev": tt.rev,
			"colour": "red",
		})
		if got != tt.want {
			t.Errorf("attempt %q, rev %q: %+v", tt.attempt, tt.rev, got)
		}
	}
}

// TestWinner: the first payment to succeed wins, with any attempt number.
func TestWinner(t *testing.T) {
	paid := func(id ID, attempt int) Fact {
		return seenAs(id, attempt, event("evt_"+string(id), 10, succeeded("ch_"+string(id))))
	}
	for _, tt := range []struct {
		name   string
		order  Order
		facts  []Fact
		winner ID
	}{
		{"the first", openOrder("pi_1", "pi_2"), []Fact{paid("pi_1", 1), paid("pi_2", 2)}, "pi_1"},
		{
			"the first, whichever attempt it is", openOrder("pi_1", "pi_2"),
			[]Fact{paid("pi_2", 2), paid("pi_1", 1)},
			"pi_2",
		},
		{"again changes nothing", openOrder("pi_1"), []Fact{paid("pi_1", 1), paid("pi_1", 1)}, "pi_1"},
		{"an attempt that waits for Stripe's answer", openOrder(""), []Fact{paid("pi_1", 1)}, "pi_1"},
		{"not one that has another payment's attempt", openOrder("pi_1"), []Fact{paid("pi_9", 1)}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o, _ := follow(tt.order, tt.facts...)
			if o.Winner != tt.winner || (tt.winner != "" && o.Attempt(tt.winner).Superseded) {
				t.Errorf("winner %q of %+v", o.Winner, o.Attempts)
			}
		})
	}
}

// TestProposedAmount: while Stripe is being asked to set an amount, the amount that is paid is the order's.
func TestProposedAmount(t *testing.T) {
	for _, tt := range []struct {
		paid, want int64
		leased     time.Duration
	}{
		{1000, 1000, time.Minute}, {1500, 1500, time.Minute}, {1000, 1500, 0},
	} {
		o := openOrder("pi_1")
		s := costing(succeeded("ch_1"), tt.paid)
		s.AmountReceived = tt.paid
		o, _ = follow(
			o, All{AmountProposed{Proposal{1500, 9}}, Leased{"me", noon.Add(tt.leased)}},
			seenAs("pi_1", 1, event("1", 10, s)),
		)
		if o.Terms.Amount != tt.want || o.Proposed != (Proposal{}) {
			t.Errorf("paid %d: the order costs %d, want %d", tt.paid, o.Terms.Amount, tt.want)
		}
	}
}

// TestLostAnswerChangesTheAmountOnly: a backend gives the order another customer, then the amount is set at Stripe and
// the answer is lost. The PaymentIntent shows the new amount with its age, beside the old customer.
func TestLostAnswerChangesTheAmountOnly(t *testing.T) {
	want := price
	want.Customer = "cus_2"
	o, _ := follow(openOrder("pi_1"), TermsSet{want, 5}, AmountProposed{Proposal{1500, 9}})
	want.Amount = 1500
	o, _ = follow(o, datedSeen(seenAs("pi_1", 1, event("1", 10, costing(pending(), 1500))), "9", 1500))
	if o.Terms != want || o.Rev != 9 {
		t.Errorf("terms %+v of age %d, want %+v of age 9", o.Terms, o.Rev, want)
	}
}

// TestFailuresClose: past MaxFailures failed attempts of all payments the order is closed; reopening forgives them.
func TestFailuresClose(t *testing.T) {
	o := openOrder("pi_1")
	o.Rules.MaxFailures = 2
	for i := range 3 {
		charge := "ch_" + strconv.Itoa(i)
		if o, _ = o.Apply(
			seenAs("pi_1", 1, event("evt_"+charge, int64(10+10*i), declined(charge))), noon,
		); (o.Closed == ClosedByFailures) != (i == 2) {
			t.Errorf("after %d failures: closed %q", i+1, o.Closed)
		}
	}
	if !o.Unwanted("pi_1") {
		t.Error("the open payment of a closed order is not cancelled")
	}
	if o, _ = o.Apply(Reserved{}, noon); o.Closed != "" || o.failures() != 0 {
		t.Errorf("reopened: closed %q, %d failures", o.Closed, o.failures())
	}
}

// TestLateFailuresDoNotCloseAReopenedOrder: the event of a failed attempt on an earlier payment can come after the
// order was reopened.
func TestLateFailuresDoNotCloseAReopenedOrder(t *testing.T) {
	o := openOrder("pi_1")
	o.Rules.MaxFailures = 1
	fail := func(id ID, attempt int, charge string, at int64) {
		o, _ = o.Apply(seenAs(id, attempt, event("evt_"+charge, at, declined(charge))), noon)
	}
	fail("pi_1", 1, "ch_1", 10)
	fail("pi_1", 1, "ch_2", 20)
	o, _ = follow(o, Reserved{}, seenAs("pi_2", 2, opening(50, pending())))
	fail("pi_1", 1, "ch_3", 30)
	fail("pi_1", 1, "ch_4", 40)
	fail("pi_2", 2, "ch_5", 60)
	if o.Closed != "" || o.failures() != 1 {
		t.Errorf("closed %q, %d failures, want an open order with one", o.Closed, o.failures())
	}
	if fail("pi_2", 2, "ch_6", 70); o.Closed != ClosedByFailures {
		t.Error("two failures of the second payment do not close the order")
	}
}

// TestLateFailuresAfterALoss: Redis has lost that the order was closed, so a create that may reopen the order finds it
// open. The failures that the catch-up finds afterwards do not close it, unless the create was not allowed to reopen.
func TestLateFailuresAfterALoss(t *testing.T) {
	for _, reopens := range []bool{true, false} {
		o := openOrder("pi_1")
		o.Rules.MaxFailures = 1
		o, _ = follow(o, seenAs("pi_1", 1, read(30, canceled("ch_2"))), Reserved{Reopens: reopens},
			seenAs("pi_2", 2, opening(50, pending())))
		o, _ = follow(o, seenAs("pi_1", 1, event("evt_1", 10, declined("ch_1"))),
			seenAs("pi_1", 1, event("evt_2", 20, declined("ch_2"))))
		if closed := o.Closed == ClosedByFailures; closed == reopens {
			t.Errorf("a create that may reopen: %t; the order is closed: %t", reopens, closed)
		}
	}
}

// TestPointerOutlivesItsOrder: a pointer always expires later than its order.
func TestPointerOutlivesItsOrder(t *testing.T) {
	o := openOrder("pi_1")
	at := noon
	for i, f := range []RecordFact{
		opening(10, pending()), event("1", 20, processing("ch_1")), event("2", 30, succeeded("ch_1")), RefundedTotal{
			At: 40, Event: "3", Amount: 10,
		},
	} {
		var changes Changes
		o, changes = o.Apply(seenAs("pi_1", 1, f), at)
		if i == 0 && len(changes.Pointers) != 1 {
			t.Error("no pointer with the first view")
		}
		if end := at.Add(changes.Expires).Unix(); o.Attempts[0].PointerUntil <= end {
			t.Errorf("fact %d: the pointer ends %d s before the order", i, end-o.Attempts[0].PointerUntil)
		}
		at = at.Add(25 * 24 * time.Hour)
	}
	o.WithoutPointer()
	if _, changes := o.Apply(seenAs("pi_1", 1, event("4", 50, succeeded("ch_1"))), at); len(changes.Pointers) != 1 {
		t.Error("a pointer that is missing is not written")
	}
}

// TestRetention: an order that retention has taken differs from one that was lost.
func TestRetention(t *testing.T) {
	for _, tt := range []struct {
		age  time.Duration
		want []string
	}{
		{testRules.LowestRetention - time.Hour, []string{"order.paid"}},
		{testRules.LowestRetention + time.Hour, []string{}},
	} {
		s := seenAs("pi_1", 1, read(noon.Unix(), succeeded("ch_1")))
		s.Charged = noon.Add(-tt.age).Unix()
		lost := Order{ID: "order-1", Rules: testRules}
		o, changes := lost.Apply(lost.RestoreFact(s, noon), noon)
		if got := eventTypes(changes); !slices.Equal(got, tt.want) || o.FulfillableAt != s.Charged {
			t.Errorf("after %s: %v, fulfillable since %d", tt.age, got, o.FulfillableAt)
		}
		for _, e := range changes.Events {
			if !e.Restored {
				t.Errorf("%s is not called restored", e.Type)
			}
		}
		if _, changes = o.Apply(
			Learned{"pi_1", []RecordFact{DisputeSeen{"dp_1", Dispute{At: 1, Event: "e1", Status: "needs_response"}}}},
			noon,
		); !slices.Equal(eventTypes(changes), []string{"order.disputed"}) {
			t.Errorf("a dispute: %v", eventTypes(changes))
		}
	}
}
