package payment

import (
	"reflect"
	"testing"
)

var underWay = event("evt_1", 10, processing("ch_1"))

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
		name: "an uncovered one a second older asks again", facts: []RecordFact{underWay, read(11, declined("ch_1"))},
		want: declined("ch_1"), wanted: true,
	},
	{
		name: "one of the same second", facts: []RecordFact{underWay, read(10, declined("ch_1"))},
		want: declined("ch_1"), wanted: true,
	},
	{
		name: "one a second newer", facts: []RecordFact{underWay, read(9, declined("ch_1"))},
		want: processing("ch_1"), wanted: true,
	},
	{
		name: "no certain step spares the question", facts: []RecordFact{underWay, read(10, action(""))},
		want: processing("ch_1"), wanted: true,
	},
	{
		name: "one two seconds newer starts afresh", facts: []RecordFact{underWay, read(8, declined("ch_1"))},
		want: processing("ch_1"),
	},
	{
		name: "an uncovered one that says the same", facts: []RecordFact{underWay, read(10, processing("ch_1"))},
		want: processing("ch_1"),
	},
	{
		name: "a newer one judged without the read", want: processing("ch_1"), wanted: true,
		facts: []RecordFact{read(8, pending()), underWay, event("evt_2", 9, declined("ch_1"))},
	},
	{
		name: "only the uncovered ones are judged", want: declined("ch_1"),
		facts: []RecordFact{read(8, pending(), "evt_1"), underWay, event("evt_2", 10, declined("ch_1"))},
	},
	{
		name: "a second id of a covered event asks again", want: declined("ch_1"), wanted: true,
		facts: []RecordFact{underWay, read(10, declined("ch_1"), "evt_1"), event("evt_2", 10, processing("ch_1"))},
	},
	{
		name: "an update makes no event", want: costing(afterUpdate(), 1200),
		facts: []RecordFact{event("evt_1", 10, declined("ch_1")), read(10, costing(afterUpdate(), 1200), "evt_1")},
	},
}

// TestReads: the rules of Stripe's answers; "evt_1" is an event of second 10.
func TestReads(t *testing.T) {
	for _, tt := range readsCases {
		t.Run(tt.name, tt.run)
	}
}

// named sets an answer's id.
func named(id string, a Read) Read {
	a.IDs = []string{id}
	return a
}

var refusedCard = event("evt_1", 10, declined("ch_1"))

var readsOfOneTimeCases = []shownTest{
	{
		name: "the later of two", facts: []RecordFact{read(10, action("")), read(12, processing("ch_1"))},
		want: processing("ch_1"),
	},
	{
		name: "one second and different", want: processing("ch_1"), wanted: true, notBefore: 12,
		facts: []RecordFact{read(10, action("")), read(10, processing("ch_1"))},
	},
	{
		name: "neighbouring seconds and different", want: afterUpdate(), wanted: true, notBefore: 13,
		facts: []RecordFact{read(10, declined("ch_1")), read(11, afterUpdate())},
	},
	{
		name: "a read two seconds later settles it", want: afterUpdate(),
		facts: []RecordFact{read(10, declined("ch_1")), read(11, afterUpdate()), read(13, afterUpdate())},
	},
	{
		name: "one second and alike", want: declined("ch_1"),
		facts: []RecordFact{read(10, declined("ch_1")), read(10, declined("ch_1"), "evt_1")},
	},
	{
		name: "what either covers is covered", want: afterUpdate(),
		facts: []RecordFact{
			refusedCard, read(10, afterUpdate(), "evt_1"), read(10, afterUpdate()), read(11, afterUpdate()),
		},
	},
	{
		name: "one second and different, but one was known when the other was asked", want: costing(pending(), 900),
		facts: []RecordFact{
			named("req_1", read(10, costing(pending(), 1000))),
			named("req_2", read(10, costing(pending(), 900), "req_1")),
		},
	},
	{
		name: "a chain of them", want: costing(pending(), 1100),
		facts: []RecordFact{
			named("req_1", read(10, costing(pending(), 1000))), named(
				"req_2", read(10, costing(pending(), 900), "req_1"),
			),
			named("req_3", read(10, costing(pending(), 1100), "req_1", "req_2")),
		},
	},
	{
		name: "the same was said again before the other was asked, and once more beside it", want: costing(
			pending(), 900,
		), wanted: true, notBefore: 12,
		facts: []RecordFact{
			named("req_1", read(10, costing(pending(), 1000))), named(
				"req_2", read(10, costing(pending(), 900), "req_1"),
			),
			named("req_3", read(10, costing(pending(), 1000))),
		},
	},
	{
		name: "three, of which two agree", want: processing("ch_1"), wanted: true, notBefore: 12,
		facts: []RecordFact{read(10, processing("ch_1")), read(10, action("")), read(10, processing("ch_1"))},
	},
}

// TestReadsOfOneTime joins answers that are too near to be ordered.
func TestReadsOfOneTime(t *testing.T) {
	for _, tt := range readsOfOneTimeCases {
		t.Run(tt.name, tt.run)
	}
}

var doubtCases = []shownTest{
	{
		name:  "asks for a read two seconds later",
		facts: []RecordFact{opening(10, pending()), StaleResponse(10)}, want: pending(), wanted: true,
		notBefore: 12,
	},
	{
		name:  "the greatest counts",
		facts: []RecordFact{opening(10, pending()), StaleResponse(10), StaleResponse(20)}, want: pending(),
		wanted: true, notBefore: 22,
	},
	{
		name: "an earlier read does not end it", facts: []RecordFact{read(9, pending()), StaleResponse(10)},
		want: pending(), wanted: true, notBefore: 12,
	},
	{
		name: "one of the same second neither", facts: []RecordFact{read(10, pending()), StaleResponse(10)},
		want: pending(), wanted: true, notBefore: 12,
	},
	{
		name: "one within the window neither", facts: []RecordFact{read(11, pending()), StaleResponse(10)},
		want: pending(), wanted: true, notBefore: 12,
	},
	{name: "a later read does", facts: []RecordFact{read(12, action("")), StaleResponse(10)}, want: action("")},
	{
		name:  "an event does not, however new",
		facts: []RecordFact{event("evt_1", 99, action("")), StaleResponse(10)}, want: action(""), wanted: true,
		notBefore: 12,
	},
	{
		name: "an event that only names the payment", facts: []RecordFact{opening(10, pending()), Named(10)},
		want: pending(), wanted: true, notBefore: 12,
	},
	{
		name: "a read within the window does not end it", facts: []RecordFact{read(11, pending()), Named(10)},
		want: pending(), wanted: true, notBefore: 12,
	},
	{name: "a read after it does", facts: []RecordFact{read(12, pending()), Named(10)}, want: pending()},
	{
		name:  "nor does one of an end, without refunds",
		facts: []RecordFact{read(12, succeeded("ch_1")), Named(10)}, want: succeeded("ch_1"), wanted: true,
		notBefore: 12,
	},
	{
		name: "with the list of refunds it does", want: succeeded("ch_1"),
		facts: []RecordFact{read(12, succeeded("ch_1")), RefundListing{At: 12}, Named(10)},
	},
	{
		name: "it may come with another doubt", want: declined("ch_1"), wanted: true, notBefore: 12,
		facts: []RecordFact{
			event("evt_1", 10, processing("ch_1")), event("evt_2", 10, declined("ch_1")), StaleResponse(10),
		},
	},
}

func TestDoubt(t *testing.T) {
	for _, tt := range doubtCases {
		t.Run(tt.name, tt.run)
	}
	if r := merged(StaleResponse(10), Named(10)); !r.Empty() {
		t.Error("a doubt alone is nothing to show")
	}
}

// TestSeen uses the covers of a read: the events and answers in the record when it begins.
func TestSeen(t *testing.T) {
	r := merged(event("evt_2", 11, processing("ch_1")), event("evt_1", 10, action("")), event("evt_0", 5, pending()))
	if got, want := r.KnownIDs(), []string{"evt_1", "evt_2"}; !reflect.DeepEqual(got, want) {
		t.Errorf("seen %v, want %v", got, want)
	}
	r = Merge(r, named("req_1", read(11, declined("ch_1"), r.KnownIDs()...)))
	if got, want := r.KnownIDs(), []string{"evt_1", "evt_2", "req_1"}; !reflect.DeepEqual(got, want) {
		t.Errorf("seen %v, want %v", got, want)
	}
	if shown := r.Resolve(); shown.NeedsRead || !reflect.DeepEqual(shown.Snapshot, declined("ch_1")) {
		t.Errorf("a read that covers all it knew settles it: %+v", shown)
	}
}
