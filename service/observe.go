package service

// Observer counts what happens to payments. Its methods may be called from many goroutines.
type Observer interface {
	// Heard is told of every delivery of Stripe's when it is answered: its type, which Stripe chose, the outcome, and when
	// the event was made, in Unix seconds. Type and time are zero where nothing was verified, the time also where the event
	// is of no concern to us.
	Heard(kind string, outcome Outcome, created int64)
	// Moved is told of every visible change of a payment; from is empty at its first. The states may be the same.
	Moved(from, to State)
	// Odd is told of what Stripe, or somebody with our keys, should not have made; it is recorded, and never acted upon.
	Odd(what Oddity)
	// Reconciled is told when a net has been through all that it had to look at: catch-up, sweep or restore.
	Reconciled(net string)
}

// Outcomes of deliveries that are not acknowledged, for the Observer only.
const (
	BadSignature Outcome = "bad_signature"
	NotStored    Outcome = "failed"
)

// Oddity is something that does not fit.
type Oddity string

// The oddities.
const (
	OddStatus  Oddity = "status_mismatch" // an event's type says another status than its object, which decides
	OddForeign Oddity = "foreign_payment" // a PaymentIntent names an order that does not know it
)

// statusOf is what an event's type says of its object.
//
// Source: https://docs.stripe.com/api/events/types
var statusOf = map[string]Status{
	"payment_intent.succeeded": Succeeded, "payment_intent.canceled": Canceled, "payment_intent.processing": Processing,
	"payment_intent.requires_action": RequiresAction, "payment_intent.payment_failed": RequiresPaymentMethod,
}

// disagrees reports whether the event's type and its object say different things.
func (n Notice) disagrees() bool {
	status, says := statusOf[n.Type]
	return says && n.Intent != nil && n.Intent.Status != status
}

type unobserved struct{}

func (unobserved) Heard(string, Outcome, int64) {}
func (unobserved) Moved(State, State)           {}
func (unobserved) Odd(Oddity)                   {}
func (unobserved) Reconciled(string)            {}

func (s *Service) observer() Observer {
	if s.Observer == nil {
		return unobserved{}
	}
	return s.Observer
}
