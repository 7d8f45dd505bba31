package testenv

import (
	"math/rand/v2"
	"slices"
	"time"
)

// Step is something that happens to a payment at Stripe.
type Step string

// The steps. Payments are by card, unless a debit is named.
const (
	Pay       Step = "pay"
	Decline   Step = "decline"
	Challenge Step = "challenge" // 3-D Secure asks the customer
	Agree     Step = "agree"
	Disagree  Step = "disagree"
	Debit     Step = "debit"
	Settle    Step = "settle"
	Bounce    Step = "bounce" // the debit fails
	Cancel    Step = "cancel"
	Authorize Step = "authorize"
	Capture   Step = "capture"
	Part      Step = "capture half"
	Refund    Step = "refund" // what is left
	Half      Step = "refund half"
	Unrefund  Step = "refund fails"
	Dispute   Step = "dispute"
	Win       Step = "win"
	Lose      Step = "lose"
)

// Walk is a life of a payment, and what it has to look like in the end.
type Walk struct {
	Steps  []Step
	State  string // the contract's
	Manual bool   // capture
}

var walks = []Walk{
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

// Succeeded is the contract's word for what a payment was before money went back.
func Succeeded(state string) string {
	switch state {
	case "refunded", "partially_refunded", "disputed", "charged_back":
		return "paid"
	}
	return state
}

// Received is how much of an amount has come in after the walk, in minor units.
func (w Walk) Received(amount int64) int64 {
	switch {
	case Succeeded(w.State) != "paid":
		return 0
	case slices.Contains(w.Steps, Part):
		return amount / 2
	}
	return amount
}

// refunded is how much has gone back.
func (w Walk) refunded(amount int64) int64 {
	switch w.State {
	case "refunded":
		return w.Received(amount)
	case "partially_refunded":
		return amount / 2
	}
	return 0
}

// History is one order: when it is opened, and what becomes of it.
type History struct {
	Walk
	Order     string
	Amount    int64         // minor units of EUR
	At        time.Duration // from the start of the load
	Gaps      []time.Duration
	Elsewhere bool // opened at Stripe as if by another replica, so that Kasse sees its events only
}

// End is what Kasse has to show after the walk.
func (h History) End(payment string) View {
	return View{
		Payment: payment, Order: h.Order, State: h.State, Amount: h.Amount, AmountReceived: h.Received(
			h.Amount,
		), AmountRefunded: h.refunded(h.Amount),
		Fulfillable: h.State == "paid",
	}
}

// Histories draws what comes in a time, at an even pace of so many orders a second.
func Histories(dice *rand.Rand, load time.Duration, rate int, name func(number int) string) []History {
	var all []History
	count := int(load.Seconds() * float64(rate))
	for i := range count {
		h := History{
			Walk: walks[dice.IntN(len(walks))], Order: name(i), Amount: 100 + dice.Int64N(100_000),
			At: load * time.Duration(i) / time.Duration(count), Elsewhere: dice.IntN(2) == 0,
		}
		for range h.Steps {
			h.Gaps = append(h.Gaps, time.Duration(dice.Int64N(int64(800*time.Millisecond))))
		}
		all = append(all, h)
	}
	return all
}
