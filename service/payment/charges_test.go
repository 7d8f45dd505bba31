package payment

import (
	"bytes"
	"fmt"
	"testing"
)

// TestDetailsAreOfTheShownCharge: payment method details and receipt are those of the shown snapshot's latest
// charge, in their latest form.
func TestDetailsAreOfTheShownCharge(t *testing.T) {
	visa := ChargeDetails{At: 20, Type: "card", Brand: "visa", Last4: "4242", ReceiptURL: "https://pay.example/1"}
	debit := ChargeDetails{At: 22, Type: "sepa_debit", Last4: "3000"}
	older := visa
	older.At, older.ReceiptURL = 19, ""
	answered := visa
	answered.Answered, answered.ReceiptURL = true, ""
	for name, tt := range map[string]struct {
		facts []RecordFact
		want  string
	}{
		"none seen": {[]RecordFact{event("evt_1", 20, succeeded("ch_1"))}, "<nil> <nil>"},
		"no charge": {[]RecordFact{event("evt_1", 20, pending()), ChargeSeen{"ch_1", visa}}, "<nil> <nil>"},
		"the charge": {
			[]RecordFact{event("evt_1", 20, succeeded("ch_1")), ChargeSeen{"ch_1", visa}},
			"card visa 4242 https://pay.example/1",
		},
		"an older event": {
			[]RecordFact{event("evt_1", 20, succeeded("ch_1")), ChargeSeen{"ch_1", visa}, ChargeSeen{"ch_1", older}},
			"card visa 4242 https://pay.example/1",
		},
		"a read of the same second": {
			[]RecordFact{event("evt_1", 20, succeeded("ch_1")), ChargeSeen{"ch_1", answered}, ChargeSeen{"ch_1", visa}},
			"card visa 4242 <nil>",
		},
		"of another charge": {
			[]RecordFact{event("evt_1", 20, succeeded("ch_2")), ChargeSeen{"ch_1", visa}, ChargeSeen{"ch_2", debit}},
			"sepa_debit <nil> 3000 <nil>",
		},
		"a failed attempt": {
			[]RecordFact{event("evt_1", 20, declined("ch_1")), ChargeSeen{"ch_1", older}}, "card visa 4242 <nil>",
		},
		"an unknown charge": {
			[]RecordFact{event("evt_1", 20, blind(succeeded("ch_1"))), ChargeSeen{"ch_1", visa}}, "<nil> <nil>",
		},
	} {
		t.Run(name, func(t *testing.T) {
			v := winnerView(tt.facts...)
			got := "<nil>"
			if m := v.Method; m != nil {
				got = m.Type + " " + textOrNil(m.Brand) + " " + textOrNil(m.Last4)
			}
			if got += " " + textOrNil(v.ReceiptURL); got != tt.want {
				t.Errorf("shown %s, want %s", got, tt.want)
			}
		})
	}
}

func textOrNil(s *string) string {
	if s == nil {
		return "<nil>"
	}
	return *s
}

// TestDetailsAreNoEvent: a change of payment method or receipt alone raises the version and announces no event, also
// for a superseded payment. With a change of the state they are in its event.
func TestDetailsAreNoEvent(t *testing.T) {
	details := Learned{
		"pi_1", []RecordFact{ChargeSeen{"ch_1", ChargeDetails{At: 20, Type: "card", Brand: "visa", Last4: "4242"}}},
	}
	paid := seenAs("pi_1", 1, event("evt_1", 20, succeeded("ch_1")))
	o, _ := openOrder("pi_1").Apply(seenAs("pi_1", 1, opening(10, pending())), noon)
	after, changes := o.Apply(details, noon)
	if len(changes.Views) > 0 || len(changes.Events) > 0 {
		t.Errorf("before the charge is shown: %d views, events %v", len(changes.Views), eventTypes(changes))
	}
	if _, changes = after.Apply(paid, noon); fmt.Sprint(eventTypes(changes)) != "[order.paid]" ||
		!bytes.Contains(changes.Events[0].Data, []byte(`"last4":"4242"`)) {
		t.Errorf("paid after the charge: %v", eventTypes(changes))
	}
	o, _ = o.Apply(paid, noon)
	next, changes := o.Apply(details, noon)
	if len(changes.Views) != 1 || len(changes.Events) > 0 || next.Version <= o.Version {
		t.Errorf(
			"the charge after paid: %d views, events %v, version %d after %d", len(changes.Views),
			eventTypes(changes), next.Version, o.Version,
		)
	}
	two := openOrder("pi_1", "pi_2")
	two, _ = two.Apply(seenAs("pi_2", 2, opening(10, pending())), noon)
	two, _ = two.Apply(seenAs("pi_1", 1, event("evt_1", 20, declined("ch_1"))), noon)
	if _, changes = two.Apply(details, noon); len(changes.Views) != 1 || len(changes.Events) > 0 {
		t.Errorf("superseded: %d views, events %v", len(changes.Views), eventTypes(changes))
	}
}
