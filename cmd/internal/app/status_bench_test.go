package app

import (
	"crypto/sha256"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"kasse/api"
	"kasse/service"
	"kasse/service/stripe/stripesim"
	"kasse/store"
	"kasse/store/storetest"
)

// discarded is an answer that nobody reads.
type discarded struct{ header http.Header }

func (d discarded) Header() http.Header       { return d.header }
func (discarded) Write(p []byte) (int, error) { return len(p), nil }
func (discarded) WriteHeader(int)             {}

// nowhere is a log that costs what a log costs.
type nowhere struct{}

func (nowhere) Write(p []byte) (int, error) { return len(p), nil }

// BenchmarkStatus is a status read by client secret through all of the stack but net/http's server, with limits, metrics
// and the log's line, on a real Redis, with each lever of go-redis. Its allocations are what to look at.
func BenchmarkStatus(b *testing.B) {
	for name, levers := range map[string]store.Levers{"plain": {}, "autopipeline": {AutoPipeline: true}, "cache": {ClientCache: true}} {
		b.Run(name, func(b *testing.B) { benchmarkStatus(b, levers) })
	}
}

func benchmarkStatus(b *testing.B, levers store.Levers) {
	b.Helper()
	sim := stripesim.New(stripesim.Options{Seed: 1})
	simulator := httptest.NewServer(sim)
	b.Cleanup(func() { simulator.Close(); sim.Close() })
	limit := api.Limit{Count: 1_000_000, Per: time.Second}
	a, err := New(Config{
		RedisURL: service.Secret(storetest.RedisServer(b)), RedisMode: "single", RedisPartitions: 4, PaymentRetention: time.Hour, EventRetention: time.Hour, RedisLevers: levers,
		StripeSecretKey: "sk_test_app", StripeAPIBase: simulator.URL, StripeTimeout: 10 * time.Second, StripeReadRPS: 5, ServiceName: "kasse", MaxFailedAttempts: 10,
		ServiceKeys: []api.Key{{Name: "test", Hash: sha256.Sum256([]byte(testKey)), Scopes: []service.Scope{service.ScopeRead, service.ScopeWrite}}},
		Limits:      api.Limits{Service: limit, Frontend: limit, Address: limit, Now: time.Now},
	}, slog.New(correlated{slog.NewJSONHandler(nowhere{}, nil)}))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = a.Close() })
	if err := a.mark(b.Context()); err != nil {
		b.Fatal(err)
	}
	create := httptest.NewRequestWithContext(b.Context(), http.MethodPost, "/v1/payments", strings.NewReader(`{"order_id":"a","amount":4200,"currency":"eur"}`))
	create.Header.Set("Authorization", "Bearer "+testKey)
	create.Header.Set("Content-Type", "application/json")
	answer := httptest.NewRecorder()
	a.public.ServeHTTP(answer, create)
	var opened struct {
		PaymentIntent string `json:"payment_intent"`
		ClientSecret  string `json:"client_secret"`
	}
	if err := json.Unmarshal(answer.Body.Bytes(), &opened); err != nil || answer.Code != http.StatusCreated {
		b.Fatal(answer.Code, answer.Body, err)
	}
	read := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/v1/payments/"+opened.PaymentIntent, nil)
	read.Header.Set("Authorization", "Bearer "+opened.ClientSecret)
	b.ReportAllocs()
	for b.Loop() {
		a.public.ServeHTTP(discarded{http.Header{}}, read)
	}
}
