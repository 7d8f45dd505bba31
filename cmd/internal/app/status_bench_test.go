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
	"kasse/store/storetest"
)

// discarded is an answer that nobody reads.
type discarded struct{ header http.Header }

func (d discarded) Header() http.Header       { return d.header }
func (discarded) Write(p []byte) (int, error) { return len(p), nil }
func (discarded) WriteHeader(int)             {}

// BenchmarkStatus is a status read through all of the stack but net/http's server, with metrics and the log's line, on a
// real Redis. Its allocations are what to look at.
func BenchmarkStatus(b *testing.B) {
	sim := stripesim.New(stripesim.Options{Seed: 1})
	simulator := httptest.NewServer(sim)
	b.Cleanup(func() { simulator.Close(); sim.Close() })
	a, err := New(Config{
		RedisURL: service.Secret(storetest.RedisServer(b)), RedisMode: "single", RedisPartitions: 4, PaymentRetention: time.Hour, EventRetention: time.Hour,
		StripeSecretKey: "sk_test_app", StripeAPIBase: simulator.URL, StripeTimeout: 10 * time.Second, StripeReadRPS: 5, ServiceName: "kasse", MaxFailedAttempts: 10,
		ServiceKeys: []api.Key{{Name: "test", Hash: sha256.Sum256([]byte(testKey)), Scopes: []service.Scope{service.ScopeRead, service.ScopeWrite}}},
	}, slog.New(slog.DiscardHandler))
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
	}
	if err := json.Unmarshal(answer.Body.Bytes(), &opened); err != nil || answer.Code != http.StatusCreated {
		b.Fatal(answer.Code, answer.Body, err)
	}
	read := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/v1/payments/"+opened.PaymentIntent, nil)
	read.Header.Set("Authorization", "Bearer "+testKey)
	b.ReportAllocs()
	for b.Loop() {
		a.public.ServeHTTP(discarded{http.Header{}}, read)
	}
}
