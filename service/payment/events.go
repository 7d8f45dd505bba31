package payment

// Events that are not named after a state.
const (
	duplicateEvent = "order.duplicate_payment" // a second success of an order
	reopenedEvent  = "order.reopened"          // another attempt, after backends got an event about an earlier one
)

// eventType returns the event type of a visible change; empty if backends get none. Opening a payment has no
// event, nor has a change of only the payment method or receipt. While an attempt of the order is unknown,
// only successes have events.
func (o *Order) eventType(before, after View) string {
	if before.State != "" && before.sameButDetails(after) {
		return ""
	}
	kind := o.transition(before, after)
	if o.Foreign == "" && o.hasUnknownAttempt() && !after.State.Won() {
		return ""
	}
	if o.pass.expired && kind == "order.paid" {
		return ""
	}
	return kind
}

func (o *Order) transition(before, after View) string {
	duplicate := o.Foreign == "" && o.Winner != "" && o.Winner != after.Payment
	switch {
	case before.State == "" && after.State == Pending:
		return ""
	case duplicate && after.State == Paid && !before.State.Won():
		return duplicateEvent
	case after.Superseded:
		return "superseded." + string(after.State)
	case before.FulfillableAt == nil && after.FulfillableAt != nil && !o.pass.fulfilled:
		return "order.paid"
	case before.Superseded && before.State == after.State && after.State != Paid:
		return "order." + string(after.State)
	case before.State == after.State && after.State == PartiallyRefunded &&
		after.AmountRefunded > before.AmountRefunded:
		return "order.partially_refunded"
	case before.State == after.State:
		return "order.updated"
	case after.State == Paid:
		return paidWithoutRelease(before, after)
	}
	return "order." + string(after.State)
}

// paidWithoutRelease names a change to paid that does not make the order fulfillable for the first time. Only a dispute
// that was won has an event of its own; one that ended without a decision is an update.
func paidWithoutRelease(before, after View) string {
	switch before.State {
	case Disputed, ChargedBack:
		if after.Dispute != nil && after.Dispute.Status == disputeWon {
			return "order.dispute_won"
		}
		return "order.updated"
	case Refunded, PartiallyRefunded:
		return "order.refund_failed"
	case Pending, ActionRequired, InProgress, Failed, Authorized, CanceledState, Paid:
	}
	if after.HoldReason != nil {
		return "order.held"
	}
	return "order.updated"
}
