package payment

import "time"

// Intent is a PaymentIntent as Stripe showed it, in our words.
type Intent struct {
	ID           ID
	Created      int64 // Unix seconds
	Livemode     bool
	ClientSecret Secret
	Snapshot
}

// Answer is a PaymentIntent of a response.
type Answer struct {
	Intent
	RequestID     string       // of the answer, Stripe's "req_…"
	Date          int64        // Unix seconds, of the answer
	Stale         bool         // a replay, or the answer to a repeated call: it may be older than its date
	CaptureBefore int64        // Unix seconds, the end of an authorization; zero where there is none
	Charged       int64        // Unix seconds, when the charge that received money was made; zero: none, or unknown
	Reversals     *Reversals   // only of a read, after money was received
	Details       []RecordFact // the charge and the review, only in the answer to a read
}

// Reversals are all refunds and disputes of a payment, as Stripe listed them.
type Reversals struct {
	Refunds  []RefundSeen
	Disputes []DisputeSeen // without a time: the answer's Date is theirs
}

// ReadFacts returns the facts of a read, given what was known before the call.
func (a Answer) ReadFacts(known KnownBefore) []RecordFact {
	if a.Stale {
		return []RecordFact{StaleResponse(a.Date)}
	}
	facts := []RecordFact{Read{
		Observation: Observation{At: a.Date, Snapshot: a.Snapshot}, IDs: []string{a.RequestID},
		KnownBefore: known.IDs, CaptureBefore: a.CaptureBefore,
	}}
	if len(known.Claims) > 0 && !a.showsMoney() {
		facts = append(facts, Denial(known.Claims))
	}
	facts = append(facts, a.Details...)
	return append(facts, a.Reversals.facts(a.Date, known.IDs)...)
}

// facts are the rows of a list that was made at a date, in Unix seconds, with some events known before the call.
func (l *Reversals) facts(date int64, knownBefore []string) (facts []RecordFact) {
	if l == nil {
		return nil
	}
	for _, refund := range l.Refunds {
		facts = append(facts, refund)
	}
	for _, dispute := range l.Disputes {
		dispute.At = date
		facts = append(facts, dispute)
	}
	return append(facts, RefundListing{At: date, KnownBefore: knownBefore})
}

// CreationFact is the PaymentIntent of the answer as it was made.
func (a Answer) CreationFact() RecordFact {
	return Creation{Observation{At: a.Created, Snapshot: a.Snapshot}}
}

// StripeEvent is a verified event of Stripe, decoded as far as Kasse needs it.
type StripeEvent struct {
	ID         string // "evt_…"
	Type       string
	Created    int64 // Unix seconds
	APIVersion string
	Livemode   bool
	Ahead      bool         // Created is further ahead of our clock than the tolerance of signatures
	Connected  bool         // of another account, through Connect
	Context    string       // account of the event, "acct_…"; empty if Stripe names none
	Thin       bool         // it names an object of ours, and shows nothing of it
	Key        string       // idempotency key of the call that caused the event; empty if Stripe names none
	Intent     *Intent      // of a payment_intent.* event
	Payment    ID           // that an event about another object, or one that cannot be decoded, names
	Facts      []RecordFact // that an event about another object shows of the payment
	Minor      bool         // the facts are details, which are not worth a read of a payment that is not known
	Listed     bool         // Stripe's list of events has it, so that it is not forged
	Unreadable string       // why it could not be decoded; empty where it could
	ModeKnown  bool         // of an event that could not be decoded: Livemode could be read
	Claimed    string       // kasse_service of an object that could not be decoded
}

// Subject is the payment that the event is about; empty where there is none.
func (e StripeEvent) Subject() ID {
	if e.Intent != nil {
		return e.Intent.ID
	}
	return e.Payment
}

// Cause is the entry of the history for a change by the event.
func (e StripeEvent) Cause() string { return e.Type + " " + e.ID }

// Fact is the event's observation of the PaymentIntent. Its type matters only for the creation, which never
// overwrites.
func (e StripeEvent) Fact() RecordFact {
	seen := Observation{At: e.Created, Event: e.ID, APIVersion: e.APIVersion, Snapshot: e.Intent.Snapshot}
	if e.Type == "payment_intent.created" {
		return Creation{seen}
	}
	return Event{Observation: seen, Listed: e.Listed}
}

// Disagrees reports whether the event's type and its object contradict each other.
func (e StripeEvent) Disagrees() bool {
	t, _ := FindStripeEventType(e.Type)
	return t.Status != "" && e.Intent != nil && e.Intent.Status != t.Status
}

// Page is a part of one of Stripe's lists, newest first. Next is where to go on; empty at the end.
type Page[T any] struct {
	Items []T
	Next  string
}

// Listed is a PaymentIntent as a list shows it. That may be older than the list's date.
type Listed struct {
	Intent
	Unreadable string       // why it is invalid; then only its id is set
	Date       int64        // Unix seconds, of the list
	Succeeded  int64        // Unix seconds, when its charge was made; zero where it has none, or has not succeeded
	Details    []RecordFact // the charge and the review
}

// ListedReversal is a refund or a dispute as a list names it.
type ListedReversal struct {
	ID      string // "re_…", "dp_…"
	Status  string // verbatim
	Payment ID
	Created int64 // Unix seconds
}

// Saved is the outcome of a save: the order as it stands in Redis, and Redis's time in Unix microseconds precision.
type Saved struct {
	Order   Order
	Now     time.Time
	Written bool // false where the change made no difference
}
