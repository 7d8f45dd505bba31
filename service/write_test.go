package service

import (
	"testing"
	"time"
)

var noon = time.Date(2024, 6, 20, 12, 0, 0, 987_000_000, time.UTC)

// follow stores one fact after the other, and returns what was written for each.
func follow(t *testing.T, p Payment, facts ...Fact) []PaymentWrite {
	t.Helper()
	var writes []PaymentWrite
	for i, f := range facts {
		p.Record = Merge(p.Record, f)
		w, err := p.write(noon.Add(time.Duration(i)*time.Second), "cause")
		if err != nil {
			t.Fatal(err)
		}
		writes, p = append(writes, w), w.Payment
	}
	return writes
}

func announced(w PaymentWrite) string {
	if w.Event == nil {
		return ""
	}
	return w.Event.Type
}

// TestAnnouncements tells what backends hear of a payment, fact by fact.
func TestAnnouncements(t *testing.T) {
	won := Standing{Order: "order-1", Attempt: 1, Result: Won, Terms: &Terms{Amount: 1000, Currency: "eur"}}
	open := Standing{Order: "order-1", Attempt: 1}
	duplicate := Standing{Order: "order-1", Attempt: 2, Result: Duplicate, Terms: won.Terms}
	superseded := Standing{Order: "order-1", Attempt: 1, Superseded: true}
	foreign := Standing{Order: "order-1", Attempt: 1, Foreign: true}
	early := won
	early.Superseded = true
	e := event
	for _, tt := range []struct {
		name     string
		standing Standing
		facts    []Fact
		want     []string // "": nothing
	}{
		{"opening is no news", open, []Fact{opening(10, pending())}, []string{""}},
		{"unless more is known already", open, []Fact{e("1", 10, action(""))}, []string{"order.action_required"}},
		{
			"each change of state", open,
			[]Fact{opening(10, pending()), e("1", 20, action("")), e("2", 30, declined("ch_1")), e("3", 40, processing("ch_2")), e("4", 50, canceled("ch_2"))},
			[]string{"", "order.action_required", "order.failed", "order.processing", "order.canceled"},
		},
		{"authorized", open, []Fact{e("1", 10, authorized("ch_1"))}, []string{"order.authorized"}},
		{
			"paid once", won,
			[]Fact{e("1", 10, succeeded("ch_1")), e("1", 10, succeeded("ch_1")), e("2", 11, succeeded("ch_1"))},
			[]string{"order.paid", "", ""},
		},
		{
			"a visible change within a state", open,
			[]Fact{e("1", 10, declined("ch_1")), e("2", 20, unauthenticated("ch_1"))},
			[]string{"order.failed", "order.updated"},
		},
		{"an update is one", open, []Fact{opening(10, pending()), read(20, costing(pending(), 1200))}, []string{"", "order.updated"}},
		{
			"held", won,
			[]Fact{e("1", 10, processing("ch_1")), e("2", 20, costing(succeeded("ch_1"), 900))},
			[]string{"order.processing", "order.held"},
		},
		{
			"a second success", duplicate,
			[]Fact{e("1", 10, action("")), e("2", 20, succeeded("ch_1"))},
			[]string{"superseded.action_required", "order.duplicate_payment"},
		},
		{"superseded", superseded, []Fact{opening(10, pending()), e("1", 20, canceled(""))}, []string{"", "superseded.canceled"}},
		{"superseded, and yet first", early, []Fact{e("1", 20, succeeded("ch_1"))}, []string{"order.paid"}},
		{"foreign", foreign, []Fact{e("1", 20, succeeded("ch_1"))}, []string{"superseded.paid"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for i, w := range follow(t, Payment{ID: "pi_1", Standing: tt.standing}, tt.facts...) {
				if got := announced(w); got != tt.want[i] {
					t.Errorf("fact %d: announced %q, want %q", i, got, tt.want[i])
				}
			}
		})
	}
}

// TestAnnouncementsOfMoneyGivenBack names the ways back to paid.
func TestAnnouncementsOfMoneyGivenBack(t *testing.T) {
	then, amount := moment(10), HoldAmount
	for _, tt := range []struct {
		before, after View
		want          string
	}{
		{View{State: Disputed, FulfillableAt: then}, View{State: Paid, FulfillableAt: then}, "order.dispute_won"},
		{View{State: ChargedBack, FulfillableAt: then}, View{State: Paid, FulfillableAt: then}, "order.dispute_won"},
		{View{State: Refunded, FulfillableAt: then}, View{State: Paid, FulfillableAt: then}, "order.refund_failed"},
		{View{State: PartiallyRefunded, FulfillableAt: then}, View{State: Paid, FulfillableAt: then}, "order.refund_failed"},
		{View{State: Paid, FulfillableAt: then}, View{State: PartiallyRefunded, AmountRefunded: 1, FulfillableAt: then}, "order.partially_refunded"},
		{
			View{State: PartiallyRefunded, AmountRefunded: 1, FulfillableAt: then},
			View{State: PartiallyRefunded, AmountRefunded: 2, FulfillableAt: then},
			"order.partially_refunded",
		},
		{View{State: Paid, HoldReason: &amount}, View{State: Paid, FulfillableAt: then}, "order.paid"},
		{View{State: Disputed, HoldReason: &amount}, View{State: Paid, HoldReason: &amount}, "order.dispute_won"},
	} {
		if got := eventType(tt.before, tt.after, Standing{Result: Won}); got != tt.want {
			t.Errorf("%s to %s: %s, want %s", tt.before.State, tt.after.State, got, tt.want)
		}
	}
}

// TestVersionGrows: the greater of the last one + 1 and the clock, in milliseconds.
func TestVersionGrows(t *testing.T) {
	p := Payment{ID: "pi_1", Standing: Standing{Order: "order-1"}, Record: merged(opening(10, pending()))}
	for _, tt := range []struct {
		now  time.Time
		fact Fact
		want int64 // 0: nothing visible changed
	}{
		{noon, opening(10, pending()), noon.UnixMilli()},
		{noon, event("evt_1", 20, action("")), noon.UnixMilli() + 1},
		{noon.Add(-time.Hour), event("evt_2", 30, declined("ch_1")), noon.UnixMilli() + 2},
		{noon.Add(time.Second), event("evt_3", 30, declined("ch_1")), 0},
		{noon.Add(time.Minute), event("evt_4", 40, succeeded("ch_2")), noon.UnixMilli() + 60_000},
	} {
		before := p
		p.Record = Merge(p.Record, tt.fact)
		w, err := p.write(tt.now, "cause")
		if err != nil {
			t.Fatal(err)
		}
		if tt.want == 0 {
			if w.Event != nil || w.History != nil || string(w.View) != string(before.View) || w.Version == 0 {
				t.Errorf("nothing visible changed, and yet: %+v", w)
			}
			continue
		}
		v, err := decodeView(w.View)
		if err != nil || w.Version != tt.want || v.Version != tt.want || v.UpdatedAt.UnixMilli() != tt.now.UnixMilli()/1000*1000 {
			t.Errorf("version %d, in the view %d, updated %v, %v; want %d", w.Version, v.Version, v.UpdatedAt, err, tt.want)
		}
		p = w.Payment
	}
}

func TestHistoryEntry(t *testing.T) {
	writes := follow(t, Payment{ID: "pi_1"}, opening(10, pending()), event("evt_1", 20, action("")))
	for i, want := range []string{
		`{"version":1718884800987,"from":null,"to":"pending","at":"2024-06-20T12:00:00Z","cause":"cause"}`,
		`{"version":1718884801987,"from":"pending","to":"action_required","at":"2024-06-20T12:00:01Z","cause":"cause"}`,
	} {
		if got := string(writes[i].History); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	if id := writes[1].Event.ID; id != "pi_1.1718884801987" {
		t.Errorf("event id %s", id)
	}
}

// TestReadIsAskedFor in the same write that finds the doubt, and no more in the one that ends it.
func TestReadIsAskedFor(t *testing.T) {
	at := noon.Unix()
	writes := follow(t, Payment{ID: "pi_1"},
		event("evt_1", at, processing("ch_1")), event("evt_2", at, declined("ch_1")),
		Doubt(at+60), event("evt_3", at, succeeded("ch_1")))
	for i, want := range []time.Time{{}, noon.Add(time.Second), time.Unix(at+62, 0), {}} {
		if got := writes[i].ReadAt; !got.Equal(want) {
			t.Errorf("fact %d: read at %v, want %v", i, got, want)
		}
	}
	if writes[2].Final || !writes[3].Final {
		t.Error("final at the end, and not before")
	}
}

// TestFulfillableOnce sets the moment with the first fulfillable view, and keeps it.
func TestFulfillableOnce(t *testing.T) {
	writes := follow(t, winner(opening(10, pending())), event("evt_1", 20, succeeded("ch_1")), event("evt_2", 30, costing(succeeded("ch_1"), 999)))
	for i, fulfillable := range []bool{true, false} {
		v, err := decodeView(writes[i].View)
		if err != nil || v.Fulfillable != fulfillable || v.FulfillableAt == nil || v.FulfillableAt.Unix() != noon.Unix() {
			t.Errorf("fact %d: fulfillable %v at %v, %v", i, v.Fulfillable, v.FulfillableAt, err)
		}
	}
	if got := writes[1].Standing.FulfillableAt; got != noon.Unix() {
		t.Errorf("stored as %d", got)
	}
}
