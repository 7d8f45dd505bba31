package api_test

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"kasse/api"
	"kasse/service"
	"kasse/service/stripe/stripesim"
	"kasse/store"
	"kasse/store/storetest"
)

// guarded is a production-like environment: two replicas with limits and listed origins, behind a proxy on
// loopback, on a real Redis. The clock of the in-process limits stands still. Redis's clock does not, so the
// limits are per hour.
type guarded struct {
	*apiEnv
	server   *storetest.Server
	keys     redis.UniversalClient
	replicas []*httptest.Server
	passed   atomic.Int64 // nanoseconds by the clock of the limits
}

// The limits of the tests, and who may call.
const (
	perKey, perOrder, perAddress = 7, 5, 3
	shopOrigin                   = "https://shop.example"
)

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

func newGuarded(t *testing.T) *guarded {
	t.Helper()
	w := &apiEnv{t: t, stripe: stripesim.New(stripesim.Options{Seed: 1}), logs: &lines{}, client: checkedClient(t)}
	t.Cleanup(w.stripe.Close)
	g := &guarded{apiEnv: w, server: storetest.NewServer(t)}
	var err error
	if g.keys, err = store.Connect("single", g.server.URL()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.keys.Close() })
	logger := slog.New(slog.NewJSONHandler(w.logs, nil))
	o := w.options(logger)
	for range 2 {
		s := w.newStore(g.server.URL())
		o.Limits = g.limits(patientQuotas{s})
		o.Origins = []string{shopOrigin, "http://localhost:5173", "capacitor://localhost"}
		o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8")}
		svc := service.New(s, w.newGateway(stripeTimeout), service.Options{
			Name: "kasse", PublishableKey: publishableKey, StripeTimeout: stripeTimeout, StripeReads: 100,
			MaxFailures: 10, Logger: logger,
		})
		replica := httptest.NewServer(api.New(svc, o))
		t.Cleanup(replica.Close)
		g.replicas = append(g.replicas, replica)
	}
	g.api = g.replicas[0]
	return g
}

// patientQuotas waits for Redis without a limit. A process that counts alone, because Redis is slow on a busy
// machine, would let more requests through.
type patientQuotas struct{ shared api.SharedQuotas }

// UseQuota counts without the caller's deadline.
func (p patientQuotas) UseQuota(
	ctx context.Context, name string, count int, per time.Duration,
) (left int, wait time.Duration, err error) {
	return p.shared.UseQuota(context.WithoutCancel(ctx), name, count, per)
}

func (g *guarded) limits(shared api.SharedQuotas) api.Limits {
	began := time.Now()
	return api.Limits{
		Service: api.Limit{Count: perKey, Per: time.Hour}, Frontend: api.Limit{Count: perOrder, Per: time.Hour},
		Address: api.Limit{Count: perAddress, Per: time.Hour}, Shared: shared,
		Now: func() time.Time { return began.Add(time.Duration(g.passed.Load())) },
	}
}

// written is all that Redis holds but the quotas.
func (g *guarded) written() map[string]string {
	all := storetest.DumpAll(g.t.Context(), g.keys)
	maps.DeleteFunc(all, func(key, _ string) bool {
		question := strings.HasSuffix(key, ":restore") || strings.HasSuffix(key, ":masked") // that there was one
		return question || strings.HasPrefix(key, "rate:")
	})
	return all
}

// requireHarmless fails the test if attack causes a request to Stripe or a write.
func (g *guarded) requireHarmless(attack func()) {
	g.t.Helper()
	before, calls := g.written(), len(g.stripe.Requests())
	attack()
	if after := g.written(); !maps.Equal(before, after) {
		g.t.Errorf("Redis was %v, is %v", before, after)
	}
	if got := g.stripe.Requests(); len(got) != calls {
		g.t.Errorf("Stripe was asked: %+v", got[calls:])
	}
}

// from is the proxy's header with the client's address.
func from(address string) map[string]string { return map[string]string{"X-Forwarded-For": address} }

// hasLimit checks the response headers of the limit that counted it.
func (g *guarded) hasLimit(answer reply, limit, policy string) {
	g.t.Helper()
	if got := answer.header.Get("RateLimit"); got != limit {
		g.t.Errorf("%d says RateLimit %s, want %s: %s", answer.status, got, limit, answer.body)
	}
	if got := answer.header.Get("RateLimit-Policy"); got != policy {
		g.t.Errorf("RateLimit-Policy is %s, want %s", got, policy)
	}
}

// isLimited checks the answer to one too many.
func (g *guarded) isLimited(answer reply, detail string) {
	g.t.Helper()
	var problem struct {
		Code, Detail string
		Retryable    bool
	}
	answer.into(g.t, http.StatusTooManyRequests, &problem)
	if problem.Code != "rate_limited" || problem.Detail != detail || !problem.Retryable {
		g.t.Errorf("the answer is %s, want %s", answer.body, detail)
	}
	if wait := answer.header.Get("Retry-After"); len(wait) != 3 && len(wait) != 4 {
		g.t.Errorf("Retry-After is %q, want some minutes", wait)
	}
}
