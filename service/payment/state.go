package payment

// State is the state of a payment, as orders use it.
type State string

// The states of the contract.
const (
	Pending           State = "pending"
	ActionRequired    State = "action_required"
	InProgress        State = "processing"
	Failed            State = "failed"
	Authorized        State = "authorized"
	Paid              State = "paid"
	CanceledState     State = "canceled"
	PartiallyRefunded State = "partially_refunded"
	Refunded          State = "refunded"
	Disputed          State = "disputed"
	ChargedBack       State = "charged_back"
)

// States are all states of the contract.
var States = []State{
	Pending, ActionRequired, InProgress, Failed, Authorized, Paid, CanceledState, PartiallyRefunded, Refunded, Disputed,
	ChargedBack,
}

// Payable reports whether the customer may pay now.
func (s State) Payable() bool { return s == Pending || s == ActionRequired || s == Failed }

// InFlight reports whether the money is on its way.
func (s State) InFlight() bool { return s == InProgress || s == Authorized }

// Won reports whether the money was received, even if it was refunded or disputed since.
func (s State) Won() bool {
	switch s {
	case Paid, PartiallyRefunded, Refunded, Disputed, ChargedBack:
		return true
	case Pending, ActionRequired, InProgress, Failed, Authorized, CanceledState:
	}
	return false
}

// stateOf returns the state of a payment with this received amount, in minor units.
func stateOf(s Snapshot, received int64) State {
	switch s.Status {
	case RequiresPaymentMethod:
		if s.failed() {
			return Failed
		}
		return Pending
	case RequiresConfirmation:
		return Pending
	case RequiresAction:
		return ActionRequired
	case Processing:
		return InProgress
	case RequiresCapture:
		return Authorized
	case Succeeded:
		return Paid
	case Canceled:
		if received > 0 {
			return Paid
		}
		return CanceledState
	}
	return Pending
}

// stateSince returns the state after refunds and disputes of the received money. The first dispute has the
// most weight. Amounts are in minor units.
func stateSince(state State, received, refunded int64, disputes []DisputeSeen) State {
	switch {
	case state != Paid:
		return state
	case len(disputes) > 0 && disputes[0].lost():
		return ChargedBack
	case len(disputes) > 0 && disputes[0].open():
		return Disputed
	case refunded > 0 && refunded >= received:
		return Refunded
	case refunded > 0:
		return PartiallyRefunded
	}
	return Paid
}
