package payment

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// personal are the members of a view that PersonForgotten empties, and kept those that stay. A new private member
// has to be in one of them: a personal member is removed by withoutPerson and by ForgetInView.
var (
	personal = []string{"metadata", "payment_method_details", "receipt_url"}
	kept     = []string{"customer", "dispute", "review"}
)

// TestEveryPrivateMemberIsForgottenOrKept: each private member of a view is either removed by a forget, or kept on
// purpose.
func TestEveryPrivateMemberIsForgottenOrKept(t *testing.T) {
	known := map[string]bool{}
	for _, name := range append(append([]string{}, personal...), kept...) {
		known[name] = true
	}
	for _, member := range reflect.VisibleFields(reflect.TypeFor[struct {
		tokenView
		keyView
	}]()) {
		if member.Anonymous {
			continue
		}
		name, _, _ := strings.Cut(member.Tag.Get("json"), ",")
		if !known[name] {
			t.Errorf("the member %s is neither removed nor kept by kasse forget: if it is personal, remove it in "+
				"service/payment/forget.go and name it in personal of this file, otherwise name it in kept", name)
		}
		delete(known, name)
	}
	if len(known) > 0 {
		t.Errorf("there are no members %v", known)
	}
}

// withShopData returns the snapshot with metadata of the shop.
func withShopData(s Snapshot, value string) Snapshot {
	s.Metadata = map[string]string{"name": value, "kasse_order_id": "order-1"}
	return s
}

// personFacts draws facts of one payment, some of which differ in the metadata alone.
func personFacts(t *rapid.T) []RecordFact {
	snapshots := []Snapshot{pending(), declined("ch_1"), processing("ch_2"), succeeded("ch_2")}
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) RecordFact {
		s := withShopData(
			rapid.SampledFrom(snapshots).Draw(t, "snapshot"),
			rapid.SampledFrom([]string{"", "Ada", "Bob"}).Draw(t, "name"),
		)
		at := rapid.Int64Range(10, 12).Draw(t, "at")
		if rapid.Bool().Draw(t, "charge") {
			return ChargeSeen{
				rapid.SampledFrom([]string{"ch_1", "ch_2"}).Draw(t, "id"),
				ChargeDetails{At: at, Type: "card", Last4: "4242"},
			}
		}
		if rapid.Bool().Draw(t, "read") {
			return Read{
				Observation: Observation{At: at, Snapshot: s},
				IDs:         []string{rapid.SampledFrom([]string{"req_1", "req_2", "req_3"}).Draw(t, "request")},
			}
		}
		return Creation{Observation{At: at, Snapshot: s}}
	}), 1, 6).Draw(t, "facts")
}

// TestForgettingCommutes: the same set of facts gives the same record, at any time at which the person is forgotten.
func TestForgettingCommutes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		facts := personFacts(t)
		at := rapid.IntRange(0, len(facts)).Draw(t, "forgotten after")
		var last, early Record
		for i, f := range facts {
			last = Merge(last, f)
			early = Merge(early, f)
			if i >= at { // and again after each later fact
				early = early.withoutPerson()
			}
		}
		if last, early = last.withoutPerson(), early.withoutPerson(); !reflect.DeepEqual(last, early) {
			t.Fatalf("forgotten at the end:\n%+v\nforgotten after %d facts:\n%+v", last, at, early)
		}
	})
}

// TestForgottenStaysForgotten: a later event or read of a forgotten attempt restores no personal data, and
// the next attempt is not affected.
func TestForgottenStaysForgotten(t *testing.T) {
	now := time.UnixMilli(1_795_435_200_000)
	o := Order{ID: "order-1", Revision: "1", Rules: Rules{MaxFailures: 10, Retention: time.Hour}}
	show := func(id ID, attempt string, f RecordFact, s Snapshot) Seen {
		s.Metadata["kasse_attempt"] = attempt
		return Seen{Intent: Intent{ID: id, Snapshot: s}, Facts: []RecordFact{f}}
	}
	s := withShopData(succeeded("ch_1"), "Ada")
	s.Status, s.AmountReceived = Canceled, 0
	o, _ = o.Apply(show("pi_1", "1", event("evt_1", 10, s), s), now)
	before, _ := o.View("pi_1")
	o, changes := o.Apply(PersonForgotten{}, now)
	after, _ := o.View("pi_1")
	if before.Metadata["name"] != "Ada" || len(after.Metadata) > 0 || after.State != before.State ||
		len(changes.Events) != 1 || changes.Events[0].Type != "order.updated" {
		t.Fatalf("before %v, after %v, %d events", before.Metadata, after, len(changes.Events))
	}
	o, changes = o.Apply(show("pi_1", "1", event("evt_0", 9, s), s), now)
	o, again := o.Apply(PersonForgotten{}, now)
	if v, _ := o.View("pi_1"); len(v.Metadata) > 0 || len(changes.Views)+len(again.Views) > 0 {
		t.Errorf("after a late event: %v, %d views", v.Metadata, len(changes.Views))
	}
	second := withShopData(pending(), "Bob")
	o, _ = o.Apply(show("pi_2", "2", event("evt_2", 20, second), second), now)
	if v, _ := o.View("pi_2"); v.Metadata["name"] != "Bob" {
		t.Errorf("the next attempt has %v", v.Metadata)
	}
}

// TestUnfinished: an order that can still be paid, or whose state is unknown, is not finished, for the reason in the
// table.
func TestUnfinished(t *testing.T) {
	now := time.UnixMilli(1_795_435_200_000)
	for want, o := range map[string]Order{
		"": {Attempts: []Attempt{
			{Number: 1, Refused: true},
			{Number: 2, Payment: "pi_2", State: CanceledState},
			{Number: 3, Payment: "pi_3", State: Refunded},
		}},
		"it has no payment yet": {Terms: Terms{Amount: 1}},
		"payment pi_1 is failed; cancel it, or wait until it has ended": {
			Attempts: []Attempt{{Number: 1, Payment: "pi_1", State: Failed}},
		},
		"payment pi_1 is authorized; cancel it, or wait until it has ended": {
			Attempts: []Attempt{{Number: 1, Payment: "pi_1", State: Authorized}},
		},
		"Stripe's response to attempt 1 is not known; Kasse is searching for it": {
			Attempts: []Attempt{{Number: 1, Form: "a"}},
		},
		"attempt 1 is not known; Kasse is searching for it at Stripe": {
			Attempts: []Attempt{{Number: 1, Unknown: true}, {Number: 2, Payment: "pi_2", State: Paid}},
		},
		"another call is changing it": {
			Lease:    Lease{Owner: "a", Until: now.UnixMilli() + 1},
			Attempts: []Attempt{{Number: 1, Payment: "pi_1", State: Paid}},
		},
	} {
		if got := o.Unfinished(now); got != want {
			t.Errorf("%+v: %q, want %q", o.Attempts, got, want)
		}
	}
}
