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

// deliver posts an event to a process, as Stripe does.
func (p *process) deliver(body, secret string) (answer, error) {
	header := map[string]string{
		"Stripe-Signature": stripesim.Sign(secret, time.Now(), []byte(body)), "Content-Type": "application/json; charset=utf-8",
	}
	return call(p.t.Context(), p.client, http.MethodPost, p.public+"/webhooks/stripe", header, body)
}

// lives are what may happen to a payment; each leaves it in another state, or comes there by another way.
var lives = []func(w *processEnv, v view){
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
		w.no(w.sim.Authenticate(v.PaymentIntent, true))
	},
	func(w *processEnv, v view) {
		w.pay(v, "pm_card_authenticationRequired")
		w.no(w.sim.Authenticate(v.PaymentIntent, false))
		w.pay(v, "pm_card_visa")
	},
	func(w *processEnv, v view) { w.pay(v, "pm_sepaDebit"); w.no(w.sim.Settle(v.PaymentIntent, true)) },
	func(w *processEnv, v view) { w.pay(v, "pm_sepaDebit"); w.no(w.sim.Settle(v.PaymentIntent, false)) },
	func(w *processEnv, v view) {
		w.pay(v, "pm_sepaDebit")
		w.no(w.sim.Settle(v.PaymentIntent, false))
		w.pay(v, "pm_card_visa")
	},
	func(w *processEnv, v view) {
		w.pay(v, "pm_card_visa_chargeDeclined")
		w.no(w.sim.SetStatus(v.PaymentIntent, "canceled"))
	},
}

// no takes the error of a lever that the test needs.
func (w *processEnv) no(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Error(err)
	}
}

// Events of many payments come twice, late, in any order, signed anew with either secret, to three processes over 64
// connections. In the end every process shows what Stripe has, and every transition was announced exactly once.
func TestWebhooksInAnyOrder(t *testing.T) {
	payments := rounds.Of(12, 36, 96) // each of the lives, several times
	seed := seeded(t)
	w := newEnv(t, stripesim.Options{Seed: seed, Duplicate: 0.3, Reorder: 0.3, Settle: time.Hour})
	all := w.serve(3, nil)
	customer := w.customer()

	opened := make([]view, payments)
	stop := make(chan struct{})
	var storm, work sync.WaitGroup
	for n := range connections {
		storm.Go(func() { w.repeatDeliveries(all, rand.New(rand.NewPCG(seed, uint64(n))), stop) })
	}
	for i := range opened {
		work.Go(func() {
			opened[i] = w.createPatiently(all[i%3], fmt.Sprintf("storm-%d", i), customer)
			lives[i%len(lives)](w, opened[i])
		})
	}
	work.Wait()
	w.no(w.sim.Drain(t.Context()))
	close(stop)
	storm.Wait()

	redis := w.openRedis()
	wait.Until(t, "Stripe's truth everywhere", func() error {
		if waiting := w.waitingReads(redis); waiting > 0 {
			return fmt.Errorf("%d payments wait to be read", waiting)
		}
		return w.compare(all, opened)
	})
	w.checkStream(redis, all[0], opened)
	t.Logf("%d deliveries of Stripe's", len(w.balancer.deliveries()))
}

// repeatDeliveries posts what Stripe has delivered so far again, at random, until it is stopped, and once more
// after that, so that old events come last.
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
				w.t.Errorf("a delivery was answered %d %s (%v)", a.status, a.body, err)
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

// waitingReads is how many payments Stripe has still to be asked about.
func (w *processEnv) waitingReads(client *redis.Client) int64 {
	w.t.Helper()
	var waiting int64
	for _, key := range client.Keys(w.t.Context(), "kasse:{p*}:reads").Val() {
		waiting += client.ZCard(w.t.Context(), key).Val()
	}
	return waiting
}

// compare compares every process's view with Stripe.
func (w *processEnv) compare(all []*process, opened []view) error {
	made := w.intents()
	for _, v := range opened {
		truth := made[v.OrderID]
		if len(truth) != 1 || truth[0].ID != v.PaymentIntent {
			return fmt.Errorf("%s: Stripe has %+v", v.OrderID, truth)
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

// state is the contract's word for what Stripe has.
func (i intent) state() string {
	switch {
	case i.Status == "succeeded":
		return "paid"
	case i.Status == "requires_payment_method" && i.LastError != nil:
		return "failed"
	}
	return map[string]string{
		"requires_payment_method": "pending", "requires_action": "action_required", "processing": "processing",
		"requires_capture": "authorized",
		"canceled":         "canceled",
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

// checkStream holds the stream against the histories: every transition but the opening stands in it once, in order.
func (w *processEnv) checkStream(client *redis.Client, p *process, opened []view) {
	w.t.Helper()
	stream := w.readStream(client)
	for _, v := range opened {
		var answer struct{ History []transition }
		p.must(
			http.StatusOK, readerKey, http.MethodGet, "/v1/payments/"+v.PaymentIntent+"/history", "",
		).decode(w.t, &answer)
		shown := p.must(http.StatusOK, readerKey, http.MethodGet, "/v1/payments/"+v.PaymentIntent, "").view(w.t)
		entries := stream[v.PaymentIntent]
		delete(stream, v.PaymentIntent)
		if complaint := match(v.PaymentIntent, answer.History, entries, shown); complaint != "" {
			w.t.Errorf("%s: %s\nhistory %+v\nstream %+v", v.OrderID, complaint, answer.History, entries)
		}
	}
	if len(stream) > 0 {
		w.t.Errorf("the stream has payments that no create opened: %v", stream)
	}
}

// match gives a reason why a history, the stream and the view do not belong together.
func match(payment string, history []transition, stream []streamEntry, shown view) string {
	if len(history) == 0 || history[0].From != nil || history[0].To != "pending" {
		return "the history does not begin with the opening"
	}
	last := history[len(history)-1]
	// A change of payment method details or receipt raises the version without an event.
	history = slices.DeleteFunc(slices.Clone(history), func(t transition) bool {
		id := fmt.Sprintf("%s.%d", payment, t.Version)
		within := t.From != nil && *t.From == t.To
		return within && !slices.ContainsFunc(stream, func(e streamEntry) bool { return e.id == id })
	})
	if len(stream) != len(history)-1 {
		return "the stream does not hold every transition once"
	}
	paid := 0
	for i, entry := range history[1:] {
		before, event := history[i], stream[i]
		switch {
		case entry.From == nil || *entry.From != before.To:
			return "the history has a gap"
		case entry.Version <= before.Version:
			return "the version does not grow"
		case event.id != fmt.Sprintf("%s.%d", payment, entry.Version):
			return "the stream has another version than the history: " + event.id
		case event.data.Version != entry.Version || event.data.State != entry.To:
			return "an event's view is not that of its transition: " + event.id
		case event.kind != "order."+entry.To && (*entry.From != entry.To || event.kind != "order.updated"):
			return "an event is called " + event.kind
		}
		if event.kind == "order.paid" {
			paid++
		}
	}
	if last.To != shown.State || last.Version != shown.Version {
		return "the view is not that of the last transition"
	}
	if (paid == 1) != shown.Fulfillable || paid > 1 {
		return fmt.Sprintf("order.paid was announced %d times", paid)
	}
	return ""
}

// readStream reads all of the stream, by payment.
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
