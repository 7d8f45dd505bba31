package app

import (
	"slices"

	"kasse/service/payment"
)

// eventStates are the states in event types, after "order." or "superseded.".
var eventStates = []payment.State{
	payment.Pending, payment.ActionRequired, payment.InProgress, payment.Failed, payment.Authorized,
	payment.Paid, payment.CanceledState, payment.PartiallyRefunded, payment.Refunded, payment.Disputed,
	payment.ChargedBack,
}

// EventTypes returns the types of the feed's events, as docs/events.md lists them.
func EventTypes() []string {
	types := []string{
		"order.dispute_won", "order.duplicate_payment", "order.held", "order.refund_failed", "order.reopened",
		"order.updated",
	}
	for _, state := range eventStates {
		types = append(types, "order."+string(state), "superseded."+string(state))
	}
	slices.Sort(types)
	return types
}

// KnownEventType reports whether an event can have the type.
func KnownEventType(kind string) bool { return slices.Contains(EventTypes(), kind) }
