package app

import (
	"time"

	"kasse/service/payment"
)

// Shown is what Redis has of an order. An absent value is null. Amounts are in minor units.
type Shown struct {
	Order         payment.OrderID `json:"order_id"`
	Asked         *payment.ID     `json:"asked"` // the requested PaymentIntent
	Foreign       bool            `json:"foreign"`
	Current       *payment.ID     `json:"current"` // the order's current payment or winner
	Winner        *payment.ID     `json:"winner"`
	Closed        *string         `json:"closed"` // why no further attempt is opened
	FulfillableAt *time.Time      `json:"fulfillable_at"`
	Terms         ShownTerms      `json:"terms"`
	LockedUntil   *time.Time      `json:"locked_until"` // end of the lease of a running call to Stripe
	Attempts      []ShownAttempt  `json:"attempts"`
	// Payments that name the order without being an attempt of it.
	OtherPayments []payment.ID `json:"foreign_payments"`
	Timeline      []ShownStep  `json:"timeline"` // oldest first
	Events        []ShownEvent `json:"events"`   // entries of the stream that are still kept, oldest first
	Stripe        *ShownStripe `json:"stripe"`   // with -stripe
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

// ShownAttempt is one attempt of the order. Personal data is shown as present or absent.
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
	Failure        *string        `json:"failure"` // code, with the decline code after a slash
	FailedAttempts int            `json:"failed_attempts"`
	LastReadAt     *time.Time     `json:"last_read_at"` // time of the last read at Stripe
	ReadDueAt      *time.Time     `json:"read_due_at"`  // time of the next read; set while the state is uncertain
	Outcome        *string        `json:"outcome"`      // result of an attempt without a PaymentIntent
	Personal       ShownPersonal  `json:"personal"`
}

// ShownPersonal shows which personal data is stored, without its values.
type ShownPersonal struct {
	Metadata      bool `json:"metadata"`
	PaymentMethod bool `json:"payment_method_details"`
	Receipt       bool `json:"receipt_url"`
	// The request that is being sent to Stripe; it may contain an e-mail and an address.
	Form      bool `json:"form"`
	Forgotten bool `json:"forgotten"`
}

// ShownStep is one step of the order's history.
type ShownStep struct {
	At      time.Time   `json:"at"`
	Kind    string      `json:"kind"` // attempt, state, refund, refund_call, dispute, review
	Payment *payment.ID `json:"payment_intent"`
	ID      *string     `json:"id"` // id of the refund, dispute or review
	From    *string     `json:"from"`
	To      *string     `json:"to"` // new state or status
	Amount  *int64      `json:"amount"`
	Reason  *string     `json:"reason"`
	Cause   *string     `json:"cause"` // cause of a state
	By      *string     `json:"by"`    // caller: operation, key and request id
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
	Reason     *string    `json:"reason"` // reason of the last failure
	Tries      []ShownTry `json:"tries"`  // tries that are still in the endpoint's log
}

// ShownTry is one try of a delivery.
type ShownTry struct {
	At     time.Time `json:"at"`
	Try    int       `json:"try"`
	Status *int      `json:"status"` // null: no response
	TookMS int64     `json:"took_ms"`
	Reason *string   `json:"reason"`
}

// ptr returns nil for the zero value.
func ptr[T comparable](value T) *T {
	if value == *new(T) {
		return nil
	}
	return &value
}

// val returns the zero value for nil.
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
