package process_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	diff "github.com/google/go-cmp/cmp"

	"kasse/service/stripe/stripesim"
)

// How much the test of convergence tells.
const (
	stories     = 80
	tellings    = 8  // of each story, as so many payments
	storySteps  = 7  // at most
	connections = 64 // at once
)

// Events of the same payment come twice or thrice, in any order, over 64 connections to three processes. In the end every
// telling of a story shows the same, but for names and moments, and it is what Stripe has.
func TestConvergence(t *testing.T) {
	seed := seeded(t)
	random := rand.New(rand.NewPCG(seed, 0))
	clock := stopClock(time.Now().Add(-time.Hour))
	w := newWorld(t, stripesim.Options{Seed: seed, Duplicate: 0.2, Settle: 24 * time.Hour, Now: clock.now})
	w.sim.RemoveWebhooks() // the test delivers
	all := make([]story, stories)
	for i := range all {
		all[i] = w.liveStory(random, clock, i)
	}
	clock.release()
	events := w.eventsByPayment()
	expect(t, "exit code of init", w.command(nil, "init").command.ProcessState.ExitCode(), 0)
	w.serve(3, map[string]string{"STRIPE_API_BASE": newRenamer(t, w.stripe)})
	w.tellAll(all, events, random)

	redis := w.openRedis()
	eventually(t, "an end of the doubts", func() error {
		if waiting := w.waitingReads(redis); waiting > 0 {
			return fmt.Errorf("%d payments wait to be read", waiting)
		}
		return nil
	})
	for _, s := range all {
		w.agree(s, events[s.truth.ID])
	}
	t.Logf("%d payments, %d questions to Stripe about them", stories*tellings, w.sim.Count("GET /v1/payment_intents/{intent}"))
}

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
	do   func(w *world, payment string) error
}

// bring is an act that leads to a status.
func bring(name, status string) act {
	return act{name, func(w *world, payment string) error { return w.sim.SetStatus(payment, status) }}
}

var cancelIt = bring("cancel", "canceled")

// running are what may happen next while money has not come, by status.
var running = map[string][]act{
	"requires_payment_method": {
		bring("pay", "succeeded"), bring("decline", "requires_payment_method"), bring("challenge", "requires_action"), bring("debit", "processing"), cancelIt,
	},
	manual: {
		bring("authorize", "requires_capture"), bring("decline", "requires_payment_method"), bring("challenge", "requires_action"), cancelIt,
	},
	"requires_action": {
		{"agree", func(w *world, payment string) error { return w.sim.Authenticate(payment, true) }},
		{"disagree", func(w *world, payment string) error { return w.sim.Authenticate(payment, false) }},
		cancelIt,
	},
	"processing": {
		{"settle", func(w *world, payment string) error { return w.sim.Settle(payment, true) }},
		{"bounce", func(w *world, payment string) error { return w.sim.Settle(payment, false) }},
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
			possible = append(possible, act{"a refund fails", func(w *world, _ string) error { return w.sim.MoveRefund(re.ID, "failed") }})
			break
		}
	}
	for _, d := range s.disputes {
		if d.Status == "needs_response" || d.Status == "under_review" {
			for _, to := range []string{"won", "lost", "under_review"} {
				possible = append(possible, act{"dispute " + to, func(w *world, _ string) error { return w.sim.MoveDispute(d.ID, to) }})
			}
		}
	}
	if len(s.disputes) == 0 {
		possible = append(possible, complain("dispute", false), complain("inquiry", true))
	}
	return possible
}

func giveBack(name string, amount int64) act {
	return act{name, func(w *world, payment string) error { _, err := w.sim.Refund(payment, amount); return err }}
}

func complain(name string, inquiry bool) act {
	return act{name, func(w *world, payment string) error { _, err := w.sim.OpenDispute(payment, "", inquiry); return err }}
}

// refunded is how much has gone back of the money that came: not the release of what was not captured, for which Stripe
// makes a refund too.
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

func capturePart(w *world, payment string) error {
	var pi intent
	w.askStripe(http.MethodPost, "/v1/payment_intents/"+payment+"/capture", stripeKey, url.Values{"amount_to_capture": {"1000"}}, &pi)
	return nil
}

// liveStory makes a payment and lets it live, a second or none from step to step.
func (w *world) liveStory(random *rand.Rand, clock *stoppedClock, number int) story {
	w.t.Helper()
	manually := random.IntN(3) == 0
	form := url.Values{
		"amount": {"4200"}, "currency": {"eur"}, "automatic_payment_methods[enabled]": {"true"},
		"metadata[kasse_service]": {"kasse"}, "metadata[kasse_order_id]": {fmt.Sprintf("conv-%d", number)}, "metadata[kasse_attempt]": {"1"},
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
func (w *world) lookUp(s story) story {
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

// counts are the types of events that an endpoint of ours is subscribed to.
var counts = regexp.MustCompile(`^(payment_intent\.|charge\.refunded$|charge\.refund\.updated$|refund\.|charge\.dispute\.)`)

// eventsByPayment are all events that an endpoint of ours gets, as they would be delivered, oldest first.
func (w *world) eventsByPayment() map[string][]string {
	w.t.Helper()
	all := map[string][]string{}
	for after := ""; ; {
		var page struct {
			Data    []json.RawMessage
			HasMore bool `json:"has_more"`
		}
		w.askStripe(http.MethodGet, "/v1/events?limit=100"+after, stripeKey, nil, &page)
		for _, text := range page.Data {
			var e struct {
				ID, Type string
				Data     struct {
					Object struct {
						ID      string
						Payment string `json:"payment_intent"`
					}
				}
			}
			answer{body: text}.decode(w.t, &e)
			after = "&starting_after=" + e.ID
			if counts.MatchString(e.Type) {
				payment := cmp.Or(e.Data.Object.Payment, e.Data.Object.ID)
				all[payment] = append([]string{string(text)}, all[payment]...)
			}
		}
		if !page.HasMore {
			return all
		}
	}
}

// tellAll delivers every story several times over, each telling as a payment of its own, in an order of its own, to
// processes by turns. Half of the tellings are one delivery after the other; of the others all deliveries go at once.
func (w *world) tellAll(all []story, events map[string][]string, random *rand.Rand) {
	w.t.Helper()
	deliveries := make(chan []string)
	var workers sync.WaitGroup
	for range connections {
		workers.Go(func() {
			for list := range deliveries {
				for _, body := range list {
					w.deliverPatiently(body)
				}
			}
		})
	}
	var work [][]string
	for _, s := range all {
		for telling := range tellings {
			list := shuffled(events[s.truth.ID], random)
			for i := range list {
				list[i] = rename(list[i], telling)
			}
			if telling%2 == 0 {
				work = append(work, list)
				continue
			}
			for _, body := range list {
				work = append(work, []string{body})
			}
		}
	}
	for _, list := range work {
		deliveries <- list
	}
	close(deliveries)
	workers.Wait()
}

// shuffled gives the events in any order, each one to three times.
func shuffled(events []string, random *rand.Rand) []string {
	var list []string
	for _, body := range events {
		for range 1 + random.IntN(3) {
			list = append(list, body)
		}
	}
	random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list
}

// deliverPatiently delivers until the event is taken.
func (w *world) deliverPatiently(body string) {
	eventually(w.t, "a delivery", func() error {
		header := map[string]string{"Stripe-Signature": sign(hookSecret, time.Now(), body), "Content-Type": "application/json; charset=utf-8"}
		a, err := call(w.t.Context(), w.client, http.MethodPost, w.balancer.turn(body)+"/webhooks/stripe", header, body)
		if err == nil && a.status != http.StatusOK {
			err = fmt.Errorf("%d %s", a.status, a.body)
		}
		return err
	})
}

// agree holds all tellings of a story against the first, and that one against the truth.
func (w *world) agree(s story, events []string) {
	w.t.Helper()
	var first map[string]any
	for telling := range tellings {
		target := w.balancer.turn("")
		a, err := call(w.t.Context(), w.client, http.MethodGet, target+"/v1/payments/"+rename(s.truth.ID, telling), map[string]string{"Authorization": "Bearer " + readerKey}, "")
		if err != nil || a.status != http.StatusOK {
			w.t.Errorf("%v, telling %d: %d %s (%v)", s.steps, telling, a.status, a.body, err)
			continue
		}
		shown := map[string]any{}
		answer{body: []byte(unrename(string(a.body)))}.decode(w.t, &shown)
		s.forgetMoments(shown)
		if first == nil {
			first = shown
			w.isTrue(s, shown)
		}
		if difference := diff.Diff(first, shown); difference != "" {
			w.t.Errorf("%v: telling %d differs from the first: %s\n%s", s.steps, telling, difference, summary(events))
		}
	}
}

// forgetMoments drops what tells when Kasse heard of something. Whether there was a moment at which the order could be
// fulfilled depends on that too, where the money has gone back since: it may have heard of both at once.
func (s story) forgetMoments(shown map[string]any) {
	for _, moment := range []string{"version", "updated_at"} {
		delete(shown, moment)
	}
	if shown["fulfillable_at"] != nil {
		shown["fulfillable_at"] = "once"
	}
	if len(s.refunds)+len(s.disputes) > 0 {
		delete(shown, "fulfillable_at")
	}
}

// summary is what a failure tells of a story's events.
func summary(events []string) string {
	var lines strings.Builder
	for _, body := range events {
		var e struct {
			ID, Type string
			Created  int64
			Data     struct{ Object struct{ Status string } }
		}
		_ = json.Unmarshal([]byte(body), &e)
		fmt.Fprintln(&lines, e.Created, e.Type, e.Data.Object.Status, e.ID)
	}
	return lines.String()
}

// isTrue holds a view against what Stripe has.
func (w *world) isTrue(s story, shown map[string]any) {
	w.t.Helper()
	state := s.state()
	want := map[string]any{
		"payment_intent": s.truth.ID, "order_id": s.truth.Metadata["kasse_order_id"], "status": s.truth.Status, "state": state,
		"amount": float64(s.truth.Amount), "amount_received": float64(s.truth.AmountReceived), "amount_capturable": float64(s.truth.AmountCapturable),
		"amount_refunded": float64(s.refunded()), "fulfillable": state == "paid", "failure.code": nil, "failure.decline_code": nil,
	}
	if e := s.truth.Failure; e != nil {
		want["failure.code"], want["failure.decline_code"] = textOrNil(e.Code), textOrNil(e.DeclineCode)
	}
	got := map[string]any{"failure.code": nil, "failure.decline_code": nil}
	failure, _ := shown["failure"].(map[string]any)
	for name := range want {
		if inner, found := strings.CutPrefix(name, "failure."); found {
			got[name] = failure[inner]
		} else {
			got[name] = shown[name]
		}
	}
	if difference := diff.Diff(want, got); difference != "" {
		w.t.Errorf("%v is not the truth: %s", s.steps, difference)
	}
}

func textOrNil(text string) any {
	if text == "" {
		return nil
	}
	return text
}
