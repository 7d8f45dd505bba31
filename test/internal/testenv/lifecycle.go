package testenv

import (
	"math/rand/v2"
	"slices"
	"time"
)

// Step is a change of a payment at Stripe.
type Step string

// Steps. Payments are by card unless the comment names a debit.
const (
	Pay       Step = "pay"
	Decline   Step = "decline"
	Challenge Step = "challenge" // 3-D Secure is required
	Agree     Step = "agree"     // the customer authenticates
	Disagree  Step = "disagree"  // the authentication fails
	Debit     Step = "debit"
	Settle    Step = "settle" // the debit succeeds
	Bounce    Step = "bounce" // the debit fails
	Cancel    Step = "cancel"
	Authorize Step = "authorize"
	Capture   Step = "capture"
	Part      Step = "capture half"
	Refund    Step = "refund" // refunds the rest
	Half      Step = "refund half"
	Unrefund  Step = "refund fails"
	Dispute   Step = "dispute"
	Win       Step = "win"
	Lose      Step = "lose"
)

// Lifecycle is a sequence of steps, with the state after the last one.
type Lifecycle struct {
	Steps  []Step
	State  string // Kasse's state word
	Manual bool   // capture_method is manual
}

var lifecycles = []Lifecycle{
	{Steps: nil, State: "pending"},
	{Steps: []Step{Pay}, State: "paid"},
	{Steps: []Step{Decline}, State: "failed"},
	{Steps: []Step{Decline, Pay}, State: "paid"},
	{Steps: []Step{Decline, Challenge, Disagree, Pay}, State: "paid"},
	{Steps: []Step{Challenge}, State: "action_required"},
	{Steps: []Step{Challenge, Agree}, State: "paid"},
	{Steps: []Step{Challenge, Disagree}, State: "failed"},
	{Steps: []Step{Debit}, State: "processing"},
	{Steps: []Step{Debit, Settle}, State: "paid"},
	{Steps: []Step{Debit, Bounce}, State: "failed"},
	{Steps: []Step{Debit, Bounce, Pay}, State: "paid"},
	{Steps: []Step{Decline, Debit, Settle}, State: "paid"},
	{Steps: []Step{Cancel}, State: "canceled"},
	{Steps: []Step{Decline, Cancel}, State: "canceled"},
	{Steps: []Step{Challenge, Cancel}, State: "canceled"},
	{Steps: []Step{Authorize}, State: "authorized", Manual: true},
	{Steps: []Step{Authorize, Capture}, State: "paid", Manual: true},
	{Steps: []Step{Authorize, Part}, State: "paid", Manual: true},
	{Steps: []Step{Authorize, Cancel}, State: "canceled", Manual: true},
	{Steps: []Step{Decline, Authorize, Capture}, State: "paid", Manual: true},
	{Steps: []Step{Pay, Refund}, State: "refunded"},
	{Steps: []Step{Pay, Half}, State: "partially_refunded"},
	{Steps: []Step{Pay, Half, Refund}, State: "refunded"},
	{Steps: []Step{Debit, Settle, Refund, Unrefund}, State: "paid"},
	{Steps: []Step{Authorize, Capture, Refund}, State: "refunded", Manual: true},
	{Steps: []Step{Authorize, Part, Refund}, State: "refunded", Manual: true},
	{Steps: []Step{Pay, Dispute}, State: "disputed"},
	{Steps: []Step{Pay, Dispute, Win}, State: "paid"},
	{Steps: []Step{Pay, Dispute, Lose}, State: "charged_back"},
}

// Succeeded returns the state of the payment before any refund or dispute.
func Succeeded(state string) string {
	switch state {
	case "refunded", "partially_refunded", "disputed", "charged_back":
		return "paid"
	}
	return state
}

// Received returns how much of an amount has been received after the last step, in minor units.
func (w Lifecycle) Received(amount int64) int64 {
	switch {
	case Succeeded(w.State) != "paid":
		return 0
	case slices.Contains(w.Steps, Part):
		return amount / 2
	}
	return amount
}

// refunded returns how much has been refunded, in minor units.
func (w Lifecycle) refunded(amount int64) int64 {
	switch w.State {
	case "refunded":
		return w.Received(amount)
	case "partially_refunded":
		return amount / 2
	}
	return 0
}

// OrderPlan plans one order: its start and its lifecycle.
type OrderPlan struct {
	Lifecycle
	Order     string
	Amount    int64           // minor units of EUR
	At        time.Duration   // after the start of the load
	Gaps      []time.Duration // the pause before each step
	Elsewhere bool            // opened at Stripe as if by another replica; Kasse sees only its events
}

// End is the view that Kasse must show after the last step.
func (h OrderPlan) End(payment string) View {
	return View{
		Payment: payment, Order: h.Order, State: h.State, Amount: h.Amount,
		AmountReceived: h.Received(h.Amount), AmountRefunded: h.refunded(h.Amount), Fulfillable: h.State == "paid",
	}
}

// DrawOrders draws the orders of a load. They start evenly, at a rate of orders per second.
func DrawOrders(dice *rand.Rand, load time.Duration, rate int, name func(number int) string) []OrderPlan {
	var all []OrderPlan
	count := int(load.Seconds() * float64(rate))
	for i := range count {
		h := OrderPlan{
			Lifecycle: lifecycles[dice.IntN(len(lifecycles))], Order: name(i), Amount: 100 + dice.Int64N(100_000),
			At: load * time.Duration(i) / time.Duration(count), Elsewhere: dice.IntN(2) == 0,
		}
		for range h.Steps {
			h.Gaps = append(h.Gaps, time.Duration(dice.Int64N(int64(800*time.Millisecond))))
		}
		all = append(all, h)
	}
	return all
}
