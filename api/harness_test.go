// Package api_test sends HTTP requests to a real server, with a real store in a redis-server and the real gateway to
// the Stripe simulator. Every request and every answer is checked against openapi.yaml.
package api_test

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
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
	"kasse/test/wait"
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

// stripeTimeout limits a call to the simulator. No call takes that long on any machine; tests of timeouts set
// a shorter one.
const stripeTimeout = wait.Patience

// apiEnv is one Kasse with everything around it.
type apiEnv struct {
	t        *testing.T
	redis    *miniredis.Miniredis // of an environment whose Redis is to fail; nil on a real one
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

// newEnv is an environment on a real redis-server.
func newEnv(t *testing.T, change ...func(*service.Options)) *apiEnv {
	t.Helper()
	return (&apiEnv{t: t}).start(storetest.RedisServer(t), change...)
}

// newFailingEnv returns an environment on a miniredis that can be made to fail.
func newFailingEnv(t *testing.T, change ...func(*service.Options)) *apiEnv {
	t.Helper()
	w := &apiEnv{t: t, redis: miniredis.RunT(t)}
	return w.start("redis://"+w.redis.Addr()+"/0", change...)
}

func (w *apiEnv) start(url string, change ...func(*service.Options)) *apiEnv {
	w.t.Helper()
	w.stripe, w.logs, w.draining = stripesim.New(stripesim.Options{Seed: 1}), &lines{}, make(chan struct{})
	w.t.Cleanup(w.stripe.Close)
	w.keys = w.connect(url)
	logger := slog.New(slog.NewJSONHandler(w.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	o := service.Options{
		Name: "kasse", PublishableKey: publishableKey, StripeTimeout: stripeTimeout, StripeReads: 100,
		MaxFailures: 10, Retention: 720 * time.Hour, OrderIndex: true, Logger: logger,
	}
	for _, edit := range change {
		edit(&o)
	}
	w.url, w.store = url, w.newStore(url)
	svc := service.New(w.store, w.newGateway(o.StripeTimeout), o)
	w.service = svc
	w.serve(w.options(logger))
	w.client = checkedClient(w.t)
	w.inBackground(svc.RunReadWorker)
	return w
}

// serve starts a server of the API, which parks requests that wait, and reads status requests without http.Server.
func (w *apiEnv) serve(o api.Options) {
	w.t.Helper()
	parker := parking.New(parking.Options{WriteTimeout: time.Minute, IdleTimeout: time.Minute})
	if !w.unparked {
		o.Parker = parker
	}
	w.api = httptest.NewUnstartedServer(api.New(w.service, o))
	if !w.unparked {
		parker.Handler, parker.Reads = w.api.Config.Handler, api.IsStatusPath
	}
	listener, err := parker.Listen(w.api.Listener)
	if err != nil {
		w.t.Fatal(err)
	}
	w.api.Listener = listener
	w.api.Start()
	w.t.Cleanup(w.api.Close)
}

// parkedAndNot runs a test of waiting requests twice: with parking, and with a goroutine for each.
func parkedAndNot(t *testing.T, test func(t *testing.T, w *apiEnv)) {
	t.Helper()
	for _, way := range []struct {
		name     string
		unparked bool
	}{{"parked", false}, {"with a goroutine", true}} {
		t.Run(way.name, func(t *testing.T) {
			test(t, (&apiEnv{t: t, unparked: way.unparked}).start(storetest.RedisServer(t)))
		})
	}
}

// awaitHeld waits until so many requests are held.
func (w *apiEnv) awaitHeld(count int) {
	w.t.Helper()
	held := w.store.Waiters
	if !w.unparked && runtime.GOOS == "linux" {
		held = w.service.HeldStatuses
	}
	for deadline := time.Now().Add(wait.Patience); held() < count; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatalf("%d of %d requests are held", held(), count)
		}
	}
}

// options are an API's without limits, without origins, and without proxies.
func (w *apiEnv) options(logger *slog.Logger) api.Options {
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

func (w *apiEnv) newGateway(timeout time.Duration) *stripe.Gateway {
	server := httptest.NewServer(w.stripe)
	w.t.Cleanup(server.Close)
	transport := &http.Transport{}
	w.t.Cleanup(transport.CloseIdleConnections)
	return stripe.New(stripe.Options{
		SecretKey: "sk_test_kasse", WebhookSecrets: []payment.Secret{
			webhookSecret,
		}, BaseURL: server.URL, Service: "kasse",
		Timeout: timeout, Now: time.Now, Transport: transport,
	})
}

// inBackground runs work until the test ends, and waits for it.
func (w *apiEnv) inBackground(work func(context.Context)) {
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
