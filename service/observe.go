package service

// Observer counts what happens to payments. Its methods may be called from many goroutines.
type Observer interface {
	// Heard is told of every delivery of Stripe's when it is answered: its type, which Stripe chose, the outcome, and when
	// the event was made, in Unix seconds. Type and time are zero where nothing was verified, the time also where the event
	// is of no concern to us.
	Heard(kind string, outcome Outcome, created int64)
	// Moved is told of every visible change of a payment; from is empty at its first. The states may be the same.
	Moved(from, to State)
	// Reconciled is told when a net has been through all that it had to look at: catch-up, sweep or restore.
	Reconciled(net string)
}

// Outcomes of deliveries that are not acknowledged, for the Observer only.
const (
	BadSignature Outcome = "bad_signature"
	NotStored    Outcome = "failed"
)

type unobserved struct{}

func (unobserved) Heard(string, Outcome, int64) {}
func (unobserved) Moved(State, State)           {}
func (unobserved) Reconciled(string)            {}

func (s *Service) observer() Observer {
	if s.Observer == nil {
		return unobserved{}
	}
	return s.Observer
}
