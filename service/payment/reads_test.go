package payment

import (
	"reflect"
	"testing"
)

var underWay = event("evt_1", 10, processing("ch_1"))

// readsCases are the rules of Stripe's responses to reads. evt_1 is an event of second 10.
var readsCases = []shownTest{
	{name: "a read alone", facts: []RecordFact{read(10, action(""))}, want: action("")},
	{
		name: "a read over the opening", facts: []RecordFact{read(10, action("")), opening(50, pending())},
		want: action(""),
	},
	{
		name: "a covered event changes nothing", facts: []RecordFact{underWay, read(10, declined("ch_1"), "evt_1")},
		want: declined("ch_1"),
	},
	{
		name:  "a covered event with a newer stamp too",
		facts: []RecordFact{underWay, read(8, declined("ch_1"), "evt_1")}, want: declined("ch_1"),
	},
	{
		name:  "an event older than the window is covered by age",
		facts: []RecordFact{underWay, read(12, declined("ch_1"))}, want: declined("ch_1"),
	},
	{
		name:  "an uncovered event a second older needs a read",
		facts: []RecordFact{underWay, read(11, declined("ch_1"))},
		want:  declined("ch_1"), needsRead: true,
	},
	{
		name: "an uncovered event of the same second", facts: []RecordFact{underWay, read(10, declined("ch_1"))},
		want: declined("ch_1"), needsRead: true,
	},
	{
		name: "an uncovered event a second newer", facts: []RecordFact{underWay, read(9, declined("ch_1"))},
		want: processing("ch_1"), needsRead: true,
	},
	{
		name: "a certain step needs a read too", facts: []RecordFact{underWay, read(10, action(""))},
		want: processing("ch_1"), needsRead: true,
	},
	{
		name: "an event two seconds newer replaces the read", facts: []RecordFact{underWay, read(8, declined("ch_1"))},
		want: processing("ch_1"),
	},
	{
		name: "an uncovered event with the same state", facts: []RecordFact{underWay, read(10, processing("ch_1"))},
		want: processing("ch_1"),
	},
	{
		name: "two newer events are compared without the read", want: processing("ch_1"), needsRead: true,
		facts: []RecordFact{read(8, pending()), underWay, event("evt_2", 9, declined("ch_1"))},
	},
	{
		name: "only uncovered events are compared", want: declined("ch_1"),
		facts: []RecordFact{read(8, pending(), "evt_1"), underWay, event("evt_2", 10, declined("ch_1"))},
	},
	{
		name: "a second id of a covered event needs a read", want: declined("ch_1"), needsRead: true,
		facts: []RecordFact{underWay, read(10, declined("ch_1"), "evt_1"), event("evt_2", 10, processing("ch_1"))},
	},
	{
		name: "an update has no event", want: costing(afterUpdate(), 1200),
		facts: []RecordFact{event("evt_1", 10, declined("ch_1")), read(10, costing(afterUpdate(), 1200), "evt_1")},
	},
}

// TestReads: a record with a response to a read shows the state of readsCases.
func TestReads(t *testing.T) {
	for _, tt := range readsCases {
		t.Run(tt.name, tt.run)
	}
}

// named returns the read with an id.
func named(id string, a Read) Read {
	a.IDs = []string{id}
	return a
}

var refusedCard = event("evt_1", 10, declined("ch_1"))

// readsOfOneTimeCases are responses with dates too close to be ordered.
var readsOfOneTimeCases = []shownTest{
	{
		name: "the later of two", facts: []RecordFact{read(10, action("")), read(12, processing("ch_1"))},
		want: processing("ch_1"),
	},
	{
		name: "one second and different", want: processing("ch_1"), needsRead: true, notBefore: 12,
		facts: []RecordFact{read(10, action("")), read(10, processing("ch_1"))},
	},
	{
		name: "neighbouring seconds and different", want: afterUpdate(), needsRead: true, notBefore: 13,
		facts: []RecordFact{read(10, declined("ch_1")), read(11, afterUpdate())},
	},
	{
		name: "a read two seconds later settles it", want: afterUpdate(),
		facts: []RecordFact{read(10, declined("ch_1")), read(11, afterUpdate()), read(13, afterUpdate())},
	},
	{
		name: "one second and the same state", want: declined("ch_1"),
		facts: []RecordFact{read(10, declined("ch_1")), read(10, declined("ch_1"), "evt_1")},
	},
	{
		name: "an event that either covers is covered", want: afterUpdate(),
		facts: []RecordFact{
			refusedCard, read(10, afterUpdate(), "evt_1"), read(10, afterUpdate()), read(11, afterUpdate()),
		},
	},
	{
		name: "one second and different, but the first was known when the second began", want: costing(pending(), 900),
		facts: []RecordFact{
			named("req_1", read(10, costing(pending(), 1000))),
			named("req_2", read(10, costing(pending(), 900), "req_1")),
		},
	},
	{
		name: "a chain of them", want: costing(pending(), 1100),
		facts: []RecordFact{
			named("req_1", read(10, costing(pending(), 1000))),
			named("req_2", read(10, costing(pending(), 900), "req_1")),
			named("req_3", read(10, costing(pending(), 1100), "req_1", "req_2")),
		},
	},
	{
		name: "the first state again, in a read that knew neither", want: costing(pending(), 900),
		needsRead: true, notBefore: 12,
		facts: []RecordFact{
			named("req_1", read(10, costing(pending(), 1000))),
			named("req_2", read(10, costing(pending(), 900), "req_1")),
			named("req_3", read(10, costing(pending(), 1000))),
		},
	},
	{
		name: "three, of which two agree", want: processing("ch_1"), needsRead: true, notBefore: 12,
		facts: []RecordFact{read(10, processing("ch_1")), read(10, action("")), read(10, processing("ch_1"))},
	},
}

// TestReadsOfOneTime: responses that are too close to be ordered need another read, unless they agree.
func TestReadsOfOneTime(t *testing.T) {
	for _, tt := range readsOfOneTimeCases {
		t.Run(tt.name, tt.run)
	}
}

// staleCases are facts after which a read is needed.
var staleCases = []shownTest{
	{
		name:  "needs a read two seconds later",
		facts: []RecordFact{opening(10, pending()), StaleResponse(10)}, want: pending(), needsRead: true,
		notBefore: 12,
	},
	{
		name:  "the greatest counts",
		facts: []RecordFact{opening(10, pending()), StaleResponse(10), StaleResponse(20)}, want: pending(),
		needsRead: true, notBefore: 22,
	},
	{
		name: "an earlier read does not end it", facts: []RecordFact{read(9, pending()), StaleResponse(10)},
		want: pending(), needsRead: true, notBefore: 12,
	},
	{
		name: "a read of the same second does not end it", facts: []RecordFact{read(10, pending()), StaleResponse(10)},
		want: pending(), needsRead: true, notBefore: 12,
	},
	{
		name: "a read a second later does not end it", facts: []RecordFact{read(11, pending()), StaleResponse(10)},
		want: pending(), needsRead: true, notBefore: 12,
	},
	{
		name: "a read two seconds later ends it", want: action(""),
		facts: []RecordFact{read(12, action("")), StaleResponse(10)},
	},
	{
		name:  "an event does not end it",
		facts: []RecordFact{event("evt_1", 99, action("")), StaleResponse(10)}, want: action(""), needsRead: true,
		notBefore: 12,
	},
	{
		name: "an event that only names the payment", facts: []RecordFact{opening(10, pending()), Named(10)},
		want: pending(), needsRead: true, notBefore: 12,
	},
	{
		name:  "a named payment: a read a second later does not end it",
		facts: []RecordFact{read(11, pending()), Named(10)},
		want:  pending(), needsRead: true, notBefore: 12,
	},
	{
		name: "a named payment: a read two seconds later ends it", want: pending(),
		facts: []RecordFact{read(12, pending()), Named(10)},
	},
	{
		name:  "a read of a final payment without its refunds does not end it",
		facts: []RecordFact{read(12, succeeded("ch_1")), Named(10)}, want: succeeded("ch_1"), needsRead: true,
		notBefore: 12,
	},
	{
		name: "a read of a final payment with its refunds ends it", want: succeeded("ch_1"),
		facts: []RecordFact{read(12, succeeded("ch_1")), RefundListing{At: 12}, Named(10)},
	},
	{
		name: "with events that cannot be ordered", want: declined("ch_1"), needsRead: true, notBefore: 12,
		facts: []RecordFact{
			event("evt_1", 10, processing("ch_1")), event("evt_2", 10, declined("ch_1")), StaleResponse(10),
		},
	},
}

// TestStaleResponse: a stale response, or an event that only names the payment, needs a read that begins later.
func TestStaleResponse(t *testing.T) {
	for _, tt := range staleCases {
		t.Run(tt.name, tt.run)
	}
	if r := merged(StaleResponse(10), Named(10)); !r.Empty() {
		t.Error("a record with nothing to show is not empty")
	}
}

// TestSeen: a read covers the events and responses that are in the record when it begins.
func TestSeen(t *testing.T) {
	r := merged(event("evt_2", 11, processing("ch_1")), event("evt_1", 10, action("")), event("evt_0", 5, pending()))
	if got, want := r.KnownIDs(), []string{"evt_1", "evt_2"}; !reflect.DeepEqual(got, want) {
		t.Errorf("known ids are %v, want %v", got, want)
	}
	r = Merge(r, named("req_1", read(11, declined("ch_1"), r.KnownIDs()...)))
	if got, want := r.KnownIDs(), []string{"evt_1", "evt_2", "req_1"}; !reflect.DeepEqual(got, want) {
		t.Errorf("known ids are %v, want %v", got, want)
	}
	if shown := r.Resolve(); shown.NeedsRead || !reflect.DeepEqual(shown.Snapshot, declined("ch_1")) {
		t.Errorf("after a read that covers all events: %+v", shown)
	}
}
