package api_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"kasse/api"
	"kasse/service"
)

const retrieveRoute = "GET /v1/payment_intents/{intent}"

// TestUnknownPaymentIsAskedForOnce: an id that Stripe does not know is read once a minute, over all routes
// and replicas.
func TestUnknownPaymentIsAskedForOnce(t *testing.T) {
	w := newEnv(t)
	second := service.New(w.newStore(w.url), w.newGateway(stripeTimeout), service.Options{
		Name: "kasse", StripeTimeout: stripeTimeout, StripeReads: 100, MaxFailures: 10, Retention: 720 * time.Hour,
		Logger: slog.New(slog.DiscardHandler),
	})
	one, other := w.api, httptest.NewServer(api.New(second, w.options(slog.New(slog.DiscardHandler))))
	t.Cleanup(other.Close)
	ask := func(id string) {
		t.Helper()
		for _, replica := range []*httptest.Server{one, other} {
			w.api = replica
			for range 3 {
				w.send(request{line: "GET /v1/payments/" + id, token: readKey}).says(t, 404, "not_found")
			}
			w.send(request{line: "GET /v1/payments/" + id + "/refunds", token: readKey}).says(t, 404, "not_found")
			w.send(request{line: "GET /v1/payments/" + id + "/history", token: readKey}).says(t, 404, "not_found")
			w.send(request{line: "POST /v1/payments/" + id + "/capture", token: fullKey}).says(t, 404, "not_found")
		}
	}
	ask("pi_unknown1")
	expectCalls(t, w, 1)
	ask("pi_unknown2")
	expectCalls(t, w, 2)
	w.api = one
	if kept := w.create("shop-1"); w.send(
		request{line: "GET /v1/payments/" + kept.PaymentIntent, token: readKey},
	).status != http.StatusOK {
		t.Error("a payment that is known is not shown")
	}
}

func expectCalls(t *testing.T, w *apiEnv, want int) {
	t.Helper()
	if got := w.stripe.Count(retrieveRoute); got != want {
		t.Errorf("Stripe was asked %d times, want %d", got, want)
	}
}

// TestUnknownPaymentsHaveABudget: over STRIPE_READ_RPS the answer is 503, and the background is left its share.
func TestUnknownPaymentsHaveABudget(t *testing.T) {
	const perSecond = 2 // of which one is the background's
	w := newEnv(t, func(o *service.Options) { o.StripeReads = perSecond })
	const asked = 40
	answers := make(chan reply, asked) // of requests at the same time, since one comes back every half second
	var all sync.WaitGroup
	for i := range asked {
		all.Go(func() {
			answers <- w.send(request{line: fmt.Sprintf("GET /v1/payments/pi_guess%d", i), token: readKey})
		})
	}
	all.Wait()
	close(answers)
	refused := 0
	for answer := range answers {
		if answer.status == http.StatusNotFound {
			continue
		}
		refused++
		answer.says(t, 503, "stripe_rate_limited")
		if seconds, err := strconv.Atoi(answer.header.Get("Retry-After")); err != nil || seconds < 1 ||
			!strings.Contains(answer.body, `"retryable":true`) {
			t.Errorf("Retry-After is %q: %s", answer.header.Get("Retry-After"), answer.body)
		}
	}
	if calls := w.stripe.Count(retrieveRoute); refused == 0 || calls != asked-refused {
		t.Errorf("Stripe was asked %d times for %d payments, %d of them refused", calls, asked, refused)
	}
	if wait, err := w.store.AllowRead(t.Context(), perSecond); wait > 0 || err != nil {
		t.Errorf("the background waits %s, %v", wait, err)
	}
}

// TestKeyWaitsForALostPayment: a service key's question about a payment that Redis has lost waits for one read at
// Stripe, on every route of a payment.
func TestKeyWaitsForALostPayment(t *testing.T) {
	w := newEnv(t)
	for i, test := range []struct {
		line, body string
		header     map[string]string
		status     int
	}{
		{line: "GET PAYMENT", status: http.StatusOK},
		{line: "HEAD PAYMENT", status: http.StatusOK},
		{line: "GET PAYMENT/history", status: http.StatusOK},
		{line: "GET PAYMENT/refunds", status: http.StatusOK},
		{line: "POST PAYMENT/cancel", status: http.StatusOK},
		{
			line: "PATCH PAYMENT", body: `{"amount":100}`, header: map[string]string{"If-Match": "*"},
			status: http.StatusOK,
		},
		{line: "POST PAYMENT/capture", status: http.StatusConflict},
		{
			line: "POST PAYMENT/refunds", header: map[string]string{"Idempotency-Key": "1"},
			status: http.StatusConflict,
		},
		{line: "POST PAYMENT/customer-session", status: http.StatusConflict},
	} {
		made := w.create(fmt.Sprintf("shop-%d", i))
		w.loseOrders()
		line := strings.Replace(test.line, "PAYMENT", "/v1/payments/"+made.PaymentIntent, 1)
		answer := w.send(request{line: line, token: fullKey, body: test.body, header: test.header})
		if answer.status != test.status {
			t.Errorf("%s: %d %s", line, answer.status, answer.body)
		}
		if strings.HasSuffix(line, "/history") && !strings.Contains(answer.body, `"cause":"read"`) {
			t.Errorf("the history is %s", answer.body)
		}
	}
}

// loseOrders removes all orders from Redis, with the pointers to them.
func (w *apiEnv) loseOrders() {
	w.t.Helper()
	for _, pattern := range []string{"kasse:{p*}:order:*", "kasse:{p*}:pi:*"} {
		for _, key := range w.keys.Keys(w.t.Context(), pattern).Val() {
			w.keys.Del(w.t.Context(), key)
		}
	}
}
