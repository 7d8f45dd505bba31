package app_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"kasse/cmd/internal/app"
	"kasse/service/stripe/stripesim"
	"kasse/store/storetest"
)

const (
	hookSecret = "whsec_bench_bench_bench_bench"
	floodKey   = "ksk_bench_flood_flood_flood_flood_flood_flood"
	politeKey  = "ksk_bench_polite_polite_polite_polite_polite"
)

// BenchmarkFloodOnOneKey measures requests of one service key while another key sends ten times its limit,
// over HTTP on a real Redis. Both use an open loop. It reports the first key's 99th percentile without and
// with the flood.
func BenchmarkFloodOnOneKey(b *testing.B) {
	url := kasse(b, storetest.RedisServer(b), "100/s")
	for b.Loop() {
		calm := measureKey(b, url, nil)
		flooded := measureKey(b, url, func(ctx context.Context) {
			openLoop(ctx, 1000, func() { ask(url, floodKey) })
		})
		b.ReportMetric(float64(calm.Microseconds()), "calm-p99-µs")
		b.ReportMetric(float64(flooded.Microseconds()), "flooded-p99-µs")
		b.ReportMetric(float64(flooded)/float64(calm), "ratio")
	}
}

// kasse starts the server on a Redis with a limit per service key, and returns its base URL once it is ready.
func kasse(b *testing.B, redis, limit string) string {
	b.Helper()
	sim := stripesim.New(stripesim.Options{Seed: 1})
	stripe := httptest.NewServer(sim)
	b.Cleanup(func() { stripe.Close(); sim.Close() })
	for name, value := range map[string]string{
		"LISTEN_ADDR": "127.0.0.1:0", "ADMIN_ADDR": "127.0.0.1:0", "DRAIN_DELAY": "0s", "REDIS_URL": redis,
		"STRIPE_API_BASE": stripe.URL, "STRIPE_SECRET_KEY": "sk_test_bench", "STRIPE_PUBLISHABLE_KEY": "pk_test_bench",
		"STRIPE_WEBHOOK_SECRETS": hookSecret, "RATE_LIMIT_SERVICE": limit, "RATE_LIMIT_FRONTEND": "off",
		"RATE_LIMIT_FRONTEND_STRIPE": "off", "RATE_LIMIT_ADDRESS": "off",
		"SERVICE_KEYS": app.KeyEntry("flood", floodKey, "read+write") + "," + app.KeyEntry(
			"polite", politeKey, "read+write",
		),
	} {
		b.Setenv(name, value)
	}
	config, err := app.LoadConfig()
	if err != nil {
		b.Fatal(err)
	}
	started, probes := make(chan string, 1), make(chan string, 1)
	config.Listening = func(public, admin string) { started <- "http://" + public; probes <- "http://" + admin }
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- app.Run(ctx, config, slog.New(slog.DiscardHandler)) }()
	b.Cleanup(func() { cancel(); <-ended })
	ready := <-probes + "/readyz"
	for {
		response, err := client.Get(ready)
		if err != nil {
			b.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode == http.StatusOK {
			return <-started
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// measureKey sends fifty requests a second for three seconds while beside runs, and returns the 99th percentile.
func measureKey(b *testing.B, url string, beside func(context.Context)) time.Duration {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), 3*time.Second)
	defer cancel()
	var all sync.WaitGroup
	if beside != nil {
		all.Go(func() { beside(ctx) })
	}
	var mu sync.Mutex
	var took []time.Duration
	openLoop(ctx, 50, func() {
		began := time.Now()
		if status := ask(url, politeKey); status == http.StatusTooManyRequests {
			b.Error("the polite one was refused")
		}
		mu.Lock()
		defer mu.Unlock()
		took = append(took, time.Since(began))
	})
	all.Wait()
	slices.Sort(took)
	return took[len(took)*99/100]
}

// openLoop starts the given number of calls per second, independently of the earlier ones, and waits for all.
func openLoop(ctx context.Context, perSecond int, call func()) {
	tick := time.NewTicker(time.Second / time.Duration(perSecond))
	defer tick.Stop()
	var running sync.WaitGroup
	defer running.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			running.Go(call)
		}
	}
}

var client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}}

// ask sends a create that is limited before its other checks, and returns the status.
func ask(url, key string) int {
	request, err := http.NewRequest(http.MethodPost, url+"/v1/payments", strings.NewReader("{"))
	if err != nil {
		return 0
	}
	request.Header.Set("Authorization", "Bearer "+key)
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return 0
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body)
	return response.StatusCode
}
