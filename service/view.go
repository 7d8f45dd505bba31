package service

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"
)

// State is what an order needs to know of a payment.
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

// payable reports whether the customer may pay now.
func (s State) payable() bool { return s == Pending || s == ActionRequired || s == Failed }

// inProgress reports whether the money is on its way.
func (s State) inProgress() bool { return s == InProgress || s == Authorized }

// won reports whether the money came, whatever happened to it since.
func (s State) won() bool {
	switch s {
	case Paid, PartiallyRefunded, Refunded, Disputed, ChargedBack:
		return true
	case Pending, ActionRequired, InProgress, Failed, Authorized, CanceledState:
	}
	return false
}

// guidance is what a page should do in a state, and how often it should ask.
type guidance struct {
	next string
	poll int // milliseconds; 0: the state is final
}

var guide = map[State]guidance{
	Pending:        {"pay", 2_000},
	ActionRequired: {"authenticate", 2_000},
	InProgress:     {"wait", 60_000},
	Failed:         {"retry", 2_000},
	Authorized:     {"wait", 60_000},
}

// Hold is why a payment that came in must not be fulfilled.
type Hold string

// The reasons of the contract.
const (
	HoldAmount    Hold = "amount_mismatch"
	HoldCurrency  Hold = "currency_mismatch"
	HoldDuplicate Hold = "duplicate_payment"
	HoldRefunded  Hold = "refunded"
	HoldDisputed  Hold = "disputed"
)

// View is the status view of the contract; its JSON is stored and served as it stands. The members from customer on are
// not for the holder of a client secret, and stand last, so that what that one may see is a prefix of the stored bytes.
type View struct {
	Payment          PaymentID         `json:"payment_intent"`
	Order            OrderID           `json:"order_id"`
	Attempt          int               `json:"attempt"`
	Superseded       bool              `json:"superseded"`
	Status           Status            `json:"status"`
	State            State             `json:"state"`
	Next             string            `json:"next"`
	Final            bool              `json:"final"`
	Fulfillable      bool              `json:"fulfillable"`
	FulfillableAt    *time.Time        `json:"fulfillable_at"`
	HoldReason       *Hold             `json:"hold_reason"`
	Amount           int64             `json:"amount"`
	AmountReceived   int64             `json:"amount_received"`
	AmountCapturable int64             `json:"amount_capturable"`
	AmountRefunded   int64             `json:"amount_refunded"`
	Currency         string            `json:"currency"`
	Failure          *FailureView      `json:"failure"`
	CaptureBefore    *time.Time        `json:"capture_before"`
	Livemode         bool              `json:"livemode"`
	Version          int64             `json:"version"`
	CreatedAt        time.Time         `json:"created_at"`
	UpdatedAt        time.Time         `json:"updated_at"`
	PollAfter        *int              `json:"poll_after_ms"`
	Customer         *CustomerID       `json:"customer"`
	Metadata         map[string]string `json:"metadata"`
	Dispute          *DisputeView      `json:"dispute"`
}

// FailureView is the last failed attempt, in Stripe's codes and our own words.
type FailureView struct {
	Code        *string `json:"code"`
	DeclineCode *string `json:"decline_code"`
	Message     string  `json:"message"`
}

// DisputeView is the newest dispute of a payment; its amount is in minor units.
type DisputeView struct {
	ID     string `json:"id"`
	Status string `json:"status"`
	Amount int64  `json:"amount"`
}

// privatePart begins what the holder of a client secret does not see. It cannot stand inside a JSON string, where the
// quotation marks would be escaped.
var privatePart = []byte(`,"customer":`)

// PublicPart returns the part of a rendered view that the holder of a client secret may see.
func PublicPart(view []byte) []byte {
	cut := max(bytes.Index(view, privatePart), 0)
	return append(view[:cut:cut], '}')
}

// view renders the record and its standing; version and time of change are the caller's to set.
func (p *Payment) view() View {
	shown := p.Record.Show()
	state := stateOf(shown.Snapshot, p.Record.Received)
	hold := p.hold(shown.Snapshot, state)
	advice, running := guide[state]
	v := View{
		Payment: p.ID, Order: p.Standing.Order, Attempt: p.Standing.Attempt, Superseded: p.Standing.passedOver(),
		Status: shown.Status, State: state, Next: "none", Final: !running,
		Fulfillable: state.won() && hold == "", FulfillableAt: moment(p.Standing.FulfillableAt), HoldReason: optional(hold),
		Amount: shown.Amount, AmountReceived: max(shown.AmountReceived, p.Record.Received), AmountCapturable: shown.AmountCapturable,
		Currency: shown.Currency, Failure: explain(shown.Failure), CaptureBefore: p.captureBefore(state),
		Livemode: p.Livemode, CreatedAt: time.Unix(p.Record.Created, 0).UTC(),
		Customer: optional(shown.Customer), Metadata: shopMetadata(shown.Metadata),
	}
	if running {
		v.Next, v.PollAfter = advice.next, &advice.poll
	}
	return v
}

// stateOf names the state of a payment of which so much was received, in minor units.
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

// hold says why a payment that came in must not be fulfilled, or nothing. With manual capture the backend chose the
// sum, and reads it in amount_received.
func (p *Payment) hold(s Snapshot, state State) Hold {
	if !state.won() {
		return ""
	}
	terms := p.Standing.Terms
	switch {
	case terms != nil && s.Currency != terms.Currency:
		return HoldCurrency
	case terms != nil && s.Amount != terms.Amount:
		return HoldAmount
	case s.CaptureMethod != CaptureManual && p.Record.Received != s.Amount:
		return HoldAmount
	case p.Standing.Result != Won:
		return HoldDuplicate
	}
	return ""
}

func (p *Payment) captureBefore(state State) *time.Time {
	read := p.Record.lastRead()
	if state != Authorized || read == nil {
		return nil
	}
	return moment(read.CaptureBefore)
}

// failureTexts are our own English, for developers; shops show their own text by code and decline_code.
var failureTexts = map[string]string{
	"card_declined":                          "The card was declined.",
	"expired_card":                           "The card has expired.",
	"incorrect_cvc":                          "The card's security code is wrong.",
	"incorrect_number":                       "The card number is wrong.",
	"insufficient_funds":                     "The account has too little money.",
	"processing_error":                       "The card could not be processed; the same card may work again.",
	"authentication_required":                "The card's bank asks the customer to authenticate.",
	authenticationFailure:                    "The customer did not pass the bank's authentication.",
	"payment_intent_payment_attempt_failed":  "The payment attempt failed.",
	"payment_intent_payment_attempt_expired": "The payment attempt ran out of time.",
	"payment_method_provider_decline":        "The payment method's provider declined.",
	"payment_method_customer_decline":        "The customer declined at the payment method's own page.",
}

// explain puts a failure into the words of the contract.
func explain(f *Failure) *FailureView {
	if f == nil {
		return nil
	}
	text, known := failureTexts[f.DeclineCode]
	if !known {
		text, known = failureTexts[f.Code]
	}
	if !known {
		text = "The payment attempt failed; code and decline_code say why."
	}
	return &FailureView{Code: optional(f.Code), DeclineCode: optional(f.DeclineCode), Message: text}
}

// shopMetadata leaves out the keys that are ours.
func shopMetadata(all map[string]string) map[string]string {
	shop := map[string]string{}
	for key, value := range all {
		if !strings.HasPrefix(key, reservedMetadata) {
			shop[key] = value
		}
	}
	return shop
}

// reservedMetadata begins the metadata keys that are ours.
const reservedMetadata = "kasse_"

// encode gives the view's JSON. It holds strings, numbers and times only, so that it cannot fail.
func (v View) encode() []byte {
	text, _ := json.Marshal(v) //nolint:errchkjson // see above
	return text
}

func decodeView(text []byte) (View, error) {
	var v View
	err := json.Unmarshal(text, &v)
	return v, err
}

func optional[T ~string](value T) *T {
	if value == "" {
		return nil
	}
	return &value
}

// moment gives Unix seconds as the contract writes a time; zero is none.
func moment(unix int64) *time.Time {
	if unix == 0 {
		return nil
	}
	at := time.Unix(unix, 0).UTC()
	return &at
}
