package app

import (
	"time"

	"kasse/service/payment"
)

// Shown is what Redis knows of an order. An absent value is null. Amounts are in minor units.
type Shown struct {
	Order         payment.OrderID `json:"order_id"`
	Asked         *payment.ID     `json:"asked"` // the PaymentIntent that was asked for
	Foreign       bool            `json:"foreign"`
	Current       *payment.ID     `json:"current"` // the payment that the order stands for
	Winner        *payment.ID     `json:"winner"`
	Closed        *string         `json:"closed"` // why no further attempt is opened
	FulfillableAt *time.Time      `json:"fulfillable_at"`
	Terms         ShownTerms      `json:"terms"`
	LockedUntil   *time.Time      `json:"locked_until"` // a call changes the order at Stripe
	Attempts      []ShownAttempt  `json:"attempts"`
	OtherPayments []payment.ID    `json:"foreign_payments"` // that name the order and are none of its attempts
	Timeline      []ShownStep     `json:"timeline"`         // oldest first
	Events        []ShownEvent    `json:"events"`           // of the stream, as far as it still has them, oldest first
	Stripe        *ShownStripe    `json:"stripe"`           // with -stripe
}

// ShownTerms are the order's terms.
type ShownTerms struct {
	Amount           int64      `json:"amount"`
	Currency         string     `json:"currency"`
	Customer         *string    `json:"customer"`
	CaptureMethod    *string    `json:"capture_method"`
	SetupFutureUsage *string    `json:"setup_future_usage"`
	Since            *time.Time `json:"since"`
}

// ShownAttempt is one attempt of the order. What is a person's is shown as there or not.
type ShownAttempt struct {
	Attempt        int            `json:"attempt"`
	Payment        *payment.ID    `json:"payment_intent"`
	State          *payment.State `json:"state"`
	Status         *string        `json:"status"`
	Version        *int64         `json:"version"`
	Superseded     bool           `json:"superseded"`
	Fulfillable    bool           `json:"fulfillable"`
	HoldReason     *payment.Hold  `json:"hold_reason"`
	Amount         *int64         `json:"amount"`
	AmountReceived *int64         `json:"amount_received"`
	AmountRefunded *int64         `json:"amount_refunded"`
	Currency       *string        `json:"currency"`
	Failure        *string        `json:"failure"` // code, and decline code after a slash
	FailedAttempts int            `json:"failed_attempts"`
	LastReadAt     *time.Time     `json:"last_read_at"` // at Stripe
	ReadDueAt      *time.Time     `json:"read_due_at"`  // Stripe is asked then: there is a doubt
	Outcome        *string        `json:"outcome"`      // of an attempt without a PaymentIntent
	Personal       ShownPersonal  `json:"personal"`
}

// ShownPersonal says what of a person is kept, and not what it is.
type ShownPersonal struct {
	Metadata      bool `json:"metadata"`
	PaymentMethod bool `json:"payment_method_details"`
	Receipt       bool `json:"receipt_url"`
	Form          bool `json:"form"` // that is being sent to Stripe: it may hold an e-mail and an address
	Forgotten     bool `json:"forgotten"`
}

// ShownStep is one thing that happened to the order.
type ShownStep struct {
	At      time.Time   `json:"at"`
	Kind    string      `json:"kind"` // attempt, state, refund, refund_call, dispute, review
	Payment *payment.ID `json:"payment_intent"`
	ID      *string     `json:"id"` // of the refund, dispute or review
	From    *string     `json:"from"`
	To      *string     `json:"to"` // state or status
	Amount  *int64      `json:"amount"`
	Reason  *string     `json:"reason"`
	Cause   *string     `json:"cause"` // of a state
	By      *string     `json:"by"`    // whose call it was: operation, key and request id
	Version *int64      `json:"version"`
}

// ShownEvent is an event of the stream with its deliveries.
type ShownEvent struct {
	ID         string          `json:"id"`
	Type       string          `json:"type"`
	CreatedAt  time.Time       `json:"created_at"`
	Entry      string          `json:"entry"` // id of the stream's entry
	Restored   bool            `json:"restored"`
	Deliveries []ShownDelivery `json:"deliveries"`
}

// ShownDelivery is the delivery of an event to one endpoint.
type ShownDelivery struct {
	Endpoint   string     `json:"endpoint"`
	EndpointID string     `json:"endpoint_id"`
	State      string     `json:"state"`
	DueAt      *time.Time `json:"due_at"`
	Reason     *string    `json:"reason"` // why it was given up
	Tries      []ShownTry `json:"tries"`  // as far as the log of the endpoint still has them
}

// ShownTry is one try of a delivery.
type ShownTry struct {
	At     time.Time `json:"at"`
	Try    int       `json:"try"`
	Status *int      `json:"status"` // null: there was no response
	TookMS int64     `json:"took_ms"`
	Reason *string   `json:"reason"`
}

// ptr is nil for the zero value.
func ptr[T comparable](value T) *T {
	if value == *new(T) {
		return nil
	}
	return &value
}

// val is zero for nil.
func val[T any](p *T) (value T) {
	if p != nil {
		value = *p
	}
	return value
}

func seconds(unix int64) *time.Time {
	if unix == 0 {
		return nil
	}
	return new(time.Unix(unix, 0).UTC())
}

func millis(unix int64) *time.Time {
	if unix == 0 {
		return nil
	}
	return new(time.UnixMilli(unix).UTC().Truncate(time.Second))
}
