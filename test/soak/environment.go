package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	"kasse/test/internal/testenv"
)

// environment is Kasse with its load.
type environment struct {
	*testenv.Env
	campaign
	kasse      *testenv.Kasse
	receiver   *receiver
	endpoint   *httptest.Server // the receiver's server
	scraper    *http.Client
	customer   string // the shop's customer at Stripe
	feedReader *follower
	stats      stats

	mu       sync.Mutex
	payments map[string]string   // payment id by order id
	done     []testenv.OrderPlan // orders whose steps are all done
	entries  int                 // transitions in the stored records; negative until they have been counted
}

// pool makes Kasse fill its connection pools at the start, so that each additional connection is a leak.
const pool = "?pool_size=20&min_idle_conns=20"

// answerWithin is the client's timeout. Long polls last 25 s at most.
const answerWithin = time.Minute

// newEnvironment starts everything. If it returns an error, nothing is left running.
func newEnvironment(ctx context.Context, dir, program string, c campaign) (*environment, error) {
	env := &environment{
		campaign: c, payments: map[string]string{}, entries: -1,
		feedReader: &follower{seen: map[string]bool{}},
		scraper:    &http.Client{Transport: &http.Transport{}, Timeout: answerWithin},
		receiver: &receiver{
			dice: rand.New(rand.NewPCG(c.seed, 1)), refused: map[string]bool{}, accepted: map[string]bool{},
		},
	}
	var err error
	env.Env, err = testenv.New(
		ctx, dir,
		testenv.WithClient(&http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}, Timeout: answerWithin}),
		testenv.WithSender(c.seed, env.webhookAccepted, env.webhookRefused), testenv.WithRedis(),
	)
	if err != nil {
		return nil, err
	}
	env.OnClose(env.scraper.CloseIdleConnections)
	if err := env.open(ctx, program); err != nil {
		env.Close()
		return nil, err
	}
	return env, nil
}

// open creates the shop's customer and starts Kasse.
func (env *environment) open(ctx context.Context, program string) (err error) {
	env.endpoint = env.Serve(env.receiver)
	if env.customer, err = env.Stripe.Customer(ctx); err != nil {
		return err
	}
	if env.kasse, err = env.StartKasse(ctx, program, env.settings()); err != nil {
		return err
	}
	env.Sender.URL = "http://" + env.kasse.Public
	return nil
}

// settings enables every rate limit, far above the load, so that Kasse counts callers without refusing them.
func (env *environment) settings() map[string]string {
	secret := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("s", 32)))
	return map[string]string{
		"REDIS_URL":       "redis://" + env.Redis.Address + "/0" + pool,
		"EVENT_ENDPOINTS": env.endpoint.URL + "=whsec_" + secret, "EVENT_ALLOW_PRIVATE": "true",
		"ORDER_TOKEN_SECRETS": "soak:" + secret,
		"RATE_LIMIT_SERVICE":  "100000/s", "RATE_LIMIT_FRONTEND": "1000/s", "RATE_LIMIT_FRONTEND_STRIPE": "off",
		"RATE_LIMIT_ADDRESS": "1000/s", "TRUSTED_PROXIES": "127.0.0.1/32",
	}
}

// webhookRefused records a webhook that Kasse did not accept.
func (env *environment) webhookRefused(status int, err error) {
	env.stats.record("a webhook", status, err, env.Context().Err() != nil)
	if err == nil && status < 500 {
		env.stats.addProblem("a webhook was answered with %d", status)
	}
}

// webhookAccepted records a webhook that Kasse acknowledged. Kasse ignores a refund or dispute if its payment
// has no record yet.
func (env *environment) webhookAccepted(body, outcome string) {
	env.stats.record("a webhook", http.StatusOK, nil, false)
	var e testenv.Event
	err := json.Unmarshal([]byte(body), &e)
	switch {
	case outcome == "applied" || outcome == "unchanged":
	case err == nil && outcome == "ignored" && !strings.HasPrefix(e.Type, "payment_intent."):
	default:
		env.stats.addProblem("%s %s of an own payment was %s", e.Type, e.ID, outcome)
	}
}

// request sends a request to Kasse and records the result.
func (env *environment) request(
	ctx context.Context, method, path, credential, body string, headers ...string,
) (testenv.Answer, error) {
	header := map[string]string{"Authorization": "Bearer " + credential}
	if body != "" {
		header["Content-Type"] = "application/json"
	}
	for i := 0; i+1 < len(headers); i += 2 {
		header[headers[i]] = headers[i+1]
	}
	a, err := testenv.Call(ctx, env.Client, method, "http://"+env.kasse.Public+path, header, body)
	pattern, _, _ := strings.Cut(path, "?")
	env.stats.record(method+" "+pattern, a.Status, err, ctx.Err() != nil)
	if err == nil && a.Status >= 500 {
		err = fmt.Errorf("%s %s was answered with %d", method, pattern, a.Status)
	}
	return a, err
}

// expected returns the counts that Redis must have now.
func (env *environment) expected() expected {
	env.mu.Lock()
	defer env.mu.Unlock()
	t := expected{orders: len(env.done), entries: env.entries}
	for _, h := range env.done {
		switch h.State {
		case "pending", "failed", "action_required", "processing", "authorized":
			t.running++
		}
	}
	return t
}
