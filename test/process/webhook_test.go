package process_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"kasse/service/stripe/stripesim"
	"kasse/test/rounds"
	"kasse/test/wait"
)

// deliver posts an event to a process, as Stripe does, signed with the secret.
func (p *process) deliver(body, secret string) (answer, error) {
	header := map[string]string{
		"Stripe-Signature": stripesim.Sign(secret, time.Now(), []byte(body)),
		"Content-Type":     "application/json; charset=utf-8",
	}
	return call(p.t.Context(), p.client, http.MethodPost, p.public+"/webhooks/stripe", header, body)
}

// scenarios are sequences of changes of a payment. They end in different states, or reach the same
// state in different ways.
var scenarios = []func(w *processEnv, v view){
	func(*processEnv, view) {},
	func(w *processEnv, v view) { w.pay(v, "pm_card_visa") },
	func(w *processEnv, v view) { w.pay(v, "pm_card_visa_chargeDeclined") },
	func(w *processEnv, v view) { w.pay(v, "pm_card_visa_chargeDeclined"); w.pay(v, "pm_card_visa") },
	func(w *processEnv, v view) {
		for range 3 {
			w.pay(v, "pm_card_visa_chargeDeclinedInsufficientFunds")
		}
		w.pay(v, "pm_sepaDebit")
	},
	func(w *processEnv, v view) { w.pay(v, "pm_card_authenticationRequired") },
	func(w *processEnv, v view) {
		w.pay(v, "pm_card_authenticationRequired")
		w.noError(w.sim.Authenticate(v.PaymentIntent, true))
	},
	func(w *processEnv, v view) {
		w.pay(v, "pm_card_authenticationRequired")
		w.noError(w.sim.Authenticate(v.PaymentIntent, false))
		w.pay(v, "pm_card_visa")
	},
	func(w *processEnv, v view) { w.pay(v, "pm_sepaDebit"); w.noError(w.sim.Settle(v.PaymentIntent, true)) },
	func(w *processEnv, v view) { w.pay(v, "pm_sepaDebit"); w.noError(w.sim.Settle(v.PaymentIntent, false)) },
	func(w *processEnv, v view) {
		w.pay(v, "pm_sepaDebit")
		w.noError(w.sim.Settle(v.PaymentIntent, false))
		w.pay(v, "pm_card_visa")
	},
	func(w *processEnv, v view) {
		w.pay(v, "pm_card_visa_chargeDeclined")
		w.noError(w.sim.SetStatus(v.PaymentIntent, "canceled"))
	},
}

// noError fails the test if a call that the test needs has failed.
func (w *processEnv) noError(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Error(err)
	}
}

// TestWebhooksInAnyOrder delivers events of many payments several times, late and in random orders,
// signed with either secret, over 64 connections to three processes. At the end every process shows
// Stripe's state, and the stream has every transition exactly once.
func TestWebhooksInAnyOrder(t *testing.T) {
	payments := rounds.Of(12, 36, 96) // a multiple of the number of scenarios
	seed := randomSeed(t)
	w := newEnv(t, stripesim.Options{Seed: seed, Duplicate: 0.3, Reorder: 0.3, Settle: time.Hour})
	all := w.serve(3, nil)
	customer := w.customer()

	opened := make([]view, payments)
	stop := make(chan struct{})
	var repeating, work sync.WaitGroup
	for n := range connections {
		repeating.Go(func() { w.repeatDeliveries(all, rand.New(rand.NewPCG(seed, uint64(n))), stop) })
	}
	for i := range opened {
		work.Go(func() {
			opened[i] = w.createWithRetries(all[i%3], fmt.Sprintf("webhook-%d", i), customer)
			scenarios[i%len(scenarios)](w, opened[i])
		})
	}
	work.Wait()
	w.noError(w.sim.Drain(t.Context()))
	close(stop)
	repeating.Wait()

	redis := w.openRedis()
	wait.Until(t, "Stripe's state at every process", func() error {
		if err := w.queuedReads(redis); err != nil {
			return err
		}
		return w.compare(all, opened)
	})
	w.checkStream(redis, all[0], opened)
	t.Logf("Stripe delivered %d events", len(w.balancer.deliveries()))
}

// repeatDeliveries repeats random deliveries of Stripe until stop is closed, and once more after
// that, so that old events arrive last.
func (w *processEnv) repeatDeliveries(all []*process, random *rand.Rand, stop <-chan struct{}) {
	for last := false; !last; {
		select {
		case <-stop:
			last = true
		default:
		}
		deliveries := w.balancer.deliveries()
		for range 8 {
			if len(deliveries) == 0 {
				time.Sleep(time.Millisecond)
				break
			}
			body := deliveries[random.IntN(len(deliveries))]
			secret := []string{hookSecret, oldHookSecret}[random.IntN(2)]
			a, err := all[random.IntN(len(all))].deliver(body, secret)
			if err != nil || a.status != http.StatusOK {
				w.t.Errorf("a repeated delivery: got %d %s (%v), want 200", a.status, a.body, err)
				return
			}
		}
	}
}

// openRedis connects to the Redis of the environment.
func (w *processEnv) openRedis() *redis.Client {
	w.t.Helper()
	options, err := redis.ParseURL(w.redis.URL())
	if err != nil {
		w.t.Fatal(err)
	}
	client := redis.NewClient(options)
	w.t.Cleanup(func() { client.Close() })
	return client
}

// queuedReads returns an error if a payment is queued for a read at Stripe.
func (w *processEnv) queuedReads(client *redis.Client) error {
	w.t.Helper()
	var queued int64
	for _, key := range client.Keys(w.t.Context(), "kasse:{p*}:reads").Val() {
		queued += client.ZCard(w.t.Context(), key).Val()
	}
	if queued > 0 {
		return fmt.Errorf("%d payments are queued for a read", queued)
	}
	return nil
}

// compare returns an error unless every process shows each payment as Stripe has it.
func (w *processEnv) compare(all []*process, opened []view) error {
	made := w.intents()
	for _, v := range opened {
		truth := made[v.OrderID]
		if len(truth) != 1 || truth[0].ID != v.PaymentIntent {
			return fmt.Errorf("%s: Stripe has %+v, want only %s", v.OrderID, truth, v.PaymentIntent)
		}
		for _, p := range all {
			shown := p.must(http.StatusOK, readerKey, http.MethodGet, "/v1/payments/"+v.PaymentIntent, "").view(w.t)
			if want := truth[0].state(); shown.State != want || shown.AmountReceived != truth[0].AmountReceived {
				return fmt.Errorf(
					"%s (%s) shows %s with %d received, Stripe has %s with %d", v.OrderID, v.PaymentIntent,
					shown.State, shown.AmountReceived, want, truth[0].AmountReceived,
				)
			}
		}
	}
	return nil
}

// state returns the contract's state word for a PaymentIntent.
func (i intent) state() string {
	switch {
	case i.Status == "succeeded":
		return "paid"
	case i.Status == "requires_payment_method" && i.LastError != nil:
		return "failed"
	}
	return map[string]string{
		"requires_payment_method": "pending", "requires_action": "action_required", "processing": "processing",
		"requires_capture": "authorized", "canceled": "canceled",
	}[i.Status]
}

// transition is one entry of a history.
type transition struct {
	Version int64   `json:"version"`
	From    *string `json:"from"`
	To      string  `json:"to"`
	Cause   string  `json:"cause"`
}

// streamEntry is one entry of the stream.
type streamEntry struct {
	id, kind string
	data     view
}

// checkStream compares the stream with the histories: it contains every transition once and in
// order, except the creation.
func (w *processEnv) checkStream(client *redis.Client, p *process, opened []view) {
	w.t.Helper()
	stream := w.readStream(client)
	for _, v := range opened {
		var page struct{ History []transition }
		p.must(
			http.StatusOK, readerKey, http.MethodGet, "/v1/payments/"+v.PaymentIntent+"/history", "",
		).decode(w.t, &page)
		shown := p.must(http.StatusOK, readerKey, http.MethodGet, "/v1/payments/"+v.PaymentIntent, "").view(w.t)
		entries := stream[v.PaymentIntent]
		delete(stream, v.PaymentIntent)
		if difference := match(v.PaymentIntent, page.History, entries, shown); difference != "" {
			w.t.Errorf("%s: %s\nhistory %+v\nstream %+v", v.OrderID, difference, page.History, entries)
		}
	}
	if len(stream) > 0 {
		w.t.Errorf("the stream has events of payments that no create opened: %v", stream)
	}
}

// match returns how the history, the stream and the view of a payment contradict each other; "" if
// they do not.
func match(payment string, history []transition, stream []streamEntry, shown view) string {
	if len(history) == 0 || history[0].From != nil || history[0].To != "pending" {
		return "the history does not begin with the creation"
	}
	last := history[len(history)-1]
	// A change of payment_method_details or receipt_url increases the version without an event.
	history = slices.DeleteFunc(slices.Clone(history), func(t transition) bool {
		id := fmt.Sprintf("%s.%d", payment, t.Version)
		sameState := t.From != nil && *t.From == t.To
		return sameState && !slices.ContainsFunc(stream, func(e streamEntry) bool { return e.id == id })
	})
	if len(stream) != len(history)-1 {
		return "the stream does not contain every transition once"
	}
	paid := 0
	for i, entry := range history[1:] {
		before, event := history[i], stream[i]
		switch {
		case entry.From == nil || *entry.From != before.To:
			return "the history has a gap"
		case entry.Version <= before.Version:
			return "the version does not increase"
		case event.id != fmt.Sprintf("%s.%d", payment, entry.Version):
			return "the stream has another version than the history: " + event.id
		case event.data.Version != entry.Version || event.data.State != entry.To:
			return "an event's view does not match its transition: " + event.id
		case event.kind != "order."+entry.To && (*entry.From != entry.To || event.kind != "order.updated"):
			return fmt.Sprintf("event %s of the transition to %s has the type %s", event.id, entry.To, event.kind)
		}
		if event.kind == "order.paid" {
			paid++
		}
	}
	if last.To != shown.State || last.Version != shown.Version {
		return "the view does not match the last transition"
	}
	if (paid == 1) != shown.Fulfillable || paid > 1 {
		return fmt.Sprintf("the stream has order.paid %d times, and fulfillable is %t", paid, shown.Fulfillable)
	}
	return ""
}

// readStream returns all entries of the stream, by payment.
func (w *processEnv) readStream(client *redis.Client) map[string][]streamEntry {
	w.t.Helper()
	stream := map[string][]streamEntry{}
	for _, key := range client.Keys(w.t.Context(), "kasse:{p*}:events").Val() {
		for _, message := range client.XRange(w.t.Context(), key, "-", "+").Val() {
			entry := streamEntry{id: message.Values["id"].(string), kind: message.Values["type"].(string)}
			if err := json.Unmarshal([]byte(message.Values["data"].(string)), &entry.data); err != nil {
				w.t.Fatal(err)
			}
			payment, _, _ := strings.Cut(entry.id, ".")
			stream[payment] = append(stream[payment], entry)
		}
	}
	return stream
}
