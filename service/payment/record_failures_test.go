package payment

import (
	"fmt"
	"reflect"
	"testing"
)

// TestCounted: the failed attempts and the received amount only grow.
func TestCounted(t *testing.T) {
	facts := []RecordFact{
		event("evt_1", 10, declined("ch_1")), event("evt_2", 20, declined("ch_1")), // one attempt, reported twice
		event("evt_3", 30, failure("ch_1", Failure{Code: "card_declined"})), // without a charge each event counts
		event("evt_4", 40, failure("ch_1", Failure{Code: "card_declined"})),
		read(50, failure("ch_1", Failure{Code: "card_declined"})), // has no id to count it by
		read(60, declined("ch_2")),
		event("evt_7", 65, unauthenticated("ch_2")), // with the charge of the previous attempt
		read(66, unauthenticated("ch_2")),
		event("evt_5", 70, succeeded("ch_3")), event("evt_6", 80, canceled("ch_3")),
	}
	r := merged(facts...)
	if want := []string{"ch_1", "ch_2", "evt_3", "evt_4", "evt_7"}; !reflect.DeepEqual(r.Failures, want) {
		t.Errorf("failures %v, want %v", r.Failures, want)
	}
	if r.Received != 1000 {
		t.Errorf("received %d", r.Received)
	}
}

// TestFailuresBounded: of many failed attempts the same ones are kept, in any order.
func TestFailuresBounded(t *testing.T) {
	var up, down Record
	for i := range 2 * maxFailures {
		up = Merge(up, event(fmt.Sprintf("evt_%03d", i), 10, failure("", Failure{Code: "card_declined"})))
		id := fmt.Sprintf("evt_%03d", 2*maxFailures-1-i)
		down = Merge(down, event(id, 10, failure("", Failure{Code: "card_declined"})))
	}
	if len(up.Failures) != maxFailures || !reflect.DeepEqual(up, down) {
		t.Errorf(
			"kept %d and %d, %v … and %v …", len(up.Failures), len(down.Failures), up.Failures[0], down.Failures[0],
		)
	}
}
