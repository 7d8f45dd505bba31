package main

import (
	"testing"

	"kasse/test/internal/testenv"
)

// TestMissing: an acknowledged event is in the record, or a read is queued, or the event changes no money.
func TestMissing(t *testing.T) {
	t.Parallel()
	refund := testenv.Event{ID: "evt_1", Type: "refund.created"}
	refund.Data.Object = testenv.Object{
		Kind: "refund", Payment: "pi_1", Intent: testenv.Intent{ID: "re_1", Status: "succeeded"},
	}
	record := func(state, text string) map[string]testenv.Record {
		return map[string]testenv.Record{"pi_1": {View: testenv.View{State: state}, State: text}}
	}
	for _, tt := range []struct {
		name    string
		stored  testenv.Stored
		missing bool
	}{
		{"no record", testenv.Stored{}, true},
		{"no record, and a read is queued", testenv.Stored{Reads: map[string]bool{"pi_1": true}}, false},
		{"a paid payment without it", testenv.Stored{Payments: record("paid", `{}`)}, true},
		{
			"a paid payment with it",
			testenv.Stored{Payments: record("paid", `{"Record":{"Refunds":{"re_1":{"Status":"succeeded"}}}}`)},
			false,
		},
		{
			"a canceled payment: the refund releases an authorization",
			testenv.Stored{Payments: record("canceled", `{}`)},
			false,
		},
	} {
		if why := missing(refund, tt.stored, nil); (why != "") != tt.missing {
			t.Errorf("%s: %q", tt.name, why)
		}
	}
}
