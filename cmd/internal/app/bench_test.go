package app

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v79/webhook"

	"kasse/api"
	"kasse/service"
	"kasse/service/payment"
	"kasse/service/stripe/stripesim"
	"kasse/store/storetest"
)

// discarded is a response writer that drops everything.
type discarded struct{ header http.Header }

func (d discarded) Header() http.Header       { return d.header }
func (discarded) Write(p []byte) (int, error) { return len(p), nil }
func (discarded) WriteHeader(int)             {}

// nowhere is a log output that drops every line, so that only the logging itself is measured.
type nowhere struct{}

func (nowhere) Write(p []byte) (int, error) { return len(p), nil }

// opened holds the members of a create's response.
type opened struct {
	PaymentIntent string `json:"payment_intent"`
	ClientSecret  string `json:"client_secret"`
}

// benched is a whole server but for its listeners, on a real Redis and a simulated Stripe, with a payment.
func benched(b *testing.B, pipelined, cached bool) (*App, opened) {
	b.Helper()
	sim := stripesim.New(stripesim.Options{Seed: 1})
	simulator := httptest.NewServer(sim)
	b.Cleanup(func() { simulator.Close(); sim.Close() })
	a := benchedAt(b, simulator.URL, pipelined, cached)
	create := httptest.NewRequestWithContext(
		b.Context(), http.MethodPost, "/v1/payments",
		strings.NewReader(`{"order_id":"a","amount":4200,"currency":"eur"}`),
	)
	create.Header.Set("Authorization", "Bearer "+testKey)
	create.Header.Set("Content-Type", "application/json")
	answer := httptest.NewRecorder()
	a.public.ServeHTTP(answer, create)
	var made opened
	if err := json.Unmarshal(answer.Body.Bytes(), &made); err != nil || answer.Code != http.StatusCreated {
		b.Fatal(answer.Code, answer.Body, err)
	}
	return a, made
}

// benchedAt is such a server, without a payment, with its Stripe at that address.
func benchedAt(b *testing.B, stripeURL string, pipelined, cached bool) *App {
	b.Helper()
	limit := api.Limit{Count: 1_000_000, Per: time.Second}
	a, err := New(Config{
		RedisURL: payment.Secret(
			storetest.RedisServer(b),
		), RedisMode: "single", RedisPartitions: 4, PaymentRetention: time.Hour, EventRetention: time.Hour,
		RedisAutoPipeline: pipelined, RedisClientCache: cached,
		StripeSecretKey: "sk_test_app", StripeAPIBase: stripeURL, StripeTimeout: 10 * time.Second, StripeReadRPS: 5,
		ServiceName: "kasse", MaxFailedAttempts: 10,
		StripeWebhookSecrets: []payment.Secret{benchSecret},
		ServiceKeys: []api.Key{{
			Name: "test", Hash: sha256.Sum256([]byte(testKey)),
			Scopes: []service.Scope{service.ScopeRead, service.ScopeWrite},
		}},
		Limits: api.Limits{Service: limit, Frontend: limit, Address: limit, Now: time.Now},
	}, slog.New(correlated{slog.NewJSONHandler(nowhere{}, nil), &outage{}, nil, nil}))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = a.Close() })
	if err := a.mark(b.Context()); err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); a.store.Listen(ctx) }() // the cache works only while Redis reports changes
	b.Cleanup(func() { cancel(); <-ended })
	return a
}

const benchSecret = "whsec_bench_1234567890"

// BenchmarkStatus measures a status read by client secret through the whole stack except net/http's server,
// with limits, metrics and the access log, on a real Redis, with each optimization of go-redis. Compare its
// allocations.
func BenchmarkStatus(b *testing.B) {
	for name, levers := range map[string][2]bool{"plain": {}, "autopipeline": {true, false}, "cache": {false, true}} {
		b.Run(name, func(b *testing.B) {
			a, made := benched(b, levers[0], levers[1])
			read := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/v1/payments/"+made.PaymentIntent, nil)
			read.Header.Set("Authorization", "Bearer "+made.ClientSecret)
			b.ReportAllocs()
			for b.Loop() {
				a.public.ServeHTTP(discarded{http.Header{}}, read)
			}
		})
	}
}

// BenchmarkWebhook measures an event that changes a payment, with the same stack. The events are about 1,000
// payments in turn, since a history grows.
func BenchmarkWebhook(b *testing.B) {
	const payments = 1000
	a, _ := benched(b, false, false)
	deliver := func(n int, kind, status string) {
		body := fmt.Appendf(nil, `{"id":"evt_%[1]d%[3]s","object":"event","api_version":"2024-06-20",`+
			`"created":%[2]d,"livemode":false,"type":"payment_intent.%[3]s","data":{"object":{"id":"pi_%[5]d",`+
			`"object":"payment_intent",`+
			`"amount":4200,"amount_details":{"tip":{}},"automatic_payment_methods":{"enabled":true},`+
			`"capture_method":"automatic_async","client_secret":"pi_%[5]d_secret_1","created":%[6]d,`+
			`"currency":"eur",`+
			`"metadata":{"kasse_service":"kasse","kasse_order_id":"%[5]d","kasse_attempt":"1"},`+
			`"payment_method_types":["card","link"],"status":"%[4]s"}}}`,
			n, 1_790_000_000+int64(n/payments), kind, status, n%payments, 1_790_000_000)
		signed := webhook.GenerateTestSignedPayload(&webhook.UnsignedPayload{Payload: body, Secret: benchSecret})
		request := httptest.NewRequestWithContext(
			b.Context(), http.MethodPost, "/webhooks/stripe", bytes.NewReader(body),
		)
		request.Header.Set("Stripe-Signature", signed.Header)
		a.public.ServeHTTP(discarded{http.Header{}}, request)
	}
	for n := range payments {
		deliver(n, "created", "requires_payment_method")
	}
	b.ReportAllocs()
	for n := payments; b.Loop(); n++ {
		status := []string{"requires_action", "processing"}[n/payments%2]
		deliver(n, status, status)
	}
}
