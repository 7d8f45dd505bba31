package service_test

import (
	"net/http"
	"net/url"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"kasse/service/payment"
	"kasse/service/stripe/stripesim"
	"kasse/store"
)

// truth is a payment's state at Stripe.
type truth struct {
	ID       payment.ID
	Status   payment.Status
	Amount   int64
	Customer payment.CustomerID
}

func (t truth) payable() bool {
	return t.Status == payment.RequiresPaymentMethod || t.Status == payment.RequiresConfirmation ||
		t.Status == payment.RequiresAction
}

// noRepeats turns off the SDK's retries, which take a second. The model retries instead.
type noRepeats struct{}

// RoundTrip makes the call.
func (noRepeats) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := http.DefaultTransport.RoundTrip(r)
	if err == nil {
		response.Header.Set("Stripe-Should-Retry", "false")
	}
	return response, err
}

// frozenEnv is a serviceEnv whose clocks move only with pass.
type frozenEnv struct {
	*serviceEnv
	millis    atomic.Int64 // the time; the simulator's goroutines read it
	seen      int          // how many of Stripe's events newEvents has returned
	customers []payment.CustomerID
}

func newFrozenEnv(t *testing.T) *frozenEnv {
	t.Helper()
	w := &frozenEnv{}
	w.millis.Store(noon.UnixMilli())
	w.serviceEnv = newServiceEnvOf(t, stripesim.Options{Seed: 1, Settle: 10_000 * time.Hour, Now: w.now})
	w.transport, w.clock = noRepeats{}, w.now
	return w
}

func (w *frozenEnv) now() time.Time { return time.UnixMilli(w.millis.Load()) }

var noon = time.Date(2024, 6, 20, 12, 0, 0, 0, time.UTC)

// begin removes all state, and starts again at noon.
func (w *frozenEnv) begin() {
	w.t.Helper()
	w.sim.Reset()
	w.redis.FlushAll()
	w.millis.Store(noon.UnixMilli())
	w.seen = 0
	w.pass(0)
	if err := w.store.Mark(w.t.Context(), store.Identity{Service: "kasse"}); err != nil {
		w.t.Fatal(err)
	}
	w.customers = []payment.CustomerID{"", w.customer(), w.customer()}
}

// pass moves all clocks.
func (w *frozenEnv) pass(d time.Duration) {
	w.millis.Add(d.Milliseconds())
	w.redis.SetTime(w.now())
	w.sim.Advance(0)
}

// newEvents returns Stripe's events since the last call.
func (w *frozenEnv) newEvents() [][]byte {
	all := w.events()
	fresh := all[w.seen:]
	w.seen = len(all)
	return fresh
}

// truths returns the payments at Stripe, oldest first.
func (w *frozenEnv) truths() []truth {
	w.t.Helper()
	var all []truth
	for _, intent := range slices.Backward(w.list("/v1/payment_intents?limit=100")) {
		text := func(name string) string { value, _ := intent[name].(string); return value }
		amount, _ := intent["amount"].(float64)
		all = append(all, truth{
			payment.ID(text("id")), payment.Status(text("status")), int64(amount),
			payment.CustomerID(text("customer")),
		})
	}
	return all
}

// customerDoes performs an action with a payment at Stripe, which may refuse it.
func (w *frozenEnv) customerDoes(id payment.ID, what string) {
	path := "/v1/payment_intents/" + string(id)
	switch what {
	case "agrees", "fails to agree":
		_ = w.sim.Authenticate(string(id), what == "agrees")
	case "bank pays", "bank refuses":
		_ = w.sim.Settle(string(id), what == "bank pays")
	case "Stripe cancels":
		w.ask(http.MethodPost, path+"/cancel", url.Values{})
	default:
		w.ask(
			http.MethodPost, path+"/confirm",
			url.Values{"payment_method": {what}, "return_url": {"https://shop.example/"}},
		)
	}
}
