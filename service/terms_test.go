package service

import (
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"
)

var price = Terms{Amount: 1000, Currency: "eur", Customer: "cus_1", CaptureMethod: CaptureAutomaticAsync}

// asked is what Stripe shows of a payment made for the price.
func asked() Snapshot {
	s := pending()
	s.Customer = price.Customer
	return s
}

// order has one attempt for each payment; "" is one that still waits for Stripe's answer, "refused" one it will not make.
func order(payments ...PaymentID) *Order {
	o := &Order{ID: "order-1", Terms: price}
	for _, id := range payments {
		o.Terms = price
		o.reserve(Attempt{Form: "form"}, noon)
		switch number := len(o.Attempts); id {
		case "":
		case "refused":
			o.refuse(number)
		default:
			o.answered(number, id)
		}
	}
	return o
}

func TestOrderStandsFor(t *testing.T) {
	for _, tt := range []struct {
		name    string
		order   *Order
		winner  PaymentID
		last    int // number; 0: none
		current PaymentID
		free    bool
	}{
		{name: "nothing asked yet", order: order(), free: true},
		{name: "waiting for Stripe", order: order(""), last: 1},
		{name: "open", order: order("pi_1"), last: 1, current: "pi_1"},
		{name: "refused", order: order("refused"), free: true},
		{name: "refused, then open", order: order("refused", "pi_2"), last: 2, current: "pi_2"},
		{name: "the second waiting", order: order("pi_1", ""), last: 2, current: "pi_1"},
		{name: "the second refused", order: order("pi_1", "refused"), last: 1, current: "pi_1"},
		{name: "the newest", order: order("pi_1", "pi_2"), last: 2, current: "pi_2"},
		{name: "the winner", order: order("pi_1", "pi_2"), winner: "pi_1", last: 2, current: "pi_1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.order.Winner = tt.winner
			last := value(tt.order.last())
			if last.Number != tt.last || tt.order.Current() != tt.current || tt.order.Free() != tt.free {
				t.Errorf("last %d, current %q, free %v", last.Number, tt.order.Current(), tt.order.Free())
			}
		})
	}
}

func TestReserveAndAnswer(t *testing.T) {
	o := order("refused", "pi_2")
	o.Lease = Lease{Owner: "somebody", Until: noon.UnixMilli() + 1}
	o.Terms = price
	o.reserve(Attempt{Form: "form"}, noon)
	a := o.last()
	if a.Number != 3 || a.Reserved != noon.UnixMilli() || a.Terms != price || a.Form != "form" {
		t.Errorf("reserved %+v in %+v", a, o)
	}
	if !o.Lease.held(noon) || o.Lease.held(noon.Add(time.Millisecond)) {
		t.Errorf("lease %+v", o.Lease)
	}
	o.answered(3, "pi_3")
	if a := o.last(); a.Payment != "pi_3" || a.Form != "" {
		t.Errorf("answered %+v", a)
	}
	if got := o.Payments(); !slices.Equal(got, []PaymentID{"pi_2", "pi_3"}) {
		t.Errorf("payments %v", got)
	}
}

// TestRefusedTermsBindNobody: its number stays used, since Stripe may remember the key.
func TestRefusedTermsBindNobody(t *testing.T) {
	o := order("refused")
	if o.Terms != (Terms{}) || o.Attempts[0].Form != "" {
		t.Errorf("%+v", o)
	}
	o.Terms = price
	o.reserve(Attempt{}, noon)
	if o.last().Number != 2 {
		t.Errorf("number %d", o.last().Number)
	}
}

func TestStanding(t *testing.T) {
	other := asked()
	other.Customer = "cus_2"
	for _, tt := range []struct {
		name    string
		order   *Order
		id      PaymentID
		attempt int
		says    Snapshot
		want    Standing
	}{
		{"known", order("pi_1"), "pi_1", 1, asked(), Standing{Attempt: 1}},
		{"known, whatever it says of itself", order("pi_1"), "pi_1", 9, costing(other, 1), Standing{Attempt: 1}},
		{"an earlier one", order("pi_1", "pi_2"), "pi_1", 1, asked(), Standing{Attempt: 1, Superseded: true}},
		{"an earlier one, the next waiting", order("pi_1", ""), "pi_1", 1, asked(), Standing{Attempt: 1, Superseded: true}},
		{"an earlier one, the next refused", order("pi_1", "refused"), "pi_1", 1, asked(), Standing{Attempt: 1}},
		{"on its way", order(""), "pi_1", 1, asked(), Standing{Attempt: 1}},
		{"another amount", order(""), "pi_1", 1, costing(asked(), 999), Standing{Attempt: 1, Foreign: true}},
		{"another customer", order(""), "pi_1", 1, other, Standing{Attempt: 1, Foreign: true}},
		{"in place of a known one", order("pi_1"), "pi_2", 1, asked(), Standing{Attempt: 1, Foreign: true}},
		{"of one that was given up", order("refused"), "pi_2", 1, asked(), Standing{Attempt: 1, Superseded: true}},
		{"an attempt never made", order("pi_1"), "pi_2", 2, asked(), Standing{Attempt: 2, Foreign: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.want.Order = "order-1"
			if got := tt.order.standing(tt.id, Origin{Order: "order-1", Attempt: tt.attempt}, tt.says); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestOrigin(t *testing.T) {
	for _, tt := range []struct {
		attempt, rev string
		want         Origin
	}{
		{"2", "1700000000000", Origin{Attempt: 2, Rev: 1_700_000_000_000}},
		{"", "", Origin{Attempt: 1}},
		{"0", "x", Origin{Attempt: 1}},
		{"-3", "-1", Origin{Attempt: 1, Rev: -1}},
		{"second", "1.5", Origin{Attempt: 1}},
	} {
		tt.want.Service, tt.want.Order = "kasse", "order-1"
		got := OriginOf(map[string]string{
			"kasse_service": "kasse", "kasse_order_id": "order-1", "kasse_attempt": tt.attempt, "kasse_rev": tt.rev, "colour": "red",
		})
		if got != tt.want {
			t.Errorf("attempt %q, rev %q: %+v", tt.attempt, tt.rev, got)
		}
	}
}

// listedAs is a payment as a list shows it, that claims to be an attempt.
func listedAs(id PaymentID, attempt int, status Status, succeeded int64, closed string) Listed {
	p := Listed{Intent: Intent{ID: id, Snapshot: asked()}, Succeeded: succeeded}
	p.Status, p.Metadata = status, map[string]string{
		"kasse_attempt": strconv.Itoa(attempt), "kasse_rev": strconv.Itoa(attempt + 2), "kasse_closed": closed,
	}
	return p
}

// TestRebuild fills an order that is known only from its payments.
func TestRebuild(t *testing.T) {
	const open, over = RequiresPaymentMethod, Canceled
	for _, tt := range []struct {
		name     string
		payments []Listed
		attempts []PaymentID // "" was refused, as far as anybody can know
		winner   PaymentID
		closed   Closure
		ended    bool
	}{
		{"from one", []Listed{listedAs("pi_3", 3, open, 0, "")}, []PaymentID{"", "", "pi_3"}, "", "", false},
		{"from all", []Listed{listedAs("pi_1", 1, over, 0, ""), listedAs("pi_2", 2, open, 0, "")}, []PaymentID{"pi_1", "pi_2"}, "", "", false},
		{"the first success has won", []Listed{listedAs("pi_1", 1, Succeeded, 20, ""), listedAs("pi_2", 2, Succeeded, 10, "")}, []PaymentID{"pi_1", "pi_2"}, "pi_2", "", false},
		{"one of two that claim to be the same", []Listed{listedAs("pi_1", 1, open, 0, ""), listedAs("pi_x", 1, open, 0, "")}, []PaymentID{"pi_1"}, "", "", false},
		{"closed with its last", []Listed{listedAs("pi_1", 1, over, 0, "canceled")}, []PaymentID{"pi_1"}, "", ClosedByCancel, true},
		{"closed for its failures", []Listed{listedAs("pi_1", 1, over, 0, "attempts_exhausted")}, []PaymentID{"pi_1"}, "", ClosedByFailures, true},
		{"closed once, and opened again", []Listed{listedAs("pi_1", 1, over, 0, "canceled"), listedAs("pi_2", 2, over, 0, "")}, []PaymentID{"pi_1", "pi_2"}, "", "", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := &Order{ID: "order-1"}
			o.rebuild(tt.payments)
			var attempts []PaymentID
			for i, a := range o.Attempts {
				attempts = append(attempts, a.Payment)
				if a.Number != i+1 || a.Refused != (a.Payment == "") {
					t.Errorf("%+v", a)
				}
			}
			if !slices.Equal(attempts, tt.attempts) || o.Winner != tt.winner || o.Closed != tt.closed || o.Ended() != tt.ended {
				t.Errorf("%+v", o)
			}
			if o.Terms != price || o.Rev != int64(len(o.Attempts))+2 {
				t.Errorf("%+v of %d", o.Terms, o.Rev)
			}
		})
	}
}

func TestClaim(t *testing.T) {
	type claim struct {
		id      PaymentID
		attempt int
		want    Result
	}
	for _, tt := range []struct {
		name   string
		order  *Order
		claims []claim
		winner PaymentID
	}{
		{"the first", order("pi_1", "pi_2"), []claim{{"pi_1", 1, Won}, {"pi_2", 2, Duplicate}}, "pi_1"},
		{"the first, whichever attempt it is", order("pi_1", "pi_2"), []claim{{"pi_2", 2, Won}, {"pi_1", 1, Duplicate}}, "pi_2"},
		{"again is a no-op", order("pi_1"), []claim{{"pi_1", 1, Won}, {"pi_1", 1, Won}}, "pi_1"},
		{"an attempt that waits for Stripe's answer", order(""), []claim{{"pi_1", 1, Won}}, "pi_1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, c := range tt.claims {
				tt.order.claim(c.id, c.attempt, price.Amount, noon)
				if got := tt.order.result(c.id); got != c.want {
					t.Errorf("%s: %s, want %s", c.id, got, c.want)
				}
			}
			if tt.order.Winner != tt.winner || tt.order.attemptOf(tt.winner) == nil {
				t.Errorf("winner %q of %+v", tt.order.Winner, tt.order.Attempts)
			}
		})
	}
	for _, o := range []*Order{order(), order("pi_1"), order("pi_1", "pi_2")} {
		before := *o
		if o.claim("pi_9", len(o.Attempts)+1, price.Amount, noon); !reflect.DeepEqual(*o, before) {
			t.Errorf("none of the order's attempts, and yet: %+v", o)
		}
		if o.claim("pi_9", 1, price.Amount, noon); !reflect.DeepEqual(*o, before) {
			t.Errorf("another's attempt, and yet: %+v", o)
		}
	}
}

func TestPassedOver(t *testing.T) {
	for _, tt := range []struct {
		standing Standing
		want     bool
	}{
		{Standing{}, false},
		{Standing{Foreign: true}, true},
		{Standing{Superseded: true}, true},
		{Standing{Superseded: true, Result: Won}, false},
		{Standing{Superseded: true, Result: Duplicate}, true},
		{Standing{Result: Duplicate}, true},
		{Standing{Result: Won}, false},
	} {
		if got := tt.standing.passedOver(); got != tt.want {
			t.Errorf("%+v: %v", tt.standing, got)
		}
	}
}
