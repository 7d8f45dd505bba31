package process_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	diff "github.com/google/go-cmp/cmp"

	"kasse/service/stripe/stripesim"
	"kasse/test/rounds"
	"kasse/test/wait"
)

// How many events the test of convergence plays.
const (
	storySteps  = 7  // at most
	connections = 64 // at once
)

func stories() int { return rounds.Of(10, 30, 80) }

// tellings is how often each story is played, as so many payments.
func tellings() int { return rounds.Of(4, 4, 8) }

// Events of the same payment come twice or thrice, in any order, over 64 connections to three processes. In the end
// every telling of a story shows the same, but for names and moments, and it is what Stripe has.
func TestConvergence(t *testing.T) {
	seed := seeded(t)
	random := rand.New(rand.NewPCG(seed, 0))
	clock := stopClock(time.Now().Add(-time.Hour))
	w := newEnv(t, stripesim.Options{Seed: seed, Duplicate: 0.2, Settle: 24 * time.Hour, Now: clock.now})
	w.sim.RemoveWebhooks() // the test delivers
	all := make([]story, stories())
	for i := range all {
		all[i] = w.liveStory(random, clock, i)
	}
	clock.release()
	events := w.eventsByPayment()
	expect(t, "exit code of init", w.command(nil, "init").command.ProcessState.ExitCode(), 0)
	w.serve(3, map[string]string{"STRIPE_API_BASE": newRenamer(t, w.stripe)})
	w.tellAll(all, events, random)

	redis := w.openRedis()
	wait.Until(t, "an end of the doubts", func() error {
		if waiting := w.waitingReads(redis); waiting > 0 {
			return fmt.Errorf("%d payments wait to be read", waiting)
		}
		return nil
	})
	for _, s := range all {
		w.agree(s, events[s.truth.ID])
	}
	t.Logf(
		"%d payments, %d questions to Stripe about them", stories()*tellings(),
		w.sim.Count("GET /v1/payment_intents/{intent}"),
	)
}

// counts are the types of events that an endpoint of ours is subscribed to.
var counts = regexp.MustCompile(
	`^(payment_intent\.|charge\.refunded$|charge\.refund\.updated$|refund\.|charge\.dispute\.)`,
)

// eventsByPayment are all events that an endpoint of ours gets, as they would be delivered, oldest first.
func (w *processEnv) eventsByPayment() map[string][]string {
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
func (w *processEnv) tellAll(all []story, events map[string][]string, random *rand.Rand) {
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
		for telling := range tellings() {
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
func (w *processEnv) deliverPatiently(body string) {
	wait.Until(w.t, "a delivery", func() error {
		header := map[string]string{
			"Stripe-Signature": stripesim.Sign(hookSecret, time.Now(), []byte(body)),
			"Content-Type":     "application/json; charset=utf-8",
		}
		a, err := call(w.t.Context(), w.client, http.MethodPost, w.balancer.turn(body)+"/webhooks/stripe", header, body)
		if err == nil && a.status != http.StatusOK {
			err = fmt.Errorf("%d %s", a.status, a.body)
		}
		return err
	})
}

// agree holds all tellings of a story against the first, and that one against the truth.
func (w *processEnv) agree(s story, events []string) {
	w.t.Helper()
	var first map[string]any
	for telling := range tellings() {
		target := w.balancer.turn("")
		a, err := call(
			w.t.Context(), w.client, http.MethodGet, target+"/v1/payments/"+rename(s.truth.ID, telling),
			map[string]string{"Authorization": "Bearer " + readerKey}, "",
		)
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

// forgetMoments removes the times at which Kasse received something. They also decide whether the order was
// ever fulfillable if the money was refunded since, because both may arrive at once. The details of a charge
// do not converge by webhooks alone: a charge's event does not name the order, and one before the payment's
// first event is ignored. The next read or catch-up brings them.
func (s story) forgetMoments(shown map[string]any) {
	for _, moment := range []string{"version", "updated_at", "payment_method_details", "receipt_url"} {
		delete(shown, moment)
	}
	if shown["fulfillable_at"] != nil {
		shown["fulfillable_at"] = "once"
	}
	if len(s.refunds)+len(s.disputes) > 0 {
		delete(shown, "fulfillable_at")
	}
}

// summary is what a failure prints of a story's events.
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
func (w *processEnv) isTrue(s story, shown map[string]any) {
	w.t.Helper()
	state := s.state()
	want := map[string]any{
		"payment_intent": s.truth.ID, "order_id": s.truth.Metadata["kasse_order_id"], "status": s.truth.Status,
		"state":  state,
		"amount": float64(s.truth.Amount), "amount_received": float64(
			s.truth.AmountReceived,
		), "amount_capturable": float64(s.truth.AmountCapturable),
		"amount_refunded": float64(
			s.refunded(),
		), "fulfillable": state == "paid", "failure.code": nil, "failure.decline_code": nil,
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
