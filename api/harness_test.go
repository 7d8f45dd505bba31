// Package api_test goes through the front door: a real server, on a real store in a redis-server, with the real
// gateway to the Stripe simulator behind it. Every request and every answer is checked against openapi.yaml.
package api_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"kasse/api"
	"kasse/api/parking"
	"kasse/service"
	"kasse/service/payment"
	"kasse/service/stripe"
	"kasse/service/stripe/stripesim"
	"kasse/store"
	"kasse/store/storetest"
)

// TestMain silences go-redis: some of these tests take Redis away from it.
func TestMain(m *testing.M) {
	store.LogTo(slog.New(slog.DiscardHandler))
	goleak.VerifyTestMain(m)
}

const (
	fullKey        = "ksk_test_full_full_full_full_full_full_full"
	rotatedKey     = "ksk_test_full_next_next_next_next_next_next" // of the same name
	shopKey        = "ksk_test_shop_shop_shop_shop_shop_shop_shop" // all but manage
	readKey        = "ksk_test_read_read_read_read_read_read_read"
	webhookSecret  = "whsec_test_kasse_kasse_kasse"
	publishableKey = "pk_test_kasse0api0test"
)

// world is one Kasse with everything around it.
type world struct {
	t        *testing.T
	redis    *miniredis.Miniredis // of a world whose Redis is to fail; nil on a real one
	url      string               // of its Redis
	store    *store.Store
	keys     redis.UniversalClient
	stripe   *stripesim.Server
	service  *service.Service
	api      *httptest.Server
	client   *http.Client
	logs     *lines
	now      time.Time // of the clock by which order tokens are verified and minted
	draining chan struct{}
	unparked bool // requests that wait keep their goroutines
}

// newWorld is a world on a real redis-server.
func newWorld(t *testing.T, change ...func(*service.Options)) *world {
	t.Helper()
	return (&world{t: t}).start(storetest.RedisServer(t), change...)
}

// newFailingWorld returns a world on a miniredis that can be made to fail.
func newFailingWorld(t *testing.T, change ...func(*service.Options)) *world {
	t.Helper()
	w := &world{t: t, redis: miniredis.RunT(t)}
	return w.start("redis://"+w.redis.Addr()+"/0", change...)
}

func (w *world) start(url string, change ...func(*service.Options)) *world {
	w.t.Helper()
	w.stripe, w.logs, w.draining = stripesim.New(stripesim.Options{Seed: 1}), &lines{}, make(chan struct{})
	w.t.Cleanup(w.stripe.Close)
	w.keys = w.connect(url)
	logger := slog.New(slog.NewJSONHandler(w.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	o := service.Options{
		Name: "kasse", PublishableKey: publishableKey, StripeTimeout: 2 * time.Second, StripeReads: 100,
		MaxFailures: 10, Retention: 720 * time.Hour, OrderIndex: true, Logger: logger,
	}
	for _, edit := range change {
		edit(&o)
	}
	w.url, w.store = url, w.newStore(url)
	svc := service.New(w.store, w.newGateway(), o)
	w.service = svc
	w.serve(w.options(logger))
	w.client = checkedClient(w.t)
	w.inBackground(svc.RunReadWorker)
	return w
}

// serve starts a server of the API, which parks requests that wait.
func (w *world) serve(o api.Options) {
	w.t.Helper()
	parker := parking.New(parking.Options{WriteTimeout: time.Minute, IdleTimeout: time.Minute})
	if !w.unparked {
		o.Parker = parker
	}
	w.api = httptest.NewUnstartedServer(api.New(w.service, o))
	listener, err := parker.Listen(w.api.Listener)
	if err != nil {
		w.t.Fatal(err)
	}
	w.api.Listener = listener
	w.api.Start()
	w.t.Cleanup(w.api.Close)
}

// parkedAndNot runs a test of waiting where requests that wait are parked, and where each keeps its goroutine.
func parkedAndNot(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	for _, way := range []struct {
		name     string
		unparked bool
	}{{"parked", false}, {"with a goroutine", true}} {
		t.Run(way.name, func(t *testing.T) {
			test(t, (&world{t: t, unparked: way.unparked}).start(storetest.RedisServer(t)))
		})
	}
}

// awaitHeld waits until so many requests are held.
func (w *world) awaitHeld(count int) {
	w.t.Helper()
	held := w.store.Waiters
	if !w.unparked && runtime.GOOS == "linux" {
		held = w.service.HeldStatuses
	}
	for deadline := time.Now().Add(10 * time.Second); held() < count; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatalf("%d of %d requests are held", held(), count)
		}
	}
}

// options are an API's without limits, without origins, and without proxies.
func (w *world) options(logger *slog.Logger) api.Options {
	return api.Options{
		Keys: []api.Key{
			newKey("full", fullKey, service.ScopeRead, service.ScopeWrite, service.ScopeEvents, service.ScopeManage),
			newKey("full", rotatedKey, service.ScopeRead, service.ScopeManage),
			newKey("shop", shopKey, service.ScopeRead, service.ScopeWrite, service.ScopeEvents),
			newKey("read", readKey, service.ScopeRead),
		},
		PublishableKey: publishableKey, Tokens: w.tokens(), Logger: logger, Draining: w.draining,
	}
}

func newKey(name, key string, scopes ...service.Scope) api.Key {
	return api.Key{Name: name, Hash: sha256.Sum256([]byte(key)), Scopes: scopes}
}

func (w *world) newGateway() *stripe.Gateway {
	server := httptest.NewServer(w.stripe)
	w.t.Cleanup(server.Close)
	transport := &http.Transport{}
	w.t.Cleanup(transport.CloseIdleConnections)
	return stripe.New(stripe.Options{
		SecretKey: "sk_test_kasse", WebhookSecrets: []payment.Secret{
			webhookSecret,
		}, BaseURL: server.URL, Service: "kasse",
		Timeout: 2 * time.Second, Now: time.Now, Transport: transport,
	})
}

// inBackground runs work until the test ends, and waits for it.
func (w *world) inBackground(work func(context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { work(ctx) })
	w.t.Cleanup(func() { cancel(); running.Wait() })
}

// checkedClient returns a client that watches over the contract.
func checkedClient(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: checkedBy(t, transport)}
}

// lines is a log that may be written and read at once.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// request is a request as a test writes it: "POST /v1/payments".
type request struct {
	line   string
	token  string // of the Authorization header; none where it is empty
	body   string
	header map[string]string
	bad    bool // the contract does not allow it
}

// reply is an answer that has been read.
type reply struct {
	status int
	header http.Header
	body   string
}

func (w *world) send(r request) reply {
	w.t.Helper()
	method, path, _ := strings.Cut(r.line, " ")
	ctx := w.t.Context()
	if r.bad {
		ctx = bad(ctx)
	}
	req, err := http.NewRequestWithContext(ctx, method, w.api.URL+path, strings.NewReader(r.body))
	if err != nil {
		w.t.Fatal(err)
	}
	if r.body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.token != "" {
		req.Header.Set("Authorization", "Bearer "+r.token)
	}
	for name, value := range r.header {
		req.Header.Set(name, value)
	}
	res, err := w.client.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return reply{res.StatusCode, res.Header, string(body)}
}

func unmarshal(text []byte, into any) error { return json.Unmarshal(text, into) }

// into decodes the body of an answer that has to have the status.
func (r reply) into(t *testing.T, status int, body any) {
	t.Helper()
	if r.status != status {
		t.Fatalf("status %d, want %d: %s", r.status, status, r.body)
	}
	if err := unmarshal([]byte(r.body), body); err != nil {
		t.Fatalf("%v in %s", err, r.body)
	}
}

// opened is the answer to a create.
type opened struct {
	PaymentIntent  string `json:"payment_intent"`
	State          string
	Attempt        int
	Amount         int64
	Version        int64
	ClientSecret   string `json:"client_secret"`
	PublishableKey string `json:"publishable_key"`
	Customer       *string
	Session        *struct {
		ClientSecret string `json:"client_secret"`
	} `json:"customer_session"`
}

func (w *world) create(order string) opened {
	w.t.Helper()
	var made opened
	w.send(request{
		line: "POST /v1/payments", token: fullKey,
		body: fmt.Sprintf(`{"order_id":%q,"amount":4999,"currency":"eur"}`, order),
	}).
		into(w.t, http.StatusCreated, &made)
	return made
}

// customer makes a customer at Stripe, as the shop did long ago.
func (w *world) customer() string {
	w.t.Helper()
	r := httptest.NewRequestWithContext(
		w.t.Context(), http.MethodPost, "/v1/customers", strings.NewReader("email=ada@example.org"),
	)
	r.Header.Set("Authorization", "Bearer sk_test_kasse")
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer := httptest.NewRecorder()
	w.stripe.ServeHTTP(answer, r)
	var made struct{ ID string }
	if err := unmarshal(answer.Body.Bytes(), &made); err != nil || made.ID == "" {
		w.t.Fatalf("customer: %v %s", err, answer.Body)
	}
	return made.ID
}

// signed is the header with which Stripe signs a body.
func signed(body string) map[string]string {
	return map[string]string{"Stripe-Signature": stripesim.Sign(webhookSecret, time.Now(), []byte(body))}
}

// deliverWebhooks lets the simulator post its events from now on.
func (w *world) deliverWebhooks() {
	w.stripe.AddWebhook(stripesim.Webhook{URL: w.api.URL + "/webhooks/stripe", Secret: webhookSecret})
}

// reach polls until the payment is in the state.
func (w *world) reach(id, state string) reply {
	w.t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		answer := w.send(request{line: "GET /v1/payments/" + id, token: fullKey})
		if strings.Contains(answer.body, `"state":"`+state+`"`) {
			return answer
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("not %s: %s", state, answer.body)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
