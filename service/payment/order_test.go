package payment

import (
	"slices"
	"strconv"
	"testing"
	"time"
)

// TestOrderStandsFor: the current payment of an order is the winner, or that of its last attempt with a payment.
func TestOrderStandsFor(t *testing.T) {
	for _, tt := range []struct {
		name    string
		order   Order
		winner  ID
		last    int // number; 0: none
		current ID
		unbound bool
	}{
		{name: "no attempt yet", order: openOrder(), unbound: true},
		{name: "waiting for Stripe's response", order: openOrder(""), last: 1},
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

// TestReserveAndAnswer: a create reserves the next attempt under a lease. Stripe's response gives it a payment.
func TestReserveAndAnswer(t *testing.T) {
	o := openOrder("refused", "pi_2")
	o.Terms = price
	o, _ = o.Apply(All{Leased{"me", noon.Add(time.Millisecond)}, Reserved{Form: "form"}}, noon)
	a := o.last()
	if a.Number != 3 || a.Reserved != noon.UnixMilli() || a.Terms != price || a.Form != "form" || !a.Ours {
		t.Errorf("reserved %+v in %+v", a, o)
	}
	if !o.Lease.Held(noon) || o.Lease.Held(noon.Add(time.Millisecond)) || o.Lease.HeldByOther("me", noon) {
		t.Errorf("lease %+v", o.Lease)
	}
	o, _ = o.Apply(seenAs("pi_3", 3, opening(10, pending())), noon)
	if a := o.last(); a.Payment != "pi_3" || a.Form != "" {
		t.Errorf("after the response: %+v", a)
	}
	if got := o.Payments(); !slices.Equal(got, []ID{"pi_2", "pi_3"}) {
		t.Errorf("payments %v", got)
	}
}

// TestRefusedTermsBindNothing: a refused attempt leaves the order without terms. Its number stays used, since Stripe
// may still have its idempotency key.
func TestRefusedTermsBindNothing(t *testing.T) {
	o := openOrder("refused")
	if o.Terms != (Terms{}) || o.Attempts[0].Form != "" {
		t.Errorf("the order is %+v", o)
	}
	o.Terms = price
	if o, _ = o.Apply(Reserved{}, noon); o.last().Number != 2 {
		t.Errorf("number %d", o.last().Number)
	}
}

// TestPlace: a payment whose metadata name the order is a known one, can become an attempt, or is foreign.
func TestPlace(t *testing.T) {
	for _, tt := range []struct {
		name    string
		order   Order
		id      ID
		attempt int
		want    Placement
	}{
		{"known", openOrder("pi_1"), "pi_1", 1, Known},
		{"known, with another attempt in its metadata", openOrder("pi_1"), "pi_1", 9, Known},
		{"of an attempt that waits for its response", openOrder(""), "pi_1", 1, Attachable},
		{"of an attempt with another payment", openOrder("pi_1"), "pi_2", 1, Foreign},
		{"of a refused attempt", openOrder("refused"), "pi_2", 1, Attachable},
		{"of a forgotten attempt", openOrder("pi_1"), "pi_2", 2, Attachable},
		{"of an order that is not stored", Order{ID: "order-1"}, "pi_2", 2, Attachable},
	} {
		if got := tt.order.Place(tt.id, Origin{Order: "order-1", Attempt: tt.attempt}); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
}

// TestWantsProof: only a payment that would change the order's terms needs a proof that Kasse has created it.
func TestWantsProof(t *testing.T) {
	high, low := Snapshot{Amount: price.Amount + 500}, Snapshot{Amount: 1}
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
		{"a forgotten attempt of another price", openOrder("pi_1"), "pi_2", 2, high, "", true},
		{"a cheap copy", openOrder("pi_1"), "pi_2", 2, low, "", true},
		{"created with another key", openOrder("pi_1"), "pi_2", 2, low, "another", true},
		{"created with our key", openOrder("pi_1"), "pi_2", 2, high, "kasse:kasse:order-1:2", false},
		{"created with the key of another attempt", openOrder("pi_1"), "pi_2", 2, high, "kasse:kasse:order-1:1", true},
		{"the payment of a known attempt", openOrder("pi_1"), "pi_1", 1, low, "", false},
		{"of an attempt that has another payment", openOrder("pi_1"), "pi_2", 1, low, "", false},
		{"known as foreign", foreign, "pi_2", 2, low, "", false},
		{"an order that is not stored", Order{ID: "order-1"}, "pi_1", 1, low, "", false},
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
	equal.Terms = high.Terms()
	if equal.WantsProof(Intent{ID: "pi_2", Snapshot: high}, "") {
		t.Error("a payment with the order's own terms needs a proof")
	}
}

// TestOrigin: OriginOf reads the attempt and the rev from metadata, and ignores invalid values.
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
			"the first, with a later attempt number", openOrder("pi_1", "pi_2"),
			[]Fact{paid("pi_2", 2), paid("pi_1", 1)},
			"pi_2",
		},
		{"the same success again", openOrder("pi_1"), []Fact{paid("pi_1", 1), paid("pi_1", 1)}, "pi_1"},
		{"of an attempt that waits for Stripe's response", openOrder(""), []Fact{paid("pi_1", 1)}, "pi_1"},
		{"of an attempt that has another payment: none", openOrder("pi_1"), []Fact{paid("pi_9", 1)}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o, _ := follow(tt.order, tt.facts...)
			if o.Winner != tt.winner || (tt.winner != "" && o.Attempt(tt.winner).Superseded) {
				t.Errorf("winner %q of %+v", o.Winner, o.Attempts)
			}
		})
	}
}

// TestProposedAmount: if a payment succeeds while its amount is being changed, the paid amount becomes the order's.
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

// TestLostAnswerChangesTheAmountOnly: a backend sets another customer of the order. Then an amount is set at Stripe,
// and the response is lost. The PaymentIntent shows the new amount with its rev, and the old customer.
func TestLostAnswerChangesTheAmountOnly(t *testing.T) {
	want := price
	want.Customer = "cus_2"
	o, _ := follow(openOrder("pi_1"), TermsSet{want, 5}, AmountProposed{Proposal{1500, 9}})
	want.Amount = 1500
	o, _ = follow(o, datedSeen(seenAs("pi_1", 1, event("1", 10, costing(pending(), 1500))), "9", 1500))
	if o.Terms != want || o.Rev != 9 {
		t.Errorf("terms %+v with rev %d, want %+v with rev 9", o.Terms, o.Rev, want)
	}
}

// TestPointerOutlivesItsOrder: a pointer always expires later than its order.
func TestPointerOutlivesItsOrder(t *testing.T) {
	o := openOrder("pi_1")
	at := noon
	for i, f := range []RecordFact{
		opening(10, pending()), event("1", 20, processing("ch_1")), event("2", 30, succeeded("ch_1")),
		RefundedTotal{At: 40, Event: "3", Amount: 10},
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
		t.Error("a missing pointer is not written")
	}
}

// TestRetention: an order that has expired is restored without order.paid, and a lost one with it.
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
				t.Errorf("%s is not marked restored", e.Type)
			}
		}
		dispute := DisputeSeen{"dp_1", Dispute{At: 1, Event: "e1", Status: "needs_response"}}
		_, changes = o.Apply(Learned{"pi_1", []RecordFact{dispute}}, noon)
		if got := eventTypes(changes); !slices.Equal(got, []string{"order.disputed"}) {
			t.Errorf("a dispute: %v", got)
		}
	}
}

// TestRevNamesOneSetOfTerms: terms that are set while Stripe is being asked to set another amount get a rev of their
// own, also if Redis's clock has gone back.
func TestRevNamesOneSetOfTerms(t *testing.T) {
	now := time.UnixMilli(1_760_000_000_000)
	for _, test := range []struct{ order, proposed, want int64 }{
		{0, 0, now.UnixMilli()},
		{now.UnixMilli() - 1, 0, now.UnixMilli()},
		{now.UnixMilli(), 0, now.UnixMilli() + 1},
		{now.UnixMilli() + 500, now.UnixMilli() + 501, now.UnixMilli() + 502},
		{now.UnixMilli() - 9, now.UnixMilli(), now.UnixMilli() + 1},
	} {
		o := Order{Rev: test.order, Proposed: Proposal{Rev: test.proposed}}
		if rev := o.NextRev(now); rev != test.want {
			t.Errorf("after %d and %d the next rev is %d, want %d", test.order, test.proposed, rev, test.want)
		}
	}
}
