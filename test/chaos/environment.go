package main

import (
	"context"
	"maps"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"

	"kasse/test/internal/testenv"
)

// environment is what one round runs in: Redis, Stripe, some processes of Kasse, and a proxy on each link between them.
type environment struct {
	*testenv.Env
	tools     tools
	settings  map[string]string // of this kind of round
	redisArgs []string
	redis     *redisServer
	replica   *redisServer // of a round that has one
	replicas  int          // so far
	oracle    *oracle

	front, toRedis, toStripe, toMaster *proxy // toMaster is the replica's way

	refused atomic.Int64 // requests that had no answer, or a 5xx: that a fault was felt

	mu     sync.Mutex
	events []string // bodies of those that were taken
	fleet  []*testenv.Kasse
}

// tools are what this program builds before it begins.
type tools struct{ kasse, shim string }

// newEnvironment starts everything. On an error nothing is left running.
func newEnvironment(ctx context.Context, dir string, t tools, k kind, p plan) (*environment, error) {
	env := &environment{tools: t, settings: k.env, redisArgs: k.redis, oracle: newOracle()}
	client := &http.Client{
		Transport: &http.Transport{MaxIdleConnsPerHost: 64, MaxConnsPerHost: 64}, Timeout: testenv.PostTimeout,
	}
	proxies := func(_ context.Context, e *testenv.Env) error { return env.openProxies(e, p.seed) }
	var err error
	env.Env, err = testenv.New(
		ctx, dir, testenv.WithClient(client), proxies,
		testenv.WithSender(p.seed, env.taken, func(int, error) { env.refused.Add(1) }),
	)
	if err != nil {
		return nil, err
	}
	if err := env.open(ctx, k); err != nil {
		env.Close()
		return nil, err
	}
	return env, nil
}

// openProxies opens a proxy on each link. The backend, a page and the sender of webhooks go through front.
func (env *environment) openProxies(e *testenv.Env, seed uint64) (err error) {
	for i, proxy := range []**proxy{&env.front, &env.toRedis, &env.toStripe, &env.toMaster} {
		if *proxy, err = newProxy(seed + uint64(i)); err != nil {
			return err
		}
		e.OnClose((*proxy).close)
	}
	return nil
}

// open starts Redis and the servers.
func (env *environment) open(ctx context.Context, k kind) (err error) {
	env.Sender.URL = "http://" + env.front.address()
	env.toStripe.lead(env.Stripe.HTTP.Listener.Addr().String())
	env.OnClose(env.closeRedis)
	if env.redis, err = newRedis(
		ctx, filepath.Join(env.Dir, "redis"), k.shimFrom(env.tools), k.redis...,
	); err != nil {
		return err
	}
	env.toRedis.lead(env.redis.Address)
	if k.replica {
		if err := env.startReplica(ctx); err != nil {
			return err
		}
	}
	for range max(k.servers, 1) {
		if err := env.launch(ctx); err != nil {
			return err
		}
	}
	return nil
}

// closeRedis ends the servers that are the master and the replica by now.
func (env *environment) closeRedis() {
	for _, server := range []*redisServer{env.redis, env.replica} {
		if server != nil {
			server.Close()
		}
	}
}

// launch starts a server, and lets it have a share of the work once it is ready.
func (env *environment) launch(ctx context.Context) error {
	changes := maps.Clone(env.settings)
	if changes == nil {
		changes = map[string]string{}
	}
	changes["REDIS_URL"] = "redis://" + env.toRedis.address() + "/0"
	changes["STRIPE_API_BASE"] = "http://" + env.toStripe.address()
	k, err := env.StartKasse(ctx, env.tools.kasse, changes)
	if err != nil {
		return err
	}
	env.mu.Lock()
	env.fleet = append(env.fleet, k)
	env.mu.Unlock()
	env.balance()
	return nil
}

// retire takes a server out of the balance.
func (env *environment) retire(k *testenv.Kasse) {
	env.mu.Lock()
	rest := []*testenv.Kasse{}
	for _, other := range env.fleet {
		if other != k {
			rest = append(rest, other)
		}
	}
	env.fleet = rest
	env.mu.Unlock()
	env.balance()
}

// balance leads the front to the servers that are in the fleet.
func (env *environment) balance() {
	env.mu.Lock()
	defer env.mu.Unlock()
	var targets []string
	for _, k := range env.fleet {
		targets = append(targets, k.Public)
	}
	env.front.lead(targets...)
}

// member picks a server of the fleet.
func (env *environment) member(pick uint64) *testenv.Kasse {
	env.mu.Lock()
	defer env.mu.Unlock()
	return env.fleet[pick%uint64(len(env.fleet))]
}

// calm ends all bad weather.
func (env *environment) calm() {
	for _, p := range []*proxy{env.front, env.toRedis, env.toStripe, env.toMaster} {
		p.change(weather{})
	}
}

// storm is the same weather on every link of Kasse's.
func (env *environment) storm(bad weather) {
	for _, p := range []*proxy{env.front, env.toRedis, env.toStripe} {
		p.change(bad)
	}
}

// taken notes a delivery that was acknowledged.
func (env *environment) taken(body, outcome string) {
	env.oracle.delivered(body, outcome)
	env.mu.Lock()
	defer env.mu.Unlock()
	env.events = append(env.events, body)
}

// anyEvent picks an event that was taken before; empty where there is none.
func (env *environment) anyEvent(pick uint64) string {
	env.mu.Lock()
	defer env.mu.Unlock()
	if len(env.events) == 0 {
		return ""
	}
	return env.events[pick%uint64(len(env.events))]
}

// ask is a question of the backend's.
func (env *environment) ask(ctx context.Context, method, path, body string) (testenv.Answer, error) {
	header := map[string]string{"Authorization": "Bearer " + testenv.BackendKey}
	if body != "" {
		header["Content-Type"] = "application/json"
	}
	a, err := testenv.Call(ctx, env.Client, method, "http://"+env.front.address()+path, header, body)
	if err != nil || a.Status/100 == 5 {
		env.refused.Add(1)
	}
	return a, err
}

// reckon holds what was acknowledged so far against what Redis has now.
func (env *environment) reckon(ctx context.Context) error {
	then := env.oracle.memory()
	now, err := testenv.Look(ctx, env.redis.Client)
	if err != nil {
		return err
	}
	chains, err := env.Stripe.Chains(ctx) // the last, so that they know all that Redis may show
	if err != nil {
		return err
	}
	env.oracle.reckon(then, now, chains)
	return nil
}
