package payment

import (
	"cmp"
	"encoding/json"
	"strings"
)

// Status is a PaymentIntent's status, verbatim as Stripe writes it.
//
// Source: https://docs.stripe.com/payments/paymentintents/lifecycle
type Status string

// The statuses of Stripe's lifecycle page.
const (
	RequiresPaymentMethod Status = "requires_payment_method"
	RequiresConfirmation  Status = "requires_confirmation"
	RequiresAction        Status = "requires_action"
	Processing            Status = "processing"
	RequiresCapture       Status = "requires_capture"
	Succeeded             Status = "succeeded"
	Canceled              Status = "canceled"
)

// Known reports whether the status is one of Stripe's lifecycle.
func (s Status) Known() bool {
	switch s {
	case RequiresPaymentMethod, RequiresConfirmation, RequiresAction, Processing, RequiresCapture, Succeeded, Canceled:
		return true
	}
	return false
}

// Terminal reports whether a payment with the status has ended.
func (s Status) Terminal() bool { return s == Succeeded || s == Canceled }

// Snapshot is a PaymentIntent as one event or one answer of Stripe showed it. Amounts are in minor units.
type Snapshot struct {
	Status           Status            `json:"status"`
	Amount           int64             `json:"amount"`
	AmountCapturable int64             `json:"capturable,omitempty"`
	AmountReceived   int64             `json:"received,omitempty"`
	Currency         string            `json:"currency"`
	Customer         CustomerID        `json:"customer,omitempty"`
	CaptureMethod    CaptureMethod     `json:"capture_method,omitempty"`
	SetupFutureUsage string            `json:"setup_future_usage,omitempty"`
	Charge           Charge            `json:"charge,omitzero"`
	Failure          *Failure          `json:"failure,omitempty"`
	Action           Action            `json:"action,omitzero"`
	Review           ReviewID          `json:"review,omitempty"` // that Stripe names, open or not; a payment keeps it
	Metadata         map[string]string `json:"metadata,omitempty"`
}

// Charge is a PaymentIntent's latest charge. Unknown, since an API version may not have the field, is not the same
// as none: nothing certain follows from it.
type Charge struct {
	Unknown bool   `json:"unknown,omitempty"`
	ID      string `json:"id,omitempty"`
}

// Failure is the last error of a PaymentIntent, in Stripe's codes.
//
// Source: https://docs.stripe.com/error-codes
type Failure struct {
	Code        string `json:"code,omitempty"`
	DeclineCode string `json:"decline_code,omitempty"`
	Charge      string `json:"charge,omitempty"`
}

// failed reports whether the snapshot shows a failed attempt that waits for another.
func (s Snapshot) failed() bool { return s.Status == RequiresPaymentMethod && s.Failure != nil }

// sameVisibleState reports whether two snapshots show the same. The metadata is left out: it carries no money.
func (s Snapshot) sameVisibleState(o Snapshot) bool {
	sameFailure := (s.Failure == nil) == (o.Failure == nil) && (s.Failure == nil || *s.Failure == *o.Failure)
	return sameFailure && s.Status == o.Status && s.Amount == o.Amount && s.Currency == o.Currency &&
		s.AmountCapturable == o.AmountCapturable && s.AmountReceived == o.AmountReceived &&
		s.Customer == o.Customer && s.CaptureMethod == o.CaptureMethod && s.Charge == o.Charge &&
		s.Action == o.Action
}

// authenticationFailures are the codes of failures that made no charge: a charge that such a failure carries
// belongs to an earlier attempt.
//
// Source: https://docs.stripe.com/error-codes; authentication_failure since API 2026-08-26.
var authenticationFailures = map[string]bool{authenticationFailure: true, "authentication_failure": true}

const authenticationFailure = "payment_intent_authentication_failure"

// ownCharge returns the charge that the failed attempt made; empty where it made none.
func (f Failure) ownCharge() string {
	if authenticationFailures[f.Code] {
		return ""
	}
	return f.Charge
}

// mustPrecede reports whether s was certainly before o, even with equal time stamps. These three are the
// only steps of the lifecycle that have no way back. `processing` before a failure with the same charge is
// not one, since an attempt may start while the old charge is still shown.
func (s Snapshot) mustPrecede(o Snapshot) bool {
	if !s.Charge.Unknown && s.Charge.ID == "" && o.Charge.ID != "" {
		return true
	}
	if s.failedWithItsCharge() && o.Status == RequiresAction && o.Charge.ID == s.Charge.ID {
		return true
	}
	return o.Status == RequiresCapture && (s.failed() || s.Status == RequiresAction)
}

func (s Snapshot) failedWithItsCharge() bool {
	return s.failed() && s.Charge.ID != "" && s.Failure.ownCharge() == s.Charge.ID
}

// rank orders snapshots of one second for the best guess, from the least to the most advanced.
func (s Snapshot) rank() int {
	switch {
	case s.failed():
		return 4
	case s.Status == RequiresConfirmation:
		return 1
	case s.Status == RequiresAction:
		return 2
	case s.Status == Processing:
		return 3
	case s.Status == RequiresCapture:
		return 5
	}
	return 0
}

// Observation is a snapshot with its time and its event.
type Observation struct {
	// Unix seconds by Stripe's clock: an event's created, or an answer's Date
	At         int64  `json:"at"`
	Event      string `json:"event,omitempty"` // "evt_…"; none for an answer
	APIVersion string `json:"api,omitempty"`
	Vouched    bool   `json:"vouched,omitempty"` // an event that Stripe's list of events has
	Snapshot
	Added Added `json:"-"` // by a newer program
}

// vouched reports whether the snapshot comes from a response to a call with our key. A webhook can be forged
// by anyone with its secret.
func (s Observation) vouched() bool { return s.Event == "" || s.Vouched }

func (s Observation) seenAt() int64 { return s.At }

// compareStamps orders observations by (created, event id, API version). An event's content never changes.
// Answers of one second may differ, and only those with the same content are equal.
func compareStamps(a, b Observation) int {
	order := cmp.Or(
		cmp.Compare(a.At, b.At), strings.Compare(a.Event, b.Event), strings.Compare(a.APIVersion, b.APIVersion),
	)
	if order != 0 || a.Event != "" {
		return order
	}
	return strings.Compare(a.canonical(), b.canonical())
}

// compareEnds orders observations of one end of a payment. An answer outranks an event of the same second.
func compareEnds(a, b Observation) int {
	return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(btoi(a.Event == ""), btoi(b.Event == "")), compareStamps(a, b))
}

// compareEvidence orders observations of one end of a payment by how far each can be trusted: what Stripe itself showed
// outranks every webhook.
func compareEvidence(a, b Observation) int {
	return cmp.Or(cmp.Compare(btoi(a.vouched()), btoi(b.vouched())), compareEnds(a, b))
}

// compareReads orders reads like guesses. Only those that show the same are equal.
func compareReads(a, b Read) int {
	return cmp.Or(compareGuesses(a.Observation, b.Observation), compareStamps(a.Observation, b.Observation))
}

// canonical orders otherwise equal answers in an arbitrary but fixed way. Metadata comes last, so that the
// order of different answers stays the same when metadata is forgotten.
func (s Observation) canonical() string {
	metadata := s.Metadata
	s.Metadata = nil
	text, _ := json.Marshal(s) //nolint:errchkjson // strings and numbers only
	if len(metadata) == 0 {    // none and empty are the same, since the stored form does not tell them apart
		return string(text)
	}
	last, _ := json.Marshal(metadata) //nolint:errchkjson // strings only
	return string(text) + string(last)
}

// compareGuesses orders observations by how likely each is to be the newest: (created, has a charge, rank, event id).
func compareGuesses(a, b Observation) int {
	return cmp.Or(
		cmp.Compare(a.At, b.At),
		cmp.Compare(btoi(a.Charge.ID != ""), btoi(b.Charge.ID != "")),
		cmp.Compare(a.rank(), b.rank()),
		strings.Compare(a.Event, b.Event),
	)
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
