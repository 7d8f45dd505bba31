package payment

import (
	"iter"
	"slices"
	"strconv"
	"time"
)

// These functions build the facts of the tables. A snapshot sets only the members that the rule under test uses.

func seen(status Status, charge string) Snapshot {
	return Snapshot{
		Status: status, Amount: 1000, Currency: "eur", CaptureMethod: CaptureAutomaticAsync,
		Charge: Charge{ID: charge},
	}
}

func pending() Snapshot                 { return seen(RequiresPaymentMethod, "") }
func action(charge string) Snapshot     { return seen(RequiresAction, charge) }
func processing(charge string) Snapshot { return seen(Processing, charge) }
func canceled(charge string) Snapshot   { return seen(Canceled, charge) }

// afterUpdate is a payment whose failure was cleared by an update.
func afterUpdate() Snapshot { return seen(RequiresPaymentMethod, "ch_1") }

func succeeded(charge string) Snapshot {
	s := seen(Succeeded, charge)
	s.AmountReceived = s.Amount
	return s
}

func authorized(charge string) Snapshot {
	s := seen(RequiresCapture, charge)
	s.AmountCapturable, s.CaptureMethod = s.Amount, CaptureManual
	return s
}

// declined is a failed attempt with a charge of its own.
func declined(charge string) Snapshot {
	return failure(charge, Failure{Code: "card_declined", DeclineCode: "generic_decline", Charge: charge})
}

// unauthenticated is an attempt that failed before its charge was created. It has the charge of the previous attempt.
func unauthenticated(charge string) Snapshot {
	return failure(charge, Failure{Code: authenticationFailure, Charge: charge})
}

func failure(charge string, f Failure) Snapshot {
	s := seen(RequiresPaymentMethod, charge)
	s.Failure = &f
	return s
}

// blind returns the snapshot as an API version without latest_charge has it.
func blind(s Snapshot) Snapshot {
	s.Charge = Charge{Unknown: true}
	return s
}

func costing(s Snapshot, amount int64) Snapshot {
	s.Amount = amount
	return s
}

func event(id string, at int64, s Snapshot) Event {
	return Event{Observation: Observation{At: at, Event: id, APIVersion: "2024-06-20", Snapshot: s}}
}

func opening(at int64, s Snapshot) Creation {
	return Creation{Observation{At: at, Snapshot: s}}
}

func read(at int64, s Snapshot, covers ...string) Read {
	return Read{Observation: Observation{At: at, Snapshot: s}, KnownBefore: covers}
}

func merged(facts ...RecordFact) Record {
	var r Record
	for _, f := range facts {
		r = Merge(r, f)
	}
	return r
}

// permutations yields every order of the list. The slice is the same each time.
func permutations[T any](list []T) iter.Seq[[]T] {
	return func(yield func([]T) bool) { permute(slices.Clone(list), 0, yield) }
}

func permute[T any](list []T, from int, yield func([]T) bool) bool {
	if from == len(list) {
		return yield(list)
	}
	for i := from; i < len(list); i++ {
		list[from], list[i] = list[i], list[from]
		if !permute(list, from+1, yield) {
			return false
		}
		list[from], list[i] = list[i], list[from]
	}
	return true
}

var noon = time.Date(2024, 6, 20, 12, 0, 0, 987_000_000, time.UTC)

// price is the amount of the test orders and of the snapshots above.
var price = Terms{Amount: 1000, Currency: "eur", CaptureMethod: CaptureAutomaticAsync}

// testRules never close or abandon an order by themselves.
var testRules = Rules{MaxFailures: 1000, Retention: 720 * time.Hour, LowestRetention: 720 * time.Hour}

// openOrder returns an order with one attempt for each payment id. The attempt "" waits for Stripe's response, and
// "refused" has no payment. Stripe has shown no payment yet.
func openOrder(payments ...ID) Order {
	o := Order{ID: "order-1", Revision: "1", Terms: price, Rev: 1, Rules: testRules, Loaded: map[ID]*Payment{}}
	for _, id := range payments {
		o.Terms = price
		Reserved{Form: "form"}.applyTo(&o, noon)
		switch a := &o.Attempts[len(o.Attempts)-1]; id {
		case "":
		case "refused":
			AttemptRefused{a.Number}.applyTo(&o, noon)
		default:
			a.setPayment(id)
		}
	}
	for i := range o.Attempts {
		a := &o.Attempts[i]
		a.Superseded = a.Payment != "" && a.Payment != o.Current()
	}
	return o
}

// seenAs returns what Stripe shows of a payment whose metadata name an attempt.
func seenAs(id ID, attempt int, f RecordFact) Seen {
	seen := Seen{Intent: Intent{ID: id, Created: 1_700_000_000}, Facts: []RecordFact{f}}
	switch f := f.(type) {
	case Event:
		seen.Intent.Snapshot = f.Snapshot
	case Creation:
		seen.Intent.Snapshot = f.Snapshot
	case Read:
		seen.Intent.Snapshot = f.Snapshot
	}
	seen.Intent.Metadata = map[string]string{
		"kasse_service": "kasse", "kasse_order_id": "order-1", "kasse_attempt": strconv.Itoa(attempt),
	}
	return seen
}

// follow applies the facts, one each second, and returns the order and the types of the events of each fact.
func follow(o Order, facts ...Fact) (Order, [][]string) {
	var events [][]string
	for i, f := range facts {
		var changes Changes
		o, changes = o.Apply(f, noon.Add(time.Duration(i)*time.Second))
		if len(changes.Needs) > 0 {
			panic("a payment is not loaded")
		}
		events = append(events, eventTypes(changes))
	}
	return o, events
}

func eventTypes(c Changes) []string {
	types := []string{}
	for _, e := range c.Events {
		types = append(types, e.Type)
	}
	return types
}
