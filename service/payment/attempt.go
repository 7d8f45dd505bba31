package payment

import (
	"strconv"
	"time"
)

// Attempt is one payment of an order. Its number is used up as soon as something was sent to Stripe under it.
type Attempt struct {
	Number  int              `json:"n"`
	Payment ID               `json:"pi,omitempty"` // none until Stripe has answered
	Terms   Terms            `json:"terms,omitzero"`
	Session *SessionFeatures `json:"session,omitempty"` // of the newest create
	Form    string           `json:"form,omitempty"`    // request to Stripe, byte for byte, until its result is known

	Reserved int64 `json:"reserved,omitempty"` // Unix milliseconds
	Tried    int64 `json:"tried,omitempty"`    // Unix milliseconds, when the form was last sent
	Searched int64 `json:"searched,omitempty"` // Unix milliseconds, when Stripe's list was last read for the attempt
	Unclear  bool  `json:"unclear,omitempty"`  // Stripe replays a failure: only a list can show what was made
	// Stripe remembers the key with another form, as after a Redis that went back
	Mismatch bool `json:"mismatch,omitempty"`
	Refused  bool `json:"refused,omitempty"` // there is no payment
	Unknown  bool `json:"unknown,omitempty"` // forgotten: a later attempt exists, so that this one may
	Ours     bool `json:"ours,omitempty"`    // it is known that this program has made the payment

	State        State `json:"state,omitempty"` // as last shown
	Superseded   bool  `json:"superseded,omitempty"`
	WithdrawnAt  int64 `json:"withdrawn,omitempty"` // Unix milliseconds, when it was superseded to be cancelled
	Failures     int   `json:"failures,omitempty"`  // failed attempts of the customer on this payment
	Version      int64 `json:"version,omitempty"`   // of the view
	UpdatedAt    int64 `json:"updated,omitempty"`   // Unix seconds, of the view
	PointerUntil int64 `json:"pointer,omitempty"`   // Unix seconds, the end of the pointer that leads to the order

	Added Added `json:"-"` // by a newer program
}

// keyKept is how long Stripe surely remembers an idempotency key, and keyForgotten after how long it surely does not.
//
// Source: https://docs.stripe.com/api/idempotent_requests, "after they're at least 24 hours old".
const (
	keyKept      = 23 * time.Hour
	keyForgotten = 25 * time.Hour
)

// IdempotencyKey is the key under which the PaymentIntent of an attempt is made at Stripe.
func IdempotencyKey(service string, order OrderID, attempt int) string {
	return "kasse:" + service + ":" + string(order) + ":" + strconv.Itoa(attempt)
}

// KeysForgotten reports whether Stripe may have forgotten the key of an attempt that was made at a moment.
func KeysForgotten(made, now time.Time) bool { return now.Sub(made) > keyKept }

// searchAfter is how long after its last try an attempt without an answer is searched in Stripe's list.
const searchAfter = time.Minute

// needsSearch reports whether sending the form again can no longer show what it made.
func (a *Attempt) needsSearch(now time.Time) bool {
	return a.Unclear || a.Mismatch || now.Sub(time.UnixMilli(a.Reserved)) > keyKept
}

// MayAbandon reports whether an attempt that Stripe does not list can be given up. It cannot while Stripe has
// the key with another form or would still accept the form.
func (a *Attempt) MayAbandon(now time.Time) bool {
	switch {
	case now.Sub(time.UnixMilli(a.Reserved)) > keyForgotten:
		return true
	case a.Mismatch:
		return false
	}
	return a.needsSearch(now) && now.Sub(time.UnixMilli(a.Tried)) > searchAfter
}

// pending reports whether Stripe's answer to the attempt is not known.
func (a *Attempt) pending() bool { return a.Payment == "" && !a.Refused && !a.Unknown }

// setPayment notes the payment that Stripe has made for the attempt.
func (a *Attempt) setPayment(id ID) {
	a.Payment, a.Form, a.Refused, a.Unknown, a.Unclear, a.Mismatch = id, "", false, false, false, false
}

// abandonAttempt notes that there is no payment for the attempt. Its number stays used, since Stripe may remember
// the key.
func (a *Attempt) abandonAttempt() {
	a.Refused, a.Unknown, a.Form = true, false, ""
}

// matchesTerms reports whether a payment has the order's terms. It compares Stripe's values, except
// setup_future_usage: the customer's page may change that, so the requested value is compared.
func (a *Attempt) matchesTerms(t Terms, s Snapshot) bool {
	return s.Amount == t.Amount && a.matchesButForAmount(t, s)
}

func (a *Attempt) matchesButForAmount(t Terms, s Snapshot) bool {
	return s.Currency == t.Currency && s.Customer == t.Customer && s.CaptureMethod == t.CaptureMethod &&
		a.Terms.SetupFutureUsage == t.SetupFutureUsage
}

// Origin is the content of our metadata on a PaymentIntent.
type Origin struct {
	Service string
	Order   OrderID
	Attempt int
	Rev     int64 // Unix milliseconds; zero: absent
	Closed  Closure

	Forgotten bool // nothing of a person is to be kept
}

// maxAttempts bounds the number that a PaymentIntent may claim, since a restored order has a row for each.
const maxAttempts = 1000

// OriginOf reads our own keys out of a PaymentIntent's metadata.
func OriginOf(metadata map[string]string) Origin {
	attempt, err := strconv.Atoi(metadata["kasse_attempt"])
	if err != nil || attempt > maxAttempts {
		attempt = 1
	}
	rev, _ := strconv.ParseInt(metadata["kasse_rev"], 10, 64)
	return Origin{
		Service: metadata["kasse_service"], Order: OrderID(metadata["kasse_order_id"]),
		Attempt: max(attempt, 1), Rev: rev, Closed: closureOf(metadata["kasse_closed"]),
		Forgotten: metadata["kasse_forgotten"] != "",
	}
}

// closureOf reads why an order was closed. An unknown word closes it too.
func closureOf(text string) Closure {
	if text == "" || Closure(text) == ClosedByFailures {
		return Closure(text)
	}
	return ClosedByCancel
}
