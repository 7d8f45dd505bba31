package main

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// size is how much there is of everything in a round.
type size struct {
	load   time.Duration // how long new orders come
	rate   int           // of them a second
	faults int           // of those kinds that come more than once
	away   time.Duration // how long Redis stays away
	again  string        // the DURATION that plays it on one seed
}

var (
	short = size{load: 5 * time.Second, rate: 12, faults: 2, away: 3 * time.Second, again: "0"}
	long  = size{load: 40 * time.Second, rate: 10, faults: 6, away: 30 * time.Second, again: "1s"}
)

// step is something that happens to a payment at Stripe.
type step string

// The steps. Whoever pays does it by card, unless a debit is named.
const (
	pay       step = "pay"
	decline   step = "decline"
	challenge step = "challenge" // 3-D Secure asks the customer
	agree     step = "agree"
	disagree  step = "disagree"
	debit     step = "debit"
	settle    step = "settle"
	bounce    step = "bounce" // the debit fails
	cancel    step = "cancel"
	authorize step = "authorize"
	capture   step = "capture"
	part      step = "capture half"
	refund    step = "refund" // what is left
	half      step = "refund half"
	unrefund  step = "refund fails"
	dispute   step = "dispute"
	win       step = "win"
	lose      step = "lose"
)

// walk is a life of a payment, and what it has to look like in the end.
type walk struct {
	steps  []step
	state  string // the contract's
	manual bool   // capture
}

var walks = []walk{
	{steps: nil, state: "pending"},
	{steps: []step{pay}, state: "paid"},
	{steps: []step{decline}, state: "failed"},
	{steps: []step{decline, pay}, state: "paid"},
	{steps: []step{decline, challenge, disagree, pay}, state: "paid"},
	{steps: []step{challenge}, state: "action_required"},
	{steps: []step{challenge, agree}, state: "paid"},
	{steps: []step{challenge, disagree}, state: "failed"},
	{steps: []step{debit}, state: "processing"},
	{steps: []step{debit, settle}, state: "paid"},
	{steps: []step{debit, bounce}, state: "failed"},
	{steps: []step{debit, bounce, pay}, state: "paid"},
	{steps: []step{decline, debit, settle}, state: "paid"},
	{steps: []step{cancel}, state: "canceled"},
	{steps: []step{decline, cancel}, state: "canceled"},
	{steps: []step{challenge, cancel}, state: "canceled"},
	{steps: []step{authorize}, state: "authorized", manual: true},
	{steps: []step{authorize, capture}, state: "paid", manual: true},
	{steps: []step{authorize, part}, state: "paid", manual: true},
	{steps: []step{authorize, cancel}, state: "canceled", manual: true},
	{steps: []step{decline, authorize, capture}, state: "paid", manual: true},
	{steps: []step{pay, refund}, state: "refunded"},
	{steps: []step{pay, half}, state: "partially_refunded"},
	{steps: []step{pay, half, refund}, state: "refunded"},
	{steps: []step{debit, settle, refund, unrefund}, state: "paid"},
	{steps: []step{authorize, capture, refund}, state: "refunded", manual: true},
	{steps: []step{authorize, part, refund}, state: "refunded", manual: true},
	{steps: []step{pay, dispute}, state: "disputed"},
	{steps: []step{pay, dispute, win}, state: "paid"},
	{steps: []step{pay, dispute, lose}, state: "charged_back"},
}

// succeeded is the contract's word for what a payment was before money went back.
func succeeded(state string) string {
	switch state {
	case "refunded", "partially_refunded", "disputed", "charged_back":
		return "paid"
	}
	return state
}

// received is how much of an amount has come in after the walk, in minor units.
func (w walk) received(amount int64) int64 {
	switch {
	case succeeded(w.state) != "paid":
		return 0
	case slices.Contains(w.steps, part):
		return amount / 2
	}
	return amount
}

// refunded is how much has gone back.
func (w walk) refunded(amount int64) int64 {
	switch w.state {
	case "refunded":
		return w.received(amount)
	case "partially_refunded":
		return amount / 2
	}
	return 0
}

// history is one order: when it is opened, and what becomes of it.
type history struct {
	walk
	order     string
	amount    int64         // minor units of EUR
	at        time.Duration // from the start of the load
	gaps      []time.Duration
	elsewhere bool // opened at Stripe as if by another replica, so that Kasse hears of it by its events only
}

// end is what Kasse has to show after the walk.
func (h history) end(payment string) view {
	return view{
		Payment: payment, Order: h.order, State: h.state, Amount: h.amount, AmountReceived: h.received(h.amount), AmountRefunded: h.refunded(h.amount),
		Fulfillable: h.state == "paid",
	}
}

// moment is when a fault comes, and what it does as it likes.
type moment struct {
	at   time.Duration // from the start of the load, at the earliest
	span time.Duration // up to a second
	pick uint64
}

// plan is what a seed decides of a round: all that this program does, though not how the machine takes it.
type plan struct {
	histories []history
	moments   []moment
	seed      uint64 // of proxies and deliveries
}

// newPlan draws a round's plan. Faults fall into the middle of the load.
func newPlan(seed uint64, round string, s size, faults int) plan {
	name := fnv.New64a()
	name.Write([]byte(round))
	dice := rand.New(rand.NewPCG(seed, name.Sum64()))
	p := plan{seed: dice.Uint64()}
	count := int(s.load.Seconds() * float64(s.rate))
	for i := range count {
		h := history{
			walk: walks[dice.IntN(len(walks))], order: orderName(round, seed, i), amount: 100 + dice.Int64N(100_000),
			at: s.load * time.Duration(i) / time.Duration(count), elsewhere: dice.IntN(2) == 0,
		}
		for range h.steps {
			h.gaps = append(h.gaps, time.Duration(dice.Int64N(int64(800*time.Millisecond))))
		}
		p.histories = append(p.histories, h)
	}
	for i := range faults {
		share := (float64(i) + 0.3 + 0.4*dice.Float64()) / float64(faults)
		p.moments = append(p.moments, moment{
			at: time.Duration(share * float64(s.load)), span: time.Duration(dice.Int64N(int64(time.Second))), pick: dice.Uint64(),
		})
	}
	return p
}

func orderName(round string, seed uint64, number int) string {
	return fmt.Sprintf("%s.%d.%d", strings.ReplaceAll(round, " ", "-"), seed, number)
}
