package service

import (
	"bytes"
	"strings"
	"time"

	json "github.com/go-json-experiment/json/v1"
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

// DisputeView is the most telling dispute of a payment: a lost one, or else an open one, or else the newest. Its amount is
// in minor units.
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
	received := max(shown.AmountReceived, p.Record.Received)
	refunded, disputes := p.Record.refunded(shown.Amount, received), p.Record.disputes()
	state := stateSince(stateOf(shown.Snapshot, received), received, refunded, disputes)
	hold := p.hold(shown.Snapshot, state, refunded)
	advice, running := guide[state]
	v := View{
		Payment: p.ID, Order: p.Standing.Order, Attempt: p.Standing.Attempt, Superseded: p.Standing.passedOver(),
		Status: shown.Status, State: state, Next: "none", Final: !running,
		Fulfillable: state.won() && hold == "", FulfillableAt: moment(p.Standing.FulfillableAt), HoldReason: optional(hold),
		Amount: shown.Amount, AmountReceived: received, AmountCapturable: shown.AmountCapturable, AmountRefunded: refunded,
		Currency: shown.Currency, Failure: explain(shown.Failure), CaptureBefore: p.captureBefore(state),
		Livemode: p.Livemode, CreatedAt: time.Unix(p.Record.Created, 0).UTC(),
		Customer: optional(shown.Customer), Metadata: shopMetadata(shown.Metadata), Dispute: mostTelling(disputes),
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

// stateSince names the state of a payment after what was given back, or is claimed back, of the money received. The first
// of the disputes is the most telling. Amounts are in minor units.
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

func mostTelling(disputes []DisputeSeen) *DisputeView {
	if len(disputes) == 0 {
		return nil
	}
	d := disputes[0]
	return &DisputeView{ID: string(d.ID), Status: d.Status, Amount: d.Amount}
}

// hold says why a payment that came in must not be fulfilled, or nothing. With manual capture the backend chose the
// sum, and reads it in amount_received. A part given back holds it too: only the shop knows what that was for.
func (p *Payment) hold(s Snapshot, state State, refunded int64) Hold {
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
	case refunded > 0:
		return HoldRefunded
	case state == Disputed, state == ChargedBack:
		return HoldDisputed
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
