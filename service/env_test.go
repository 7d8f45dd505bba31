package service_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"kasse/service"
	"kasse/service/payment"
	"kasse/service/stripe"
	"kasse/service/stripe/stripesim"
	"kasse/store"
)

const (
	stripeKey     = "sk_test_service"
	webhookSecret = "whsec_service_service_service"
)

// serviceEnv is the service with a miniredis and a Stripe simulator without faults. Several services may
// share it, as replicas do.
type serviceEnv struct {
	t     *testing.T
	redis *miniredis.Miniredis
	sim   *stripesim.Server
	api   string // the simulator's base URL
	store *store.Store

	transport http.RoundTripper // transport to Stripe; nil: the gateway's default
	clock     func() time.Time
}

func newServiceEnv(t *testing.T) *serviceEnv {
	t.Helper()
	return newServiceEnvOf(t, stripesim.Options{Seed: 1})
}

func newServiceEnvOf(t *testing.T, o stripesim.Options) *serviceEnv {
	t.Helper()
	w := &serviceEnv{t: t, redis: miniredis.RunT(t), sim: stripesim.New(o), clock: time.Now}
	t.Cleanup(w.sim.Close)
	server := httptest.NewServer(w.sim)
	t.Cleanup(server.Close)
	w.api = server.URL
	client, err := store.Connect("single", "redis://"+w.redis.Addr()+"/0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	w.store = store.New(
		client, store.Options{Partitions: 4, Retention: 720 * time.Hour, EventRetention: 720 * time.Hour},
	)
	w.marks()
	return w
}

// marks initializes an empty Redis.
func (w *serviceEnv) marks() {
	w.t.Helper()
	if err := w.store.Mark(w.t.Context(), store.Identity{Service: "kasse"}); err != nil {
		w.t.Fatal(err)
	}
}

// stripeTimeout is that of production. Leases end by virtual time, and a call to the simulator is shorter even on a
// busy machine.
const stripeTimeout = 20 * time.Second

// gateway returns the gateway of one replica.
func (w *serviceEnv) gateway() *stripe.Gateway {
	return stripe.New(stripe.Options{
		SecretKey: stripeKey, WebhookSecrets: []payment.Secret{webhookSecret}, BaseURL: w.api, Service: "kasse",
		Timeout: stripeTimeout, Now: w.clock, Transport: w.transport,
	})
}

// replica returns the service of one process.
func (w *serviceEnv) replica(s service.Store, g service.Stripe) *service.Service {
	return service.New(s, g, service.Options{
		Name: "kasse", StripeTimeout: stripeTimeout, StripeReads: 100, MaxFailures: 10, OrderIndex: true,
		Logger: slog.New(slog.DiscardHandler),
	})
}

// deliverTo sends the simulator's webhooks to a service.
func (w *serviceEnv) deliverTo(svc *service.Service) {
	w.t.Helper()
	endpoint := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if _, err := svc.Webhook(r.Context(), body, r.Header.Get("Stripe-Signature")); err != nil {
			rw.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	w.t.Cleanup(endpoint.Close)
	w.sim.AddWebhook(stripesim.Webhook{URL: endpoint.URL, Secret: webhookSecret})
}

// drained waits until every event has been delivered.
func (w *serviceEnv) drained() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 10*time.Second)
	defer cancel()
	if err := w.sim.Drain(ctx); err != nil {
		w.t.Fatal(err)
	}
}

// later moves Redis's clock, which ends leases.
func (w *serviceEnv) later(d time.Duration) { w.redis.SetTime(time.Now().Add(d)) }

// ask sends a form to the simulator and returns the response.
func (w *serviceEnv) ask(method, path string, form url.Values) map[string]any {
	w.t.Helper()
	request, err := http.NewRequestWithContext(w.t.Context(), method, w.api+path, strings.NewReader(form.Encode()))
	if err != nil {
		w.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+stripeKey)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		w.t.Fatal(err)
	}
	defer response.Body.Close()
	var answer map[string]any
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		w.t.Fatal(err)
	}
	return answer
}

// customer creates a customer at Stripe.
func (w *serviceEnv) customer() payment.CustomerID {
	w.t.Helper()
	id, _ := w.ask(http.MethodPost, "/v1/customers", url.Values{"email": {"ada@example.com"}})["id"].(string)
	return payment.CustomerID(id)
}

// confirm pays, as the customer's page does.
func (w *serviceEnv) confirm(id payment.ID, method string) {
	w.t.Helper()
	w.ask(
		http.MethodPost, "/v1/payment_intents/"+string(id)+"/confirm",
		url.Values{"payment_method": {method}, "return_url": {"https://shop.example/"}},
	)
}

// payable returns the PaymentIntents at Stripe that a customer could pay.
func (w *serviceEnv) payable() []payment.ID {
	w.t.Helper()
	var ids []payment.ID
	for _, intent := range w.list("/v1/payment_intents?limit=100") {
		if status := intent["status"]; status != "canceled" && status != "succeeded" {
			id, _ := intent["id"].(string)
			ids = append(ids, payment.ID(id))
		}
	}
	return ids
}

// list reads a whole list, newest first.
func (w *serviceEnv) list(path string) (rows []map[string]any) {
	w.t.Helper()
	for after := ""; ; {
		page := w.ask(http.MethodGet, path+after, nil)
		data, _ := page["data"].([]any)
		for _, item := range data {
			row, _ := item.(map[string]any)
			rows = append(rows, row)
		}
		if more, _ := page["has_more"].(bool); !more {
			return rows
		}
		after = fmt.Sprintf("&starting_after=%s", rows[len(rows)-1]["id"])
	}
}

// events returns Stripe's events of payments, oldest first, in the form of deliveries.
func (w *serviceEnv) events() [][]byte {
	w.t.Helper()
	list := w.list("/v1/events?limit=100&type=payment_intent.*")
	bodies := make([][]byte, 0, len(list))
	for _, event := range slices.Backward(list) {
		body, err := json.Marshal(event)
		if err != nil {
			w.t.Fatal(err)
		}
		bodies = append(bodies, body)
	}
	return bodies
}

// signed signs an event as Stripe does.
func signed(body []byte, at time.Time) string { return stripesim.Sign(webhookSecret, at, body) }

// view decodes a rendered view.
func view(t *testing.T, text []byte) payment.View {
	t.Helper()
	var v payment.View
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}

// order returns a create with this amount, in cents.
func order(id string, customer payment.CustomerID, amount int64) payment.CreateRequest {
	return payment.CreateRequest{
		Order: payment.OrderID(id),
		Terms: payment.Terms{
			Amount: amount, Currency: "eur", Customer: customer, CaptureMethod: payment.CaptureAutomaticAsync,
		},
	}
}
