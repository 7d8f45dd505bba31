package payment

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	jsonv1 "github.com/go-json-experiment/json/v1"
)

// winnerView returns the view of a payment that has won its order.
func winnerView(facts ...RecordFact) View {
	r := merged(facts...)
	r.Created = 1_700_000_000
	p := &Payment{ID: "pi_1", Record: r}
	return won(p).view(&Attempt{Number: 1}, p)
}

// TestStates: each status of Stripe has the state, next step and poll interval of the contract.
func TestStates(t *testing.T) {
	kept := canceled("ch_1")
	kept.AmountReceived = 400
	for _, tt := range []struct {
		name     string
		snapshot Snapshot
		state    State
		next     string
		poll     int // milliseconds; 0: none
	}{
		{"opened", pending(), Pending, "pay", 2000},
		{"confirmed", seen(RequiresConfirmation, ""), Pending, "pay", 2000},
		{"updated after a failure", afterUpdate(), Pending, "pay", 2000},
		{"3DS", action(""), ActionRequired, "authenticate", 2000},
		{"debit", processing("ch_1"), InProgress, "wait", 60000},
		{"declined", declined("ch_1"), Failed, "retry", 2000},
		{"authorized", authorized("ch_1"), Authorized, "wait", 60000},
		{"succeeded", succeeded("ch_1"), Paid, "none", 0},
		{"canceled", canceled("ch_1"), CanceledState, "none", 0},
		{"canceled with money received", kept, Paid, "none", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := winnerView(event("evt_1", 10, tt.snapshot))
			if v.State != tt.state || v.Next != tt.next || v.Status != tt.snapshot.Status || v.Final != (tt.poll == 0) {
				t.Errorf("state %s, next %s, status %s, final %v", v.State, v.Next, v.Status, v.Final)
			}
			if tt.poll == 0 && v.PollAfter != nil || tt.poll != 0 && (v.PollAfter == nil || *v.PollAfter != tt.poll) {
				t.Errorf("poll after %v, want %d", v.PollAfter, tt.poll)
			}
			if won := tt.state == Paid; v.State.Won() != won {
				t.Errorf("won %v", v.State.Won())
			}
		})
	}
	for _, state := range []State{PartiallyRefunded, Refunded, Disputed, ChargedBack} {
		if _, running := guide[state]; running || !state.Won() || state.Payable() || state.InFlight() {
			t.Errorf("%s is not a final state of a payment that has won", state)
		}
	}
}

// TestMoneyOnceReceivedStays: a canceled event without the received money does not undo it.
func TestMoneyOnceReceivedStays(t *testing.T) {
	v := winnerView(event("evt_1", 10, succeeded("ch_1")), event("evt_2", 11, canceled("ch_1")))
	if v.State != Paid || v.AmountReceived != 1000 || v.Status != Canceled {
		t.Errorf("state %s, received %d, status %s", v.State, v.AmountReceived, v.Status)
	}
}

// TestHoldReasons: a paid payment is held for one of these reasons.
func TestHoldReasons(t *testing.T) {
	short := succeeded("ch_1")
	short.AmountReceived = 999
	manual := short
	manual.CaptureMethod = CaptureManual
	dollars := succeeded("ch_1")
	dollars.Currency = "usd"
	for _, tt := range []struct {
		name     string
		snapshot Snapshot
		order    func(*Order)
		want     Hold
	}{
		{name: "all is well", snapshot: succeeded("ch_1")},
		{name: "not paid yet, nothing to hold", snapshot: costing(processing("ch_1"), 1)},
		{name: "canceled, nothing to hold", snapshot: costing(canceled(""), 1)},
		{name: "another amount", snapshot: costing(succeeded("ch_1"), 1001), want: HoldAmount},
		{name: "another currency", snapshot: dollars, want: HoldCurrency},
		{name: "not all received", snapshot: short, want: HoldAmount},
		{name: "with manual capture the backend chose the sum", snapshot: manual},
		{name: "with manual capture too the amount is the order's", snapshot: costing(manual, 1001), want: HoldAmount},
		{
			name: "a second success", snapshot: succeeded("ch_1"), order: func(o *Order) { o.Winner = "pi_2" },
			want: HoldDuplicate,
		},
		{
			name: "none of the order's", snapshot: succeeded("ch_1"), order: func(o *Order) { o.Foreign = "pi_1" },
			want: HoldDuplicate,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := &Payment{ID: "pi_1", Record: merged(event("evt_1", 10, tt.snapshot))}
			o := won(p)
			if tt.order != nil {
				tt.order(o)
			}
			v := o.view(&Attempt{Number: 1}, p)
			if got := value(v.HoldReason); got != tt.want || v.Fulfillable != (v.State == Paid && tt.want == "") {
				t.Errorf("hold %q, fulfillable %v; want %q", got, v.Fulfillable, tt.want)
			}
		})
	}
}

func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// TestCaptureBefore: the capture deadline is known only from a read of the authorized payment.
func TestCaptureBefore(t *testing.T) {
	later := read(10, authorized("ch_1"))
	later.CaptureBefore = 1_700_600_000
	earlier := read(10, authorized("ch_1"))
	earlier.CaptureBefore = 1_700_500_000
	for _, tt := range []struct {
		name  string
		facts []RecordFact
		want  int64
	}{
		{"no read yet", []RecordFact{event("evt_1", 10, authorized("ch_1"))}, 0},
		{"a read", []RecordFact{later, event("evt_1", 10, authorized("ch_1"))}, 1_700_600_000},
		{"the later of two in one second", []RecordFact{later, earlier}, 1_700_600_000},
		{"the later of two in one second, in the other order", []RecordFact{earlier, later}, 1_700_600_000},
		{"captured since", []RecordFact{later, event("evt_1", 20, succeeded("ch_1"))}, 0},
	} {
		if got := winnerView(tt.facts...).CaptureBefore; !reflect.DeepEqual(got, moment(tt.want)) {
			t.Errorf("%s: got %v", tt.name, got)
		}
	}
}

// TestFailureInOurWords: the message of a failure is Kasse's own.
func TestFailureInOurWords(t *testing.T) {
	for _, tt := range []struct{ code, decline, want string }{
		{"card_declined", "insufficient_funds", "The account has insufficient funds."},
		{"card_declined", "generic_decline", "The card was declined."},
		{"expired_card", "", "The card has expired."},
		{"something_new", "newer", "The payment attempt failed; code and decline_code give the reason."},
	} {
		v := explain(&Failure{Code: tt.code, DeclineCode: tt.decline, Charge: "ch_1"})
		if v.Message != tt.want || value(v.Code) != tt.code || value(v.DeclineCode) != tt.decline {
			t.Errorf("%s, %s: got %+v", tt.code, tt.decline, v)
		}
	}
	if explain(nil) != nil {
		t.Error("the view of no failure is not nil")
	}
}

// The members of a view, in the order of the contract: those for the holder of a client secret, those in addition for
// an order token, and those in addition for a service key. A new member must be named here too, so that one in the
// wrong struct is noticed.
var (
	publicNames = strings.Fields(`payment_intent order_id attempt superseded status state next final fulfillable
		fulfillable_at hold_reason amount amount_received amount_capturable amount_refunded currency failure
		capture_before livemode version created_at updated_at poll_after_ms action`)
	tokenNames = strings.Fields(`customer metadata dispute payment_method_details receipt_url`)
	keyNames   = strings.Fields(`review`)
)

// checkMembers compares the members of a JSON object with the names, in their order.
func checkMembers(t *testing.T, who string, text []byte, names ...[]string) {
	t.Helper()
	if got, want := keys(t, text), slices.Concat(names...); !slices.Equal(got, want) {
		t.Fatalf("%s sees other members than those of publicNames, tokenNames and keyNames in view_test.go\n"+
			" got %v\nwant %v",
			who, got, want)
	}
}

// keys returns the members of a JSON object, in their order.
func keys(t *testing.T, text []byte) []string {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		t.Fatalf("%s is not an object: %v", text, err)
	}
	var all []string
	for d.More() {
		key, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, key.(string))
		var skipped json.RawMessage
		if err := d.Decode(&skipped); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// TestPublicPart: the holder of a client secret sees all but the private members, and that of an order token all but
// the review. No content from the shop or the customer changes that.
func TestPublicPart(t *testing.T) {
	for _, hostile := range []string{
		"plain", `,"customer":`, `x","customer":"cus_2`, `\",\"customer\":`, `\`, "\u2028\x00<&>", `}{`, "",
	} {
		s := declined("ch_1")
		s.Customer, s.Metadata = "cus_secret", map[string]string{
			hostile: hostile, "customer": hostile, "review": hostile, "kasse_order_id": "order-1",
		}
		s.Failure.Code, s.Failure.DeclineCode, s.Currency = hostile, hostile, hostile
		p := &Payment{
			ID:     "pi_1",
			Record: merged(event("evt_1", 10, s), ReviewSeen{"prv_1", Review{Reason: hostile, OpenedAt: 9}}),
		}
		o := won(p)
		o.ID = OrderID(hostile)
		view := o.view(&Attempt{Number: 1}, p)
		text := view.encode()
		checkMembers(t, "a service key", text, publicNames, tokenNames, keyNames)
		before := slices.Clone(text)
		public := PublicPart(text)
		checkMembers(t, "a client secret", public, publicNames)
		token := TokenPart(text)
		checkMembers(t, "an order token", token, publicNames, tokenNames)
		if bytes.Contains(token, []byte("prv_1")) {
			t.Errorf("%q: an order token sees %s", hostile, token)
		}
		if !json.Valid(public) || bytes.Contains(public, []byte("cus_secret")) || !bytes.Equal(text, before) {
			t.Errorf("%q: public %s", hostile, public)
		}
		v, err := DecodeView(text)
		if err != nil || !reflect.DeepEqual(v, view) {
			t.Errorf("%q: read back as %+v, %v", hostile, v, err)
		}
		if _, ours := v.Metadata["kasse_order_id"]; ours || v.Metadata["customer"] != hostile {
			t.Errorf("metadata %v", v.Metadata)
		}
	}
}

// TestViewIsWrittenLikeItsStructs: the hand-written JSON encoding equals that of the structs, for any
// content.
func TestViewIsWrittenLikeItsStructs(t *testing.T) {
	for _, s := range []string{
		"plain", "", `"`, `\`, "<b>&", "Grüße", "\x00\n\x7f", "\u2028", "\xff", "{}", strings.Repeat("x", 3000),
	} {
		v := View{}
		f := &filler{}
		f.fill(reflect.ValueOf(&v.PublicView).Elem())
		f.fill(reflect.ValueOf(&v.tokenView).Elem())
		f.fill(reflect.ValueOf(&v.keyView).Elem())
		v.Next, v.Metadata[s] = s, s
		v.Failure.Message, v.Review.Reason, v.Action.Type, v.Currency = s, s, s, s
		for _, v := range []View{v, {}, {tokenView: tokenView{Metadata: map[string]string{}}}} {
			public, err := jsonv1.Marshal(v.PublicView)
			if err != nil {
				t.Fatal(err)
			}
			private, err := jsonv1.Marshal(struct {
				tokenView
				keyView
			}{v.tokenView, v.keyView})
			if err != nil {
				t.Fatal(err)
			}
			want := string(public[:len(public)-1]) + "," + string(private[1:])
			if names := keys(t, []byte(want)); !slices.Equal(names, keys(t, v.encode())) {
				t.Fatalf("encode in service/payment/view_json.go writes the members %v, the structs of view.go have %v",
					keys(t, v.encode()), names)
			}
			if got := string(v.encode()); got != want {
				t.Errorf("%q\n got %s\nwant %s", s, got, want)
			}
		}
	}
}

// TestAbsentIsNull: an absent value is null. Times have whole seconds and Z.
func TestAbsentIsNull(t *testing.T) {
	v := winnerView(opening(10, pending()))
	v.Version, v.UpdatedAt = 7, time.Unix(1_700_000_001, 0).UTC()
	want := `{"payment_intent":"pi_1","order_id":"order-1","attempt":1,"superseded":false,` +
		`"status":"requires_payment_method","state":"pending","next":"pay","final":false,"fulfillable":false,` +
		`"fulfillable_at":null,"hold_reason":null,"amount":1000,"amount_received":0,"amount_capturable":0,` +
		`"amount_refunded":0,"currency":"eur","failure":null,"capture_before":null,"livemode":false,"version":7,` +
		`"created_at":"2023-11-14T22:13:20Z","updated_at":"2023-11-14T22:13:21Z","poll_after_ms":2000,"action":null,` +
		`"customer":null,"metadata":{},"dispute":null,"payment_method_details":null,"receipt_url":null,"review":null}`
	if got := string(v.encode()); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
