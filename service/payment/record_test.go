package payment

import (
	"fmt"
	"reflect"
	"testing"
)

// shownTest is a rule about the state that a record shows. It holds in every order of the facts.
type shownTest struct {
	name          string
	facts         []RecordFact
	want          Snapshot
	needsRead     bool  // a read is needed
	notBefore     int64 // Unix seconds
	contradictory bool
}

func (tt shownTest) run(t *testing.T) {
	t.Helper()
	reference := merged(tt.facts...)
	for order := range permutations(tt.facts) {
		r := merged(order...)
		if !reflect.DeepEqual(r, reference) {
			t.Fatalf("order %v:\n got %+v\nwant %+v", order, r, reference)
		}
		shown := r.Resolve()
		if !reflect.DeepEqual(shown.Snapshot, tt.want) {
			t.Fatalf("order %v:\nshown %+v\n want %+v", order, shown.Snapshot, tt.want)
		}
		if shown.NeedsRead != tt.needsRead || shown.Contradictory != tt.contradictory ||
			(shown.NeedsRead && shown.NotBefore != tt.notBefore) {
			t.Fatalf("order %v: needs a read %v not before %d, contradictory %v; want %v, %d, %v", order,
				shown.NeedsRead, shown.NotBefore, shown.Contradictory, tt.needsRead, tt.notBefore, tt.contradictory)
		}
	}
}

// TestShownWithoutARead: facts that show a state without another read.
func TestShownWithoutARead(t *testing.T) {
	for _, tt := range []shownTest{
		{name: "the opening alone", facts: []RecordFact{opening(10, pending())}, want: pending()},
		{
			name: "the opening never overwrites, however new", want: action(""),
			facts: []RecordFact{event("evt_1", 10, action("")), opening(99, pending())},
		},
		{
			name: "of two openings the later", want: costing(pending(), 2),
			facts: []RecordFact{opening(10, costing(pending(), 1)), opening(11, costing(pending(), 2))},
		},
		{
			name: "the same state twice", want: action(""),
			facts: []RecordFact{event("evt_1", 10, action("")), event("evt_2", 11, action(""))},
		},
		{
			name: "two seconds apart the newer", want: afterUpdate(),
			facts: []RecordFact{event("evt_1", 10, processing("ch_1")), event("evt_2", 12, afterUpdate())},
		},
		{
			name: "one event in two API versions is one event", want: declined("ch_1"),
			facts: []RecordFact{
				event("evt_1", 10, declined("ch_1")),
				Event{Observation: Observation{
					At: 10, Event: "evt_1", APIVersion: "2020-08-27", Snapshot: blind(declined("ch_1")),
				}},
			},
		},
		{
			name: "one event with two ids is one event", want: declined("ch_1"),
			facts: []RecordFact{event("evt_1", 10, declined("ch_1")), event("evt_2", 10, declined("ch_1"))},
		},
	} {
		t.Run(tt.name, tt.run)
	}
}

// TestShownTerminal: a terminal state is final. Two different ones contradict each other.
func TestShownTerminal(t *testing.T) {
	manual := authorized("ch_1")
	for _, tt := range []shownTest{
		{
			name: "an older terminal outlives newer others", want: succeeded("ch_1"),
			facts: []RecordFact{event("evt_1", 10, succeeded("ch_1")), event("evt_2", 99, processing("ch_1"))},
		},
		{
			name: "a terminal event needs no read", want: canceled(""),
			facts: []RecordFact{
				event("evt_1", 10, canceled("")), event("evt_2", 10, action("")), event("evt_3", 10, pending()),
				StaleResponse(50),
			},
		},
		{
			name: "of one terminal status the newest", want: costing(succeeded("ch_1"), 1001),
			facts: []RecordFact{
				event("evt_1", 11, costing(succeeded("ch_1"), 1001)), event("evt_2", 10, succeeded("ch_1")),
				opening(12, manual),
			},
		},
		{
			name: "two terminal states contradict each other", want: canceled("ch_1"),
			needsRead: true, notBefore: 11, contradictory: true,
			facts: []RecordFact{event("evt_1", 10, succeeded("ch_1")), event("evt_2", 11, canceled("ch_1"))},
		},
		{
			name: "two terminal states of one second", want: canceled("ch_1"),
			needsRead: true, notBefore: 10, contradictory: true,
			facts: []RecordFact{event("evt_1", 10, succeeded("ch_1")), event("evt_2", 10, canceled("ch_1"))},
		},
		{
			name: "a read of the same second decides between two terminal states", want: succeeded("ch_1"),
			contradictory: true,
			facts: []RecordFact{
				event("evt_1", 10, succeeded("ch_1")), event("evt_2", 11, canceled("ch_1")),
				read(11, succeeded("ch_1")),
			},
		},
		{
			name: "an older read does too, and another one is needed", want: succeeded("ch_1"),
			needsRead: true, notBefore: 11, contradictory: true,
			facts: []RecordFact{event("evt_2", 11, canceled("ch_1")), read(10, succeeded("ch_1"))},
		},
		{
			name: "a terminal read is final", want: canceled(""),
			facts: []RecordFact{read(10, canceled("")), event("evt_2", 12, action(""))},
		},
		{
			name: "a later running read does not displace it", want: succeeded("ch_1"),
			facts: []RecordFact{
				read(10, succeeded("ch_1")), read(99, processing("ch_1"), "evt_1"),
				event("evt_1", 98, processing("ch_1")),
			},
		},
	} {
		t.Run(tt.name, tt.run)
	}
}

// TestCertain: these are the only steps whose direction is certain. The snapshots are at most a second apart, and each
// may have either event id.
func TestCertain(t *testing.T) {
	for _, tt := range []struct {
		name          string
		before, after Snapshot
	}{
		{"no charge before a charge", action(""), processing("ch_1")},
		{"no charge before a failure's charge", processing(""), declined("ch_1")},
		{"its charge's failure before an action with that charge", declined("ch_1"), action("ch_1")},
		{"a failure before the capture can begin", declined("ch_1"), authorized("ch_1")},
		{"any failure before the capture can begin", unauthenticated("ch_1"), authorized("ch_1")},
		{"an action before the capture can begin", action("ch_1"), authorized("ch_1")},
		{"unknown charges change nothing there", blind(action("")), blind(authorized(""))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, at := range []int64{9, 10, 11} { // with 11 the time stamps are wrong
				shownTest{
					facts: []RecordFact{event("evt_a", at, tt.before), event("evt_b", 10, tt.after)},
					want:  tt.after,
				}.run(t)
				shownTest{
					facts: []RecordFact{event("evt_b", at, tt.before), event("evt_a", 10, tt.after)},
					want:  tt.after,
				}.run(t)
			}
		})
	}
}

// TestUncertain: these pairs look like a certain step and are none, in either direction.
func TestUncertain(t *testing.T) {
	for _, tt := range []struct {
		name string
		a, b Snapshot
	}{
		{"a charge unknown is not none", blind(action("")), processing("ch_1")},
		{"another charge may be older or newer", processing("ch_1"), processing("ch_2")},
		{"an authentication failure carries an old charge", unauthenticated("ch_1"), action("ch_1")},
		{
			"a failure of another charge than the one shown",
			failure("ch_2", Failure{Code: "card_declined", Charge: "ch_1"}), action("ch_2"),
		},
		{"a failure that made no charge", failure("ch_1", Failure{Code: "card_declined"}), action("ch_1")},
		{"an action that carries another charge", declined("ch_1"), action("ch_2")},
		{"a failure whose charge the action does not know", declined("ch_1"), blind(action(""))},
		{"processing before the capture", processing("ch_1"), authorized("ch_1")},
		{"processing before a failure with its charge", processing("ch_1"), declined("ch_1")},
		{"an action before processing", action("ch_1"), processing("ch_1")},
		{"a payment without a failure before the capture", afterUpdate(), authorized("ch_1")},
		{"the same state at another price", action(""), costing(action(""), 1001)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, at := range []int64{9, 10, 11} {
				for order := range permutations([]RecordFact{event("evt_a", at, tt.a), event("evt_b", 10, tt.b)}) {
					if r := merged(order...); !r.Resolve().NeedsRead {
						t.Errorf("%v: shown without a read: %+v", order, r.Resolve().Snapshot)
					}
				}
			}
		})
	}
}

// TestCertainAfterAllOthers: an event is the last one if each other event is certainly before it, also if the others
// cannot be ordered among themselves.
func TestCertainAfterAllOthers(t *testing.T) {
	three := []RecordFact{
		event("evt_3", 10, action("")), event("evt_2", 10, declined("ch_1")), event("evt_1", 10, action("ch_1")),
	}
	for _, tt := range []shownTest{
		{name: "each before the last, if not before each other", facts: three, want: action("ch_1")},
		{
			name: "one of them is not certainly before it", want: declined("ch_1"), needsRead: true,
			facts: append([]RecordFact{event("evt_0", 10, processing("ch_1"))}, three...),
		},
		{
			name: "the capture after all attempts", want: authorized("ch_2"),
			facts: append([]RecordFact{event("evt_0", 10, authorized("ch_2"))}, three...),
		},
	} {
		t.Run(tt.name, tt.run)
	}
}

// TestBestGuess: of a pair without a certain order the likely later one is shown, and a read is needed.
func TestBestGuess(t *testing.T) {
	confirm := seen(RequiresConfirmation, "ch_1")
	blindly := []Snapshot{
		blind(pending()), blind(confirm), blind(action("")), blind(processing("")), blind(declined("ch_1")),
	}
	for i, worse := range blindly[:len(blindly)-1] {
		better := blindly[i+1]
		t.Run(fmt.Sprintf("%s under %s", worse.Status, better.Status), shownTest{
			facts: []RecordFact{event("evt_b", 10, worse), event("evt_a", 10, better)}, want: better, needsRead: true,
		}.run)
	}
	for _, tt := range []shownTest{
		{
			name: "the capture over a processing", want: authorized("ch_1"), needsRead: true,
			facts: []RecordFact{event("evt_b", 10, processing("ch_1")), event("evt_a", 10, authorized("ch_1"))},
		},
		{
			name: "the newer second over everything", want: action("ch_1"), needsRead: true,
			facts: []RecordFact{event("evt_b", 10, processing("ch_1")), event("evt_a", 11, action("ch_1"))},
		},
		{
			name: "a charge over a rank", want: afterUpdate(), needsRead: true,
			facts: []RecordFact{event("evt_b", 10, blind(processing(""))), event("evt_a", 10, afterUpdate())},
		},
		{
			name: "the event id over nothing", want: processing("ch_1"), needsRead: true,
			facts: []RecordFact{event("evt_b", 10, processing("ch_1")), event("evt_a", 10, processing("ch_2"))},
		},
	} {
		t.Run(tt.name, tt.run)
	}
}

// TestWindow: time stamps decide the order of events that are two seconds apart or more.
func TestWindow(t *testing.T) {
	for _, tt := range []struct {
		apart int64
		want  int
	}{{0, 2}, {1, 2}, {2, 1}, {100, 1}} {
		r := merged(event("evt_1", 10, processing("ch_1")), event("evt_2", 10+tt.apart, declined("ch_1")))
		if len(r.Recent) != tt.want || r.Resolve().NeedsRead != (tt.want == 2) {
			t.Errorf("%d s apart: %d events are kept, needs a read %v", tt.apart, len(r.Recent), r.Resolve().NeedsRead)
		}
	}
}
