package process_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"sync/atomic"
	"time"
)

// stoppedClock is the simulator's while stories are made: it moves only from step to step, so that events have the same
// second, or the next.
type stoppedClock struct{ at atomic.Int64 }

func stopClock(at time.Time) *stoppedClock {
	c := &stoppedClock{}
	c.at.Store(at.Unix())
	return c
}

func (c *stoppedClock) now() time.Time {
	if at := c.at.Load(); at != 0 {
		return time.Unix(at, 0)
	}
	return time.Now()
}

// release lets the clock go with the machine's: what is read from now on is younger than every event.
func (c *stoppedClock) release() { c.at.Store(0) }

// story is a payment at Stripe that has come to rest.
type story struct {
	steps    []string
	truth    truth
	refunds  []returned // oldest first
	disputes []returned
}

// returned is a refund or a dispute.
type returned struct {
	ID     string `json:"id"`
	Status string `json:"status"`
	Amount int64  `json:"amount"`
}

// truth is a PaymentIntent as far as a view shows it.
type truth struct {
	intent
	AmountCapturable int64 `json:"amount_capturable"`
	Failure          *struct {
		Code        string `json:"code"`
		DeclineCode string `json:"decline_code"`
	} `json:"last_payment_error"`
}

// state is the contract's word for it.
func (t truth) state() string {
	if t.Status == "requires_payment_method" && t.Failure != nil {
		return "failed"
	}
	return t.intent.state()
}

// manual is requires_payment_method where the shop captures.
const manual = "manual"

// act is something that may happen to a payment in a status.
type act struct {
	name string
	do   func(w *processEnv, payment string) error
}

// bring is an act that leads to a status.
func bring(name, status string) act {
	return act{name, func(w *processEnv, payment string) error { return w.sim.SetStatus(payment, status) }}
}

var cancelIt = bring("cancel", "canceled")

// running are what may happen next while money has not come, by status.
var running = map[string][]act{
	"requires_payment_method": {
		bring("pay", "succeeded"), bring(
			"decline", "requires_payment_method",
		), bring("challenge", "requires_action"), bring("debit", "processing"), cancelIt,
	},
	manual: {
		bring("authorize", "requires_capture"), bring(
			"decline", "requires_payment_method",
		), bring("challenge", "requires_action"), cancelIt,
	},
	"requires_action": {
		{"agree", func(w *processEnv, payment string) error { return w.sim.Authenticate(payment, true) }},
		{"disagree", func(w *processEnv, payment string) error { return w.sim.Authenticate(payment, false) }},
		cancelIt,
	},
	"processing": {
		{"settle", func(w *processEnv, payment string) error { return w.sim.Settle(payment, true) }},
		{"bounce", func(w *processEnv, payment string) error { return w.sim.Settle(payment, false) }},
	},
	"requires_capture": {bring("capture", "succeeded"), {"capture a part", capturePart}, cancelIt},
}

// acts are what may happen next.
func (s story) acts(manually bool) []act {
	status := s.truth.Status
	if manually && status == "requires_payment_method" {
		status = manual
	}
	if status != "succeeded" {
		return running[status]
	}
	var possible []act
	if left := s.truth.AmountReceived - s.refunded(); left > 0 && len(s.disputes) == 0 {
		possible = append(possible, giveBack("refund a part", min(left, 700)), giveBack("refund the rest", left))
	}
	for _, re := range s.refunds {
		if re.Status == "succeeded" && s.refunded() > 0 {
			possible = append(
				possible,
				act{"a refund fails", func(w *processEnv, _ string) error { return w.sim.MoveRefund(re.ID, "failed") }},
			)
			break
		}
	}
	for _, d := range s.disputes {
		if d.Status == "needs_response" || d.Status == "under_review" {
			for _, to := range []string{"won", "lost", "under_review"} {
				possible = append(
					possible,
					act{"dispute " + to, func(w *processEnv, _ string) error { return w.sim.MoveDispute(d.ID, to) }},
				)
			}
		}
	}
	if len(s.disputes) == 0 {
		possible = append(possible, complain("dispute", false), complain("inquiry", true))
	}
	return possible
}

func giveBack(name string, amount int64) act {
	return act{name, func(w *processEnv, payment string) error { _, err := w.sim.Refund(payment, amount); return err }}
}

func complain(name string, inquiry bool) act {
	return act{
		name,
		func(w *processEnv, payment string) error {
			_, err := w.sim.OpenDispute(payment, "", inquiry)
			return err
		},
	}
}

// refunded is the refunded part of the received money. Stripe also makes a refund for the release of the
// uncaptured rest, which does not count.
func (s story) refunded() (sum int64) {
	released := s.truth.Amount - s.truth.AmountReceived
	for _, re := range s.refunds {
		switch {
		case released > 0 && re.Amount == released:
			released = 0
		case re.Status != "failed" && re.Status != "canceled":
			sum += re.Amount
		}
	}
	return sum
}

// state is the contract's word for it.
func (s story) state() string {
	state := s.truth.state()
	if state != "paid" {
		return state
	}
	for _, d := range s.disputes {
		switch d.Status {
		case "lost":
			return "charged_back"
		case "needs_response", "under_review":
			return "disputed"
		}
	}
	switch refunded := s.refunded(); {
	case refunded == 0:
		return state
	case refunded < s.truth.AmountReceived:
		return "partially_refunded"
	}
	return "refunded"
}

func capturePart(w *processEnv, payment string) error {
	var pi intent
	w.askStripe(
		http.MethodPost, "/v1/payment_intents/"+payment+"/capture", stripeKey,
		url.Values{"amount_to_capture": {"1000"}}, &pi,
	)
	return nil
}

// liveStory makes a payment and lets it live, a second or none from step to step.
func (w *processEnv) liveStory(random *rand.Rand, clock *stoppedClock, number int) story {
	w.t.Helper()
	manually := random.IntN(3) == 0
	form := url.Values{
		"amount": {"4200"}, "currency": {"eur"}, "automatic_payment_methods[enabled]": {"true"},
		"metadata[kasse_service]": {"kasse"}, "metadata[kasse_order_id]": {
			fmt.Sprintf("conv-%d", number),
		}, "metadata[kasse_attempt]": {"1"},
		"metadata[kasse_rev]": {"1700000000000"}, "metadata[colour]": {"red"},
	}
	if manually {
		form.Set("capture_method", manual)
	}
	var s story
	w.askStripe(http.MethodPost, "/v1/payment_intents", stripeKey, form, &s.truth)
	for range 1 + random.IntN(storySteps) {
		possible := s.acts(manually)
		if len(possible) == 0 {
			break
		}
		clock.at.Add(random.Int64N(2))
		next := possible[random.IntN(len(possible))]
		s.steps = append(s.steps, next.name)
		w.no(next.do(w, s.truth.ID))
		s = w.lookUp(s)
	}
	return s
}

// lookUp asks Stripe what has become of a story.
func (w *processEnv) lookUp(s story) story {
	w.t.Helper()
	now := story{steps: s.steps}
	w.askStripe(http.MethodGet, "/v1/payment_intents/"+s.truth.ID, stripeKey, nil, &now.truth)
	for list, into := range map[string]*[]returned{"/v1/refunds": &now.refunds, "/v1/disputes": &now.disputes} {
		var page struct{ Data []returned }
		w.askStripe(http.MethodGet, list+"?limit=100&payment_intent="+s.truth.ID, stripeKey, nil, &page)
		slices.Reverse(page.Data)
		*into = page.Data
	}
	return now
}
