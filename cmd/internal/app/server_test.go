package app

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"kasse/api"
	"kasse/service"
	"kasse/service/payment"
	"kasse/service/stripe/stripesim"
)

const testKey = "ksk_test_app_app_app_app_app_app_app_app_app"

// running is a program with its own Redis and Stripe.
type running struct {
	t             *testing.T
	redis         *miniredis.Miniredis
	stripe        *stripesim.Server
	public, admin string // addresses
}

// run serves until the test ends. change may modify the bounds before.
func run(t *testing.T, change func(*bounds)) *running {
	t.Helper()
	return runAs(t, func(*Config) {}, change)
}

// runAs is run with another configuration.
func runAs(t *testing.T, configure func(*Config), change func(*bounds)) *running {
	t.Helper()
	r := &running{t: t, redis: miniredis.RunT(t), stripe: stripesim.New(stripesim.Options{Seed: 1})}
	simulator := httptest.NewServer(r.stripe)
	t.Cleanup(func() { r.stripe.Close(); simulator.Close() })
	listening := make(chan struct{})
	c := Config{
		ListenAddr: "127.0.0.1:0", AdminAddr: "127.0.0.1:0", ShutdownTimeout: time.Second,
		RedisURL: payment.Secret("redis://" + r.redis.Addr()), RedisMode: "single", RedisPartitions: 1,
		StripeSecretKey: "sk_test_app", StripePublishableKey: "pk_test_app", StripeWebhookSecrets: []payment.Secret{
			"whsec_test_app_test_app",
		},
		StripeAPIBase: simulator.URL, StripeTimeout: time.Second, StripeReadRPS: 5, ServiceName: "kasse",
		MaxFailedAttempts: 10,
		ServiceKeys: []api.Key{{
			Name: "test", Hash: sha256.Sum256([]byte(testKey)),
			Scopes: []service.Scope{service.ScopeRead, service.ScopeWrite},
		}},
		PaymentRetention: time.Hour, EventRetention: time.Hour,
		Listening: func(public, admin string) { r.public, r.admin = public, admin; close(listening) },
	}
	configure(&c)
	a, err := New(c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(&a.bounds)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-ended, a.Close()); err != nil {
			t.Errorf("it ended with %v", err)
		}
	})
	<-listening
	r.awaitReady()
	return r
}

const patience = 30 * time.Second

func (r *running) awaitReady() {
	r.t.Helper()
	for deadline := time.Now().Add(patience); r.get(r.admin, "/readyz") != http.StatusOK; {
		if time.Now().After(deadline) {
			r.t.Fatal("it never became ready")
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (r *running) get(address, path string) int {
	r.t.Helper()
	request, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, "http://"+address+path, http.NoBody)
	if err != nil {
		r.t.Fatal(err)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	response, err := transport.RoundTrip(request)
	if err != nil {
		r.t.Fatal(err)
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body)
	return response.StatusCode
}

// stripeRequests returns the requests to Stripe, except that for the account, which a server sends at its start.
func (r *running) stripeRequests() []stripesim.Request {
	return slices.DeleteFunc(r.stripe.Requests(), func(q stripesim.Request) bool { return q.Path == "/v1/account" })
}

// awaitStart waits for what a server writes by itself at its start: the catch-up's cursor, and the beginning of the
// pass over the index.
func (r *running) awaitStart() {
	r.t.Helper()
	keys := []string{"kasse:{p0}:catchup", "kasse:{p0}:prune"}
	for deadline := time.Now().Add(patience); len(keys) > 0; {
		switch {
		case r.redis.Exists(keys[0]):
			keys = keys[1:]
		case time.Now().After(deadline):
			r.t.Fatalf("the server has not written %s", keys[0])
		default:
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// requireHarmless fails the test if attack causes a request to Stripe or a write.
func (r *running) requireHarmless(attack func()) {
	r.t.Helper()
	r.awaitStart()
	written := func() (kept []string) {
		for _, key := range r.redis.Keys() {
			if !strings.HasPrefix(key, "rate:") {
				kept = append(kept, key)
			}
		}
		return kept
	}
	before, calls := fmt.Sprint(written()), len(r.stripeRequests())
	attack()
	if after := fmt.Sprint(written()); after != before {
		r.t.Errorf("Redis had %s, has %s", before, after)
	}
	if got := r.stripeRequests(); len(got) != calls {
		r.t.Errorf("Stripe was asked: %+v", got[calls:])
	}
}

// wire is a raw connection.
type wire struct {
	net.Conn
	t      *testing.T
	reader *bufio.Reader
}

func (r *running) connect() net.Conn {
	r.t.Helper()
	conn, err := new(net.Dialer).DialContext(r.t.Context(), "tcp", r.public)
	if err != nil {
		r.t.Fatal(err)
	}
	return conn
}

func (r *running) dial() *wire {
	r.t.Helper()
	conn := r.connect()
	r.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	return &wire{conn, r.t, bufio.NewReader(conn)}
}

// send sends text. It ignores the error if the server has closed the connection.
func (w *wire) send(text string) error {
	_, err := io.WriteString(w, text)
	return err
}

// readResponse reads one response with its body.
func (w *wire) readResponse() (*http.Response, string) {
	w.t.Helper()
	response, err := http.ReadResponse(w.reader, nil)
	if err != nil {
		w.t.Fatalf("no answer: %v", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		w.t.Fatalf("half an answer: %v", err)
	}
	return response, string(body)
}

// readUntilClosed waits until the server has closed the connection, and returns the bytes before that.
func (w *wire) readUntilClosed() string {
	w.t.Helper()
	text, err := io.ReadAll(w.reader)
	var late net.Error
	if errors.As(err, &late) && late.Timeout() {
		w.t.Fatal("the connection stays open")
	}
	return string(text)
}

// scrape returns the metrics.
func (r *running) scrape() string {
	r.t.Helper()
	request, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, "http://"+r.admin+"/metrics", http.NoBody)
	if err != nil {
		r.t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		r.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		r.t.Fatal(response.Status, err)
	}
	return string(body)
}
