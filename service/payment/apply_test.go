package payment

import (
	"encoding/json"
	"reflect"
	"slices"
	"testing"
	"time"
)

// datedSeen returns the fact with another kasse_rev and amount.
func datedSeen(s Seen, rev string, amount int64) Seen {
	s.Intent.Metadata["kasse_rev"] = rev
	s.Intent.Amount = amount
	return s
}

// paidSeen returns a success of an attempt over an amount.
func paidSeen(id ID, attempt int, amount int64) Seen {
	s := costing(succeeded("ch_"+string(id)), amount)
	s.AmountReceived = amount
	return seenAs(id, attempt, event("evt_"+string(id), 100, s))
}

// forgottenAttemptsCases are facts of payments that Redis has forgotten, with the events that each announces.
var forgottenAttemptsCases = []struct {
	name    string
	order   Order
	facts   []Fact
	want    [][]string
	amount  int64 // of the order's terms
	current ID
	unknown int
}{
	{
		"the next attempt is paid", openOrder("pi_1"),
		[]Fact{seenAs("pi_1", 1, opening(10, pending())), datedSeen(paidSeen("pi_2", 2, 1000), "1", 1000)},
		[][]string{{}, {"superseded.pending", "order.paid"}},
		1000, "pi_2", 0,
	},
	{
		"its newer terms are the order's", openOrder("pi_1"),
		[]Fact{seenAs("pi_1", 1, opening(10, pending())), datedSeen(paidSeen("pi_2", 2, 800), "2", 800)},
		[][]string{{}, {"superseded.pending", "order.paid"}},
		800, "pi_2", 0,
	},
	{
		"a copy of our metadata on a cheaper payment changes no terms", openOrder("pi_1"),
		[]Fact{seenAs("pi_1", 1, opening(10, pending())), datedSeen(paidSeen("pi_2", 2, 1), "1", 1)},
		[][]string{{}, {"superseded.pending", "order.held"}},
		1000, "pi_2", 0,
	},
	{
		"terms with a rev in the future change nothing", openOrder("pi_1"),
		[]Fact{datedSeen(paidSeen("pi_1", 1, 1), "9999999999999", 1)},
		[][]string{{"order.held"}},
		1000, "pi_1", 0,
	},
	{
		"a forgotten new price of a known attempt", openOrder("pi_1"),
		[]Fact{datedSeen(paidSeen("pi_1", 1, 1200), "5", 1200)},
		[][]string{{"order.paid"}},
		1200, "pi_1", 0,
	},
	{
		"while an attempt is unknown only successes are announced", openOrder("pi_1"),
		[]Fact{
			seenAs("pi_1", 1, opening(10, pending())), seenAs("pi_3", 3, event("1", 20, processing("ch_3"))),
			paidSeen("pi_3", 3, 1000),
		},
		[][]string{{}, {}, {"order.paid"}},
		1000, "pi_3", 1,
	},
	{
		"once it is known, the order's state is announced", openOrder("pi_1"),
		[]Fact{
			seenAs("pi_1", 1, opening(10, pending())), seenAs("pi_3", 3, event("1", 20, processing("ch_3"))),
			AttemptsListed{},
		},
		[][]string{{}, {}, {"order.processing"}},
		1000, "pi_3", 0,
	},
	{
		"a success on an order that is won", openOrder("pi_1"),
		[]Fact{paidSeen("pi_1", 1, 1000), paidSeen("pi_2", 2, 1000)},
		[][]string{{"order.paid"}, {"order.duplicate_payment"}},
		1000, "pi_1", 0,
	},
	{
		"a closed order is open again", func() Order {
			o := openOrder("pi_1")
			o.close(ClosedByCancel)
			return o
		}(),
		[]Fact{seenAs("pi_1", 1, event("1", 10, canceled(""))), seenAs("pi_2", 2, opening(20, pending()))},
		[][]string{{"order.canceled"}, {"superseded.canceled", "order.reopened"}},
		1000, "pi_2", 0,
	},
}

// TestForgottenAttempts: an order adopts payments that Redis has forgotten, and their terms only if these are newer.
func TestForgottenAttempts(t *testing.T) {
	for _, tt := range forgottenAttemptsCases {
		t.Run(tt.name, func(t *testing.T) {
			o, events := follow(tt.order, tt.facts...)
			for i := range tt.want {
				if !slices.Equal(events[i], tt.want[i]) {
					t.Errorf("fact %d: announced %v, want %v", i, events[i], tt.want[i])
				}
			}
			unknown := 0
			for _, a := range o.Attempts {
				unknown += btoi(a.Unknown)
			}
			if o.Terms.Amount != tt.amount || o.Current() != tt.current || unknown != tt.unknown || o.Closed != "" {
				t.Errorf("amount %d, current %s, %d unknown, closed %q", o.Terms.Amount, o.Current(), unknown, o.Closed)
			}
		})
	}
}

// TestNotLoadedIsNotEmpty: a fact about a payment of the order that was not loaded changes nothing. Changes.Needs names
// the payment.
func TestNotLoadedIsNotEmpty(t *testing.T) {
	o, _ := follow(openOrder("pi_1"), seenAs("pi_1", 1, event("1", 10, action(""))))
	o.Loaded = map[ID]*Payment{}
	for name, f := range map[string]Fact{
		"seen":    seenAs("pi_1", 1, event("2", 20, succeeded("ch_1"))),
		"learned": Learned{Payment: "pi_1", Facts: []RecordFact{RefundedTotal{At: 1, Event: "evt_1", Amount: 1}}},
		"refund":  RefundReserved{Payment: "pi_1"},
		"another": seenAs("pi_2", 2, opening(20, pending())),
	} {
		next, changes := o.Apply(f, noon)
		if !reflect.DeepEqual(changes.Needs, []ID{"pi_1"}) || len(changes.Views) > 0 || len(next.Loaded) > 0 {
			t.Errorf("%s: needs %v, views %v", name, changes.Needs, changes.Views)
		}
	}
}

// TestApplyLeavesItsOrder: Apply does not change the order that it is called on.
func TestApplyLeavesItsOrder(t *testing.T) {
	o, _ := follow(openOrder("pi_1"), seenAs("pi_1", 1, opening(10, pending())))
	before, _ := json.Marshal(o)
	record, _ := json.Marshal(o.Loaded["pi_1"])
	for _, f := range []Fact{
		seenAs("pi_1", 1, event("1", 20, succeeded("ch_1"))), seenAs("pi_2", 2, event("2", 20, declined("ch_2"))),
		Reserved{},
		Withdrawn{"pi_1"},
		OrderClosed{ClosedByCancel},
		SessionChosen{"pi_1", SessionFeatures{Save: true}},
		RefundReserved{Payment: "pi_1", Form: "form"},
		ClosureNoted{"pi_1"},
		ForeignSeen{"pi_9"},
	} {
		o.Apply(f, noon)
		after, _ := json.Marshal(o)
		if recordAfter, _ := json.Marshal(o.Loaded["pi_1"]); string(after) != string(before) ||
			string(recordAfter) != string(record) {
			t.Fatalf("%T changed the order it was applied to:\n%s\n%s", f, before, after)
		}
	}
}

// TestVersionGrows: a version is the greater of the last one + 1 and the clock in Unix milliseconds. All views of a
// write have the same.
func TestVersionGrows(t *testing.T) {
	o := openOrder("pi_1")
	for _, tt := range []struct {
		now  time.Time
		fact RecordFact
		want int64 // 0: nothing visible changed
	}{
		{noon, opening(10, pending()), noon.UnixMilli()},
		{noon, event("evt_1", 20, action("")), noon.UnixMilli() + 1},
		{noon.Add(-time.Hour), event("evt_2", 30, declined("ch_1")), noon.UnixMilli() + 2},
		{noon.Add(time.Second), event("evt_3", 30, declined("ch_1")), 0},
		{noon.Add(time.Minute), event("evt_4", 40, succeeded("ch_2")), noon.UnixMilli() + 60_000},
	} {
		before := o
		next, changes := o.Apply(seenAs("pi_1", 1, tt.fact), tt.now)
		o = next
		if tt.want == 0 {
			if len(changes.Views)+len(changes.Events) > 0 || o.Version != before.Version {
				t.Errorf("nothing visible changed, and the changes are %+v", changes)
			}
			continue
		}
		v, err := DecodeView(changes.Views[0].JSON)
		if err != nil || changes.Views[0].Version != tt.want || v.Version != tt.want ||
			v.UpdatedAt.Unix() != tt.now.Unix() {
			t.Errorf(
				"version %d, in the view %d, updated %v, %v; want %d", changes.Views[0].Version, v.Version,
				v.UpdatedAt, err, tt.want,
			)
		}
	}
	o = openOrder("pi_1")
	o, _ = follow(o, seenAs("pi_1", 1, opening(10, pending())))
	_, changes := o.Apply(seenAs("pi_2", 2, opening(20, pending())), noon)
	if len(changes.Views) != 2 || changes.Views[0].Version != changes.Views[1].Version {
		t.Errorf("the views of one write have several versions: %+v", changes.Views)
	}
}

func TestHistory(t *testing.T) {
	o, _ := follow(openOrder("pi_1"),
		Caused{Cause: "api", Fact: seenAs("pi_1", 1, opening(10, pending()))},
		Caused{Cause: "payment_intent.requires_action evt_1", Fact: seenAs("pi_1", 1, event("evt_1", 20, action("")))})
	for i, want := range []string{
		`{"version":1718884800987,"from":null,"to":"pending","at":"2024-06-20T12:00:00Z","cause":"api","by":null}`,
		`{"version":1718884801987,"from":"pending","to":"action_required","at":"2024-06-20T12:00:01Z",` +
			`"cause":"payment_intent.requires_action evt_1","by":null}`,
	} {
		if got, _ := json.Marshal(o.Loaded["pi_1"].History[i].View()); string(got) != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// readAt returns when the first payment of the changes is to be read; the zero time: never.
func readAt(c Changes) time.Time {
	if len(c.Reads) == 0 {
		return time.Time{}
	}
	return c.Reads[0].At
}

// TestReadIsAskedFor: the write that makes a record uncertain queues a read, and the one that ends that removes it.
func TestReadIsAskedFor(t *testing.T) {
	at := noon.Unix()
	o := openOrder("pi_1")
	for i, tt := range []struct {
		fact RecordFact
		want time.Time
	}{
		{event("evt_1", at, processing("ch_1")), time.Time{}},
		{event("evt_2", at, declined("ch_1")), noon.Add(time.Second)},
		{StaleResponse(at + 60), time.Unix(at+62, 0)},
		{event("evt_3", at, succeeded("ch_1")), time.Time{}},
	} {
		next, changes := o.Apply(seenAs("pi_1", 1, tt.fact), noon.Add(time.Duration(i)*time.Second))
		o = next
		if got := readAt(changes); !got.Equal(tt.want) {
			t.Errorf("fact %d: read at %v, want %v", i, got, tt.want)
		}
		if first := i == 0; first == (len(changes.Reads) > 0) { // an event may have queued a read before the first fact
			t.Errorf("fact %d: reads %v; the first must remove none, the others set or remove one", i, changes.Reads)
		}
		if final := i == 3; changes.Sweeps[0].At.IsZero() != final || (changes.Expires > 0) != final {
			t.Errorf("fact %d: swept at %v, expires after %v", i, changes.Sweeps[0].At, changes.Expires)
		}
	}
}

// TestLeaseWantsARead: the holder of a lease may die between Stripe's response and its save, and a change of
// the amount causes no event. So a read is due at the lease's end, and ending the lease removes it.
func TestLeaseWantsARead(t *testing.T) {
	until := noon.Add(7 * time.Second)
	for _, tt := range []struct {
		shown Snapshot
		want  time.Time
	}{{pending(), until}, {action(""), until}, {canceled(""), time.Time{}}, {succeeded("ch_1"), time.Time{}}} {
		o, _ := follow(openOrder("pi_1"), seenAs("pi_1", 1, event("1", 10, tt.shown)))
		o, taken := o.Apply(Leased{"me", until}, noon)
		if got := readAt(taken); !got.Equal(tt.want) {
			t.Errorf("%s, leased: read at %v, want %v", tt.shown.Status, got, tt.want)
		}
		if _, released := o.Apply(Released{"me"}, noon); !readAt(released).IsZero() {
			t.Errorf("%s, released: read at %v", tt.shown.Status, readAt(released))
		}
		if tt.want.IsZero() {
			continue
		}
		o, waiting := o.Apply(TermsSet{Terms: o.Terms, Rev: 2}, until)
		if got := readAt(waiting); !got.Equal(until) {
			t.Errorf("%s, after the end of the lease: read at %v", tt.shown.Status, got)
		}
		_, answered := o.Apply(seenAs("pi_1", 1, read(until.Unix(), tt.shown, "1")), until)
		if !readAt(answered).IsZero() {
			t.Errorf("%s, after the read: read again at %v", tt.shown.Status, readAt(answered))
		}
	}
}

// TestFulfillableOnce: the first fulfillable view sets fulfillable_at, which then stays.
func TestFulfillableOnce(t *testing.T) {
	o := openOrder("pi_1")
	for i, fulfillable := range []bool{true, false} {
		fact := event("evt_1", 20, succeeded("ch_1"))
		if i == 1 {
			fact = event("evt_2", 30, costing(succeeded("ch_1"), 999))
		}
		o, _ = o.Apply(seenAs("pi_1", 1, fact), noon.Add(time.Duration(i)*time.Second))
		v, _ := o.View("pi_1")
		if v.Fulfillable != fulfillable || v.FulfillableAt == nil || v.FulfillableAt.Unix() != noon.Unix() {
			t.Errorf("fact %d: fulfillable %v at %v", i, v.Fulfillable, v.FulfillableAt)
		}
	}
}
