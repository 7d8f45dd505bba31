package payment

import (
	"slices"
	"strconv"
	"testing"
)

// listedAs returns a payment as Stripe's list shows it. Its metadata name an attempt.
func listedAs(id ID, attempt int, status Status, succeeded int64, closed string) Listed {
	p := Listed{Intent: Intent{ID: id, Snapshot: pending()}, Succeeded: succeeded}
	p.Status, p.Metadata = status, map[string]string{
		"kasse_attempt": strconv.Itoa(attempt), "kasse_rev": strconv.Itoa(attempt + 2), "kasse_closed": closed,
	}
	return p
}

var rebuiltCases = []struct {
	name     string
	payments []Listed
	attempts []ID // "": refused, as far as Stripe's list shows
	winner   ID
	closed   Closure
	ended    bool
}{
	{"from one", []Listed{listedAs("pi_3", 3, RequiresPaymentMethod, 0, "")}, []ID{"", "", "pi_3"}, "", "", false},
	{
		"from all",
		[]Listed{listedAs("pi_1", 1, Canceled, 0, ""), listedAs("pi_2", 2, RequiresPaymentMethod, 0, "")},
		[]ID{"pi_1", "pi_2"},
		"", "", false,
	},
	{
		"the first success has won",
		[]Listed{listedAs("pi_1", 1, Succeeded, 20, ""), listedAs("pi_2", 2, Succeeded, 10, "")},
		[]ID{"pi_1", "pi_2"},
		"pi_2", "", false,
	},
	{
		"one of two that claim to be the same",
		[]Listed{listedAs("pi_1", 1, RequiresPaymentMethod, 0, ""), listedAs("pi_x", 1, RequiresPaymentMethod, 0, "")},
		[]ID{"pi_1"},
		"", "", false,
	},
	{
		"closed with its last attempt",
		[]Listed{listedAs("pi_1", 1, Canceled, 0, "canceled")},
		[]ID{"pi_1"},
		"",
		ClosedByCancel, true,
	},
	{
		"closed for its failures",
		[]Listed{listedAs("pi_1", 1, Canceled, 0, "attempts_exhausted")},
		[]ID{"pi_1"},
		"", ClosedByFailures, true,
	},
	{
		"closed, and opened again",
		[]Listed{listedAs("pi_1", 1, Canceled, 0, "canceled"), listedAs("pi_2", 2, Canceled, 0, "")},
		[]ID{"pi_1", "pi_2"},
		"", "", true,
	},
}

// TestRebuilt: an order is restored from its payments in Stripe's list.
func TestRebuilt(t *testing.T) {
	for _, tt := range rebuiltCases {
		t.Run(tt.name, func(t *testing.T) {
			facts := All{Rebuilt{Payments: tt.payments, Complete: true}}
			for _, p := range tt.payments {
				facts = append(facts, Adopted{Known: true, Seen: Seen{
					Intent: p.Intent, Charged: p.Succeeded,
					Facts: []RecordFact{Read{Observation: Observation{At: 30, Snapshot: p.Snapshot}}},
				}})
			}
			empty := Order{ID: "order-1", Rules: testRules}
			o, _ := empty.Apply(facts, noon)
			var attempts []ID
			for i, a := range o.Attempts {
				attempts = append(attempts, a.Payment)
				if a.Number != i+1 || a.Refused != (a.Payment == "") ||
					a.Superseded != (a.Payment != "" && a.Payment != o.Current()) {
					t.Errorf("the attempt is %+v", a)
				}
			}
			if !slices.Equal(attempts, tt.attempts) || o.Winner != tt.winner || o.Closed != tt.closed ||
				o.allCanceled() != tt.ended {
				t.Errorf("the order is %+v", o)
			}
			if o.Terms != price || o.Rev != int64(len(o.Attempts))+2 {
				t.Errorf("%+v of %d", o.Terms, o.Rev)
			}
			checkLastWord(t, o)
		})
	}
}
