package payment

import (
	"maps"
	"strings"
	"time"

	json "github.com/go-json-experiment/json/v1"
)

// guidance is a page's next step in a state, with its polling interval.
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

// Hold is the reason why a received payment must not be fulfilled.
type Hold string

// The reasons of the contract.
const (
	HoldAmount     Hold = "amount_mismatch"
	HoldCurrency   Hold = "currency_mismatch"
	HoldDuplicate  Hold = "duplicate_payment"
	HoldRefunded   Hold = "refunded"
	HoldDisputed   Hold = "disputed"
	HoldInReview   Hold = "in_review"
	HoldUnverified Hold = "unverified"
)

// PublicView is the part of the status view that the holder of a client secret may see. Amounts are in minor units.
type PublicView struct {
	Payment          ID           `json:"payment_intent"`
	Order            OrderID      `json:"order_id"`
	Attempt          int          `json:"attempt"`
	Superseded       bool         `json:"superseded"`
	Status           Status       `json:"status"`
	State            State        `json:"state"`
	Next             string       `json:"next"`
	Final            bool         `json:"final"`
	Fulfillable      bool         `json:"fulfillable"`
	FulfillableAt    *time.Time   `json:"fulfillable_at"`
	HoldReason       *Hold        `json:"hold_reason"`
	Amount           int64        `json:"amount"`
	AmountReceived   int64        `json:"amount_received"`
	AmountCapturable int64        `json:"amount_capturable"`
	AmountRefunded   int64        `json:"amount_refunded"`
	Currency         string       `json:"currency"`
	Failure          *FailureView `json:"failure"`
	CaptureBefore    *time.Time   `json:"capture_before"`
	Livemode         bool         `json:"livemode"`
	Version          int64        `json:"version"`
	CreatedAt        time.Time    `json:"created_at"`
	UpdatedAt        time.Time    `json:"updated_at"`
	PollAfter        *int         `json:"poll_after_ms"`
	Action           *ActionView  `json:"action"`
}

// tokenView is the part of the status view for service keys and order tokens only.
type tokenView struct {
	Customer   *CustomerID       `json:"customer"`
	Metadata   map[string]string `json:"metadata"`
	Dispute    *DisputeView      `json:"dispute"`
	Method     *MethodView       `json:"payment_method_details"`
	ReceiptURL *string           `json:"receipt_url"`
}

// keyView is the part of the status view for service keys only.
type keyView struct {
	Review *ReviewView `json:"review"`
}

// View is the status view of the contract. Its JSON is stored and served as it is.
type View struct {
	PublicView
	tokenView
	keyView
}

// DisputeView is the most important dispute of a payment: a lost one, else an open one, else the newest. Its amount
// is in minor units.
type DisputeView struct {
	ID     string `json:"id"`
	Status string `json:"status"`
	Amount int64  `json:"amount"`
}

// view renders a payment of the order. Version and time of change are those of the last visible change.
func (o *Order) view(a *Attempt, p *Payment) View {
	shown := p.Record.Resolve()
	received := shown.Received
	refunded, disputes := p.Record.refunded(shown.Amount, received), p.Record.disputes()
	state := stateSince(stateOf(shown.Snapshot, received), received, refunded, disputes)
	charge := p.Record.Charges[shown.Charge.ID]
	hold := o.hold(p, shown, state, refunded)
	action := shown.action()
	advice, running := guidanceOf(state, action)
	v := View{
		PublicView: PublicView{
			Payment: p.ID, Order: o.ID, Attempt: a.Number, Superseded: a.Superseded,
			Status: shown.Status, State: state, Next: "none", Final: !running,
			Fulfillable: state.Won() && hold == "", HoldReason: optional(hold),
			Amount: shown.Amount, AmountReceived: received, AmountCapturable: shown.AmountCapturable,
			AmountRefunded: refunded, Currency: shown.Currency, Failure: explain(shown.Failure),
			CaptureBefore: p.captureBefore(state), Livemode: p.Livemode, Version: a.Version,
			CreatedAt: time.Unix(p.Record.Created, 0).UTC(), UpdatedAt: time.Unix(a.UpdatedAt, 0).UTC(), Action: action,
		},
		tokenView: tokenView{
			Customer: optional(shown.Customer), Metadata: shopMetadata(shown.Metadata),
			Dispute: mostImportant(disputes), Method: charge.method(), ReceiptURL: optional(charge.ReceiptURL),
		},
		keyView: keyView{Review: p.Record.openReview()},
	}
	if o.Foreign == "" && o.Winner == p.ID {
		v.FulfillableAt = moment(o.FulfillableAt)
	}
	if running {
		poll := advice.poll
		v.Next, v.PollAfter = advice.next, &poll
	}
	return v
}

// View returns the view of a loaded payment; false where it is not loaded or has nothing to show.
func (o *Order) View(id ID) (View, bool) {
	a, p := o.Attempt(id), o.Loaded[id]
	if a == nil || p == nil || p.Record.Empty() {
		return View{}, false
	}
	return o.view(a, p), true
}

// Render returns the JSON of a loaded payment's view; nil where there is nothing to show.
func (o *Order) Render(id ID) []byte {
	v, ok := o.View(id)
	if !ok {
		return nil
	}
	return v.encode()
}

func mostImportant(disputes []DisputeSeen) *DisputeView {
	if len(disputes) == 0 {
		return nil
	}
	d := disputes[0]
	return &DisputeView{ID: string(d.ID), Status: d.Status, Amount: d.Amount}
}

// hold returns why a received payment must not be fulfilled; empty if it may. With manual capture the backend
// has chosen the sum, and reads it in amount_received. A partial refund also holds the payment, since only
// the shop knows its reason.
func (o *Order) hold(p *Payment, s Resolved, state State, refunded int64) Hold {
	if !state.Won() {
		return ""
	}
	switch {
	case o.Foreign == "" && s.Currency != o.Terms.Currency:
		return HoldCurrency
	case o.Foreign == "" && s.Amount != o.Terms.Amount:
		return HoldAmount
	case s.CaptureMethod != CaptureManual && s.Received != s.Amount:
		return HoldAmount
	case o.Foreign != "" || o.Winner != p.ID:
		return HoldDuplicate
	case refunded > 0:
		return HoldRefunded
	case state == Disputed, state == ChargedBack:
		return HoldDisputed
	case p.Record.inReview():
		return HoldInReview
	case o.holdsUnverified(p):
		return HoldUnverified
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

// sameMeaning reports whether two views show the same to a caller, their version and time of change apart.
func (v View) sameMeaning(o View) bool {
	return v.sameButDetails(o) && v.Method.sameMeaning(o.Method) && equal(v.ReceiptURL, o.ReceiptURL)
}

// sameButDetails is sameMeaning without the payment method and the receipt, of which backends get no event.
func (v View) sameButDetails(o View) bool {
	a, b := v.PublicView, o.PublicView
	same := a.Payment == b.Payment && a.Order == b.Order && a.Attempt == b.Attempt && a.Superseded == b.Superseded &&
		a.Status == b.Status && a.State == b.State && a.Fulfillable == b.Fulfillable && a.Livemode == b.Livemode &&
		a.Amount == b.Amount && a.AmountReceived == b.AmountReceived && a.AmountCapturable == b.AmountCapturable &&
		a.AmountRefunded == b.AmountRefunded && a.Currency == b.Currency
	return same && a.Action.sameMeaning(b.Action) && equal(
		a.FulfillableAt, b.FulfillableAt,
	) && equal(a.HoldReason, b.HoldReason) &&
		equal(a.CaptureBefore, b.CaptureBefore) && a.Failure.sameMeaning(b.Failure) && equal(v.Customer, o.Customer) &&
		equal(v.Dispute, o.Dispute) && equal(v.Review, o.Review) && maps.Equal(v.Metadata, o.Metadata)
}

func equal[T comparable](a, b *T) bool { return a == b || (a != nil && b != nil && *a == *b) }

// DecodeView reads a rendered view.
func DecodeView(text []byte) (View, error) {
	var v View
	err := json.Unmarshal(text, &v)
	return v, err
}

// WithoutMetadata returns the view's JSON without the shop's metadata, for where it is too large.
func WithoutMetadata(view []byte) ([]byte, error) {
	v, err := DecodeView(view)
	v.Metadata = map[string]string{}
	return v.encode(), err
}

func optional[T ~string](value T) *T {
	if value == "" {
		return nil
	}
	shown := value // the argument stays on the stack where nothing is shown
	return &shown
}

// moment gives Unix seconds as the contract writes a time; zero is none.
func moment(unix int64) *time.Time {
	if unix == 0 {
		return nil
	}
	at := time.Unix(unix, 0).UTC()
	return &at
}
