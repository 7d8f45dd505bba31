package stripesim_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v79"
	"github.com/stripe/stripe-go/v79/client"
	"github.com/stripe/stripe-go/v79/webhook"
	"go.uber.org/goleak"

	"kasse/service/stripe/stripesim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	secretKey      = "sk_test_1234567890"
	publishableKey = "pk_test_1234567890"
	hookSecret     = "whsec_test"
)

// bench is a simulator, with Stripe's SDK as its client, and with a shop's webhook endpoint.
type bench struct {
	*stripesim.Server
	t        *testing.T
	url      string
	api      *client.API
	receiver *receiver
}

// start starts a bench. Every response to the SDK is checked against Stripe's schema.
func start(t *testing.T, opts stripesim.Options) *bench {
	t.Helper()
	in := &receiver{t: t}
	shop := httptest.NewServer(in)
	opts.Webhooks = append(opts.Webhooks, stripesim.Webhook{URL: shop.URL, Secret: hookSecret})
	sim := stripesim.New(opts)
	server := httptest.NewServer(sim)
	transport := &http.Transport{}
	t.Cleanup(func() {
		sim.Close()
		transport.CloseIdleConnections()
		server.Close()
		shop.Close()
	})
	return &bench{
		Server: sim, t: t, url: server.URL, receiver: in,
		api: sdk(server.URL, secretKey, schemaCheck{t, transport}),
	}
}

// sdk returns stripe-go without its own retries, so that a test gets every response.
func sdk(url, key string, transport http.RoundTripper) *client.API {
	backend := stripe.GetBackendWithConfig(stripe.APIBackend, &stripe.BackendConfig{
		URL: new(url), HTTPClient: &http.Client{Transport: transport, Timeout: 10 * time.Second},
		MaxNetworkRetries: stripe.Int64(0),
		EnableTelemetry:   new(false), LeveledLogger: &stripe.LeveledLogger{Level: stripe.LevelNull},
	})
	return client.New(key, &stripe.Backends{API: backend})
}

// arrived waits until every event is delivered, and returns their types in the order of creation.
func (b *bench) arrived() []string {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 10*time.Second)
	defer cancel()
	if err := b.Drain(ctx); err != nil {
		b.t.Fatal(err)
	}
	got := map[string]int{}
	for _, e := range b.receiver.events() {
		got[e.ID]++
	}
	var types []string
	all := b.api.Events.List(&stripe.EventListParams{})
	for all.Next() {
		if e := all.Event(); got[e.ID] > 0 {
			types = append([]string{string(e.Type)}, types...)
		}
	}
	return types
}

// receiver is the shop's webhook endpoint. It verifies events as the SDK does, and stores them.
type receiver struct {
	t        *testing.T
	mu       sync.Mutex
	accepted []stripe.Event
	refuse   int // how many of the next deliveries get the response 500
}

func (in *receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		in.t.Error(err)
	}
	event, err := webhook.ConstructEventWithOptions(body, r.Header.Get("Stripe-Signature"), hookSecret,
		webhook.ConstructEventOptions{Tolerance: 100 * 24 * time.Hour, IgnoreAPIVersionMismatch: true})
	if err != nil {
		in.t.Errorf("delivery: %v", err)
	}
	for _, problem := range schemaErrors(event.Data.Object) {
		in.t.Errorf("%s: %s", event.Type, problem)
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.refuse > 0 {
		in.refuse--
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	in.accepted = append(in.accepted, event)
}

func (in *receiver) events() []stripe.Event {
	in.mu.Lock()
	defer in.mu.Unlock()
	return append([]stripe.Event{}, in.accepted...)
}

// open creates a PaymentIntent over 20.00 euro with automatic payment methods. All kinds of methods support the euro.
func (b *bench) open(change ...func(*stripe.PaymentIntentParams)) *stripe.PaymentIntent {
	b.t.Helper()
	p := &stripe.PaymentIntentParams{Amount: stripe.Int64(2000), Currency: new("eur")}
	for _, apply := range change {
		apply(p)
	}
	return must(b.api.PaymentIntents.New(p))(b.t)
}

func confirmWith(method string) *stripe.PaymentIntentConfirmParams {
	return &stripe.PaymentIntentConfirmParams{
		PaymentMethod: new(method),
		ReturnURL:     new("https://shop.example/done?order=7"),
	}
}

func (b *bench) get(id string) *stripe.PaymentIntent {
	b.t.Helper()
	p := &stripe.PaymentIntentParams{}
	p.AddExpand("latest_charge.refunds")
	return must(b.api.PaymentIntents.Get(id, p))(b.t)
}

// must returns a result of the SDK, and fails the test after an error.
func must[T any](value T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// refusal returns err as Stripe's error, and fails the test otherwise.
func refusal(t *testing.T, err error) *stripe.Error {
	t.Helper()
	var out *stripe.Error
	if !errors.As(err, &out) {
		t.Fatalf("not refused by Stripe: %v", err)
	}
	return out
}

func expect[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}
