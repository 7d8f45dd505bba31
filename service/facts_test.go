package service

import (
	"iter"
	"slices"
)

// The builders of the tables: a snapshot says only what the rule under test looks at, the rest is common to all.

func seen(status Status, charge string) Snapshot {
	return Snapshot{Status: status, Amount: 1000, Currency: "eur", CaptureMethod: CaptureAutomaticAsync, Charge: Charge{ID: charge}}
}

func pending() Snapshot                 { return seen(RequiresPaymentMethod, "") }
func action(charge string) Snapshot     { return seen(RequiresAction, charge) }
func processing(charge string) Snapshot { return seen(Processing, charge) }
func canceled(charge string) Snapshot   { return seen(Canceled, charge) }

// afterUpdate is a payment whose failed attempt an update has cleared.
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

// declined is a failed attempt that made its charge.
func declined(charge string) Snapshot {
	return failure(charge, Failure{Code: "card_declined", DeclineCode: "generic_decline", Charge: charge})
}

// unauthenticated is an attempt that failed before it made a charge; it shows the charge of the one before.
func unauthenticated(charge string) Snapshot {
	return failure(charge, Failure{Code: authenticationFailure, Charge: charge})
}

func failure(charge string, f Failure) Snapshot {
	s := seen(RequiresPaymentMethod, charge)
	s.Failure = &f
	return s
}

// blind is the snapshot as an API version without latest_charge writes it.
func blind(s Snapshot) Snapshot {
	s.Charge = Charge{Unknown: true}
	return s
}

func costing(s Snapshot, amount int64) Snapshot {
	s.Amount = amount
	return s
}

func event(id string, at int64, s Snapshot) Event {
	return Event{Sighting{At: at, Event: id, APIVersion: "2024-06-20", Snapshot: s}}
}

func opening(at int64, s Snapshot) Opening {
	return Opening{Sighting{At: at, Snapshot: s}}
}

func read(at int64, s Snapshot, covers ...string) Read {
	return Read{Sighting: Sighting{At: at, Snapshot: s}, Covers: covers}
}

func merged(facts ...Fact) Record {
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
