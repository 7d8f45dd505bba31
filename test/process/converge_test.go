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

const (
	storySteps  = 7  // steps of a story, at most
	connections = 64 // simultaneous deliveries
)

// storyCount returns how many stories TestConvergence plays.
func storyCount() int { return rounds.Of(10, 30, 80) }

// repetitions returns how often the events of each story are delivered. Each repetition is a
// payment.
func repetitions() int { return rounds.Of(4, 4, 8) }

// TestConvergence delivers the events of each payment one to three times, in random orders, over 64
// connections to three processes. At the end every repetition of a story shows the same view,
// except for ids and times, and the view is equal to Stripe's payment.
func TestConvergence(t *testing.T) {
	seed := randomSeed(t)
	random := rand.New(rand.NewPCG(seed, 0))
	clock := stopClock(time.Now().Add(-time.Hour))
	w := newEnv(t, stripesim.Options{Seed: seed, Duplicate: 0.2, Settle: 24 * time.Hour, Now: clock.now})
	w.sim.RemoveWebhooks() // the test delivers the events itself
	all := make([]story, storyCount())
	for i := range all {
		all[i] = w.playStory(random, clock, i)
	}
	clock.release()
	events := w.eventsByPayment()
	expect(t, "exit code of init", w.command(nil, "init").command.ProcessState.ExitCode(), 0)
	w.serve(3, map[string]string{"STRIPE_API_BASE": newRenamer(t, w.stripe)})
	w.deliverAll(all, events, random)

	redis := w.openRedis()
	wait.Until(t, "the end of the queued reads", func() error { return w.queuedReads(redis) })
	for _, s := range all {
		w.compareRepetitions(s, events[s.truth.ID])
	}
	t.Logf(
		"%d payments, %d reads of payments at Stripe", storyCount()*repetitions(), w.sim.Count(readRoute),
	)
}

// subscribedTypes matches the types of events that Kasse's webhook endpoint subscribes to.
var subscribedTypes = regexp.MustCompile(
	`^(payment_intent\.|charge\.refunded$|charge\.refund\.updated$|refund\.|charge\.dispute\.)`,
)

// eventsByPayment returns all events that Kasse's webhook endpoint gets, by payment, oldest first.
func (w *processEnv) eventsByPayment() map[string][]string {
	w.t.Helper()
	all := map[string][]string{}
	for after := ""; ; {
		var page struct {
			Data    []json.RawMessage
			HasMore bool `json:"has_more"`
		}
		w.requestStripe(http.MethodGet, "/v1/events?limit=100"+after, stripeKey, nil, &page)
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
			if subscribedTypes.MatchString(e.Type) {
				payment := cmp.Or(e.Data.Object.Payment, e.Data.Object.ID)
				all[payment] = append([]string{string(text)}, all[payment]...)
			}
		}
		if !page.HasMore {
			return all
		}
	}
}

// deliverAll delivers the events of every story several times, to the processes in turn. Each
// repetition is a payment of its own, and has its own order of events. Half of the repetitions are
// delivered one event after the other, the other half all at once.
func (w *processEnv) deliverAll(all []story, events map[string][]string, random *rand.Rand) {
	w.t.Helper()
	deliveries := make(chan []string)
	var workers sync.WaitGroup
	for range connections {
		workers.Go(func() {
			for list := range deliveries {
				for _, body := range list {
					w.deliverWithRetries(body)
				}
			}
		})
	}
	var work [][]string
	for _, s := range all {
		for repetition := range repetitions() {
			list := shuffled(events[s.truth.ID], random)
			for i := range list {
				list[i] = rename(list[i], repetition)
			}
			if repetition%2 == 0 {
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

// shuffled returns the events in a random order, each one to three times.
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

// deliverWithRetries delivers an event until a process accepts it.
func (w *processEnv) deliverWithRetries(body string) {
	wait.Until(w.t, "a delivery", func() error {
		header := map[string]string{
			"Stripe-Signature": stripesim.Sign(hookSecret, time.Now(), []byte(body)),
			"Content-Type":     "application/json; charset=utf-8",
		}
		address := w.balancer.nextTarget(body) + "/webhooks/stripe"
		a, err := call(w.t.Context(), w.client, http.MethodPost, address, header, body)
		if err == nil && a.status != http.StatusOK {
			err = fmt.Errorf("got %d %s", a.status, a.body)
		}
		return err
	})
}

// compareRepetitions compares all repetitions of a story with the first, and the first with Stripe.
func (w *processEnv) compareRepetitions(s story, events []string) {
	w.t.Helper()
	var first map[string]any
	for repetition := range repetitions() {
		target := w.balancer.nextTarget("")
		a, err := call(
			w.t.Context(), w.client, http.MethodGet, target+"/v1/payments/"+rename(s.truth.ID, repetition),
			map[string]string{"Authorization": "Bearer " + readerKey}, "",
		)
		if err != nil || a.status != http.StatusOK {
			w.t.Errorf("%v, repetition %d: got %d %s (%v), want 200", s.steps, repetition, a.status, a.body, err)
			continue
		}
		shown := map[string]any{}
		answer{body: []byte(unrename(string(a.body)))}.decode(w.t, &shown)
		s.removeTimes(shown)
		if first == nil {
			first = shown
			w.checkAgainstStripe(s, shown)
		}
		if difference := diff.Diff(first, shown); difference != "" {
			w.t.Errorf(
				"%v: repetition %d (+) differs from the first (-): %s\n%s",
				s.steps, repetition, difference, summary(events),
			)
		}
	}
}

// removeTimes removes members that depend on the order of the events: the times at which Kasse
// received them, and whether an order was fulfillable before its refund. A payment and its refund
// may arrive together.
//
// The details of a charge do not converge by webhooks alone: a charge's event does not contain the
// order's id, so Kasse ignores it before the payment's first event. The next read or catch-up adds
// the details.
func (s story) removeTimes(shown map[string]any) {
	for _, member := range []string{"version", "updated_at", "payment_method_details", "receipt_url"} {
		delete(shown, member)
	}
	if shown["fulfillable_at"] != nil {
		shown["fulfillable_at"] = "set"
	}
	if len(s.refunds)+len(s.disputes) > 0 {
		delete(shown, "fulfillable_at")
	}
}

// summary lists a story's events for a failure text.
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

// checkAgainstStripe compares a view with Stripe's payment.
func (w *processEnv) checkAgainstStripe(s story, shown map[string]any) {
	w.t.Helper()
	state := s.state()
	want := map[string]any{
		"payment_intent": s.truth.ID, "order_id": s.truth.Metadata["kasse_order_id"], "status": s.truth.Status,
		"state": state, "amount": float64(s.truth.Amount), "amount_received": float64(s.truth.AmountReceived),
		"amount_capturable": float64(s.truth.AmountCapturable), "amount_refunded": float64(s.refunded()),
		"fulfillable": state == "paid", "failure.code": nil, "failure.decline_code": nil,
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
		w.t.Errorf("%v: Kasse's view (+) differs from Stripe's payment (-): %s", s.steps, difference)
	}
}

func textOrNil(text string) any {
	if text == "" {
		return nil
	}
	return text
}
