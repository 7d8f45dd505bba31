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

// stoppedClock is the simulator's clock while the stories are played. It moves only between steps,
// by a second or not at all, so that events often have the same second.
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

// release makes the clock equal to the machine's. Every later read is then newer than all events.
func (c *stoppedClock) release() { c.at.Store(0) }

// story is a payment at Stripe after its last step.
type story struct {
	steps    []string
	truth    truth
	refunds  []reversal // oldest first
	disputes []reversal // oldest first
}

// reversal is a refund or a dispute.
type reversal struct {
	ID     string `json:"id"`
	Status string `json:"status"`
	Amount int64  `json:"amount"`
}

// truth is a PaymentIntent at Stripe, with the members that a view shows.
type truth struct {
	intent
	AmountCapturable int64 `json:"amount_capturable"`
	Failure          *struct {
		Code        string `json:"code"`
		DeclineCode string `json:"decline_code"`
	} `json:"last_payment_error"`
}

// state returns the contract's state word for a payment without refunds and disputes.
func (t truth) state() string {
	if t.Status == "requires_payment_method" && t.Failure != nil {
		return "failed"
	}
	return t.intent.state()
}

// manual is the key of nextActions for requires_payment_method with manual capture.
const manual = "manual"

// action is a change of a payment at Stripe.
type action struct {
	name string
	do   func(w *processEnv, payment string) error
}

// setStatus returns an action that sets a status.
func setStatus(name, status string) action {
	return action{name, func(w *processEnv, payment string) error { return w.sim.SetStatus(payment, status) }}
}

var cancelAction = setStatus("cancel", "canceled")

// nextActions are the possible actions before the payment has succeeded, by status.
var nextActions = map[string][]action{
	"requires_payment_method": {
		setStatus("pay", "succeeded"), setStatus("decline", "requires_payment_method"),
		setStatus("challenge", "requires_action"), setStatus("debit", "processing"), cancelAction,
	},
	manual: {
		setStatus("authorize", "requires_capture"), setStatus("decline", "requires_payment_method"),
		setStatus("challenge", "requires_action"), cancelAction,
	},
	"requires_action": {
		{"agree", func(w *processEnv, payment string) error { return w.sim.Authenticate(payment, true) }},
		{"disagree", func(w *processEnv, payment string) error { return w.sim.Authenticate(payment, false) }},
		cancelAction,
	},
	"processing": {
		{"settle", func(w *processEnv, payment string) error { return w.sim.Settle(payment, true) }},
		{"bounce", func(w *processEnv, payment string) error { return w.sim.Settle(payment, false) }},
	},
	"requires_capture": {setStatus("capture", "succeeded"), {"capture a part", capturePart}, cancelAction},
}

// actions returns the possible next actions.
func (s story) actions(manualCapture bool) []action {
	status := s.truth.Status
	if manualCapture && status == "requires_payment_method" {
		status = manual
	}
	if status != "succeeded" {
		return nextActions[status]
	}
	var possible []action
	if left := s.truth.AmountReceived - s.refunded(); left > 0 && len(s.disputes) == 0 {
		part := min(left, 700)
		possible = append(possible, refundAction("refund a part", part), refundAction("refund the rest", left))
	}
	for _, re := range s.refunds {
		if re.Status == "succeeded" && s.refunded() > 0 {
			possible = append(possible, action{"a refund fails", func(w *processEnv, _ string) error {
				return w.sim.MoveRefund(re.ID, "failed")
			}})
			break
		}
	}
	for _, d := range s.disputes {
		if d.Status == "needs_response" || d.Status == "under_review" {
			for _, to := range []string{"won", "lost", "under_review"} {
				possible = append(possible, action{"dispute " + to, func(w *processEnv, _ string) error {
					return w.sim.MoveDispute(d.ID, to)
				}})
			}
		}
	}
	if len(s.disputes) == 0 {
		possible = append(possible, disputeAction("dispute", false), disputeAction("inquiry", true))
	}
	return possible
}

func refundAction(name string, amount int64) action {
	return action{name, func(w *processEnv, payment string) error {
		_, err := w.sim.Refund(payment, amount)
		return err
	}}
}

func disputeAction(name string, inquiry bool) action {
	return action{name, func(w *processEnv, payment string) error {
		_, err := w.sim.OpenDispute(payment, "", inquiry)
		return err
	}}
}

// refunded returns the refunded part of the received amount. Stripe also creates a refund for the
// release of the uncaptured rest, which does not count.
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

// state returns the contract's state word for the payment.
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
	form := url.Values{"amount_to_capture": {"1000"}}
	w.requestStripe(http.MethodPost, "/v1/payment_intents/"+payment+"/capture", stripeKey, form, &pi)
	return nil
}

// playStory creates a payment and plays random steps, with a second or no time between two steps.
func (w *processEnv) playStory(random *rand.Rand, clock *stoppedClock, number int) story {
	w.t.Helper()
	manualCapture := random.IntN(3) == 0
	form := url.Values{
		"amount": {"4200"}, "currency": {"eur"}, "automatic_payment_methods[enabled]": {"true"},
		"metadata[kasse_service]": {"kasse"}, "metadata[kasse_order_id]": {fmt.Sprintf("conv-%d", number)},
		"metadata[kasse_attempt]": {"1"}, "metadata[kasse_rev]": {"1700000000000"}, "metadata[colour]": {"red"},
	}
	if manualCapture {
		form.Set("capture_method", manual)
	}
	var s story
	w.requestStripe(http.MethodPost, "/v1/payment_intents", stripeKey, form, &s.truth)
	for range 1 + random.IntN(storySteps) {
		possible := s.actions(manualCapture)
		if len(possible) == 0 {
			break
		}
		clock.at.Add(random.Int64N(2))
		next := possible[random.IntN(len(possible))]
		s.steps = append(s.steps, next.name)
		w.noError(next.do(w, s.truth.ID))
		s = w.readStory(s)
	}
	return s
}

// readStory reads the current state of a story from Stripe.
func (w *processEnv) readStory(s story) story {
	w.t.Helper()
	now := story{steps: s.steps}
	w.requestStripe(http.MethodGet, "/v1/payment_intents/"+s.truth.ID, stripeKey, nil, &now.truth)
	for list, into := range map[string]*[]reversal{"/v1/refunds": &now.refunds, "/v1/disputes": &now.disputes} {
		var page struct{ Data []reversal }
		w.requestStripe(http.MethodGet, list+"?limit=100&payment_intent="+s.truth.ID, stripeKey, nil, &page)
		slices.Reverse(page.Data)
		*into = page.Data
	}
	return now
}
