package main

import (
	"bytes"
	"context"
	"maps"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/redis/go-redis/v9"

	"kasse/test/internal/testenv"
)

// environment holds what one round runs: Redis, Stripe, several processes of Kasse, and a proxy on each link
// between them.
type environment struct {
	*testenv.Env
	tools     tools
	settings  map[string]string // Kasse's settings in this kind of round
	redisArgs []string
	redis     *redisServer
	replica   *redisServer // nil unless the kind of round has one
	replicas  int          // started so far
	cluster   *cluster     // nil unless the kind of round has one; then there is no redis
	oracle    *oracle
	notes     *bytes.Buffer // lines printed beside the result; for one goroutine

	front, toRedis, toStripe, toMaster *proxy // toMaster is the replica's link to the master

	refused atomic.Int64 // requests without a response or with a 5xx; they show that the fault had an effect

	mu     sync.Mutex
	events []string // bodies of the acknowledged events
	fleet  []*testenv.Kasse
}

// tools are the programs that are built before the first round.
type tools struct{ kasse, shim string }

// newEnvironment starts everything. If it returns an error, nothing is left running.
func newEnvironment(ctx context.Context, dir string, t tools, k kind, p plan) (*environment, error) {
	env := &environment{tools: t, settings: k.env, redisArgs: k.redis, oracle: newOracle(), notes: &bytes.Buffer{}}
	client := &http.Client{
		Transport: &http.Transport{MaxIdleConnsPerHost: 64, MaxConnsPerHost: 64}, Timeout: testenv.PostTimeout,
	}
	proxies := func(_ context.Context, e *testenv.Env) error { return env.openProxies(e, p.seed) }
	var err error
	env.Env, err = testenv.New(
		ctx, dir, testenv.WithClient(client), proxies,
		testenv.WithSender(p.seed, env.accepted, func(int, error) { env.refused.Add(1) }),
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

// openProxies opens a proxy on each link. The backend, the page and the webhook sender use front.
func (env *environment) openProxies(e *testenv.Env, seed uint64) (err error) {
	for i, proxy := range []**proxy{&env.front, &env.toRedis, &env.toStripe, &env.toMaster} {
		if *proxy, err = newProxy(seed + uint64(i)); err != nil {
			return err
		}
		e.OnClose((*proxy).close)
	}
	return nil
}

func (env *environment) open(ctx context.Context, k kind) error {
	env.Sender.URL = "http://" + env.front.address()
	env.toStripe.setTargets(env.Stripe.HTTP.Listener.Addr().String())
	if err := env.openRedis(ctx, k); err != nil {
		return err
	}
	for range max(k.servers, 1) {
		if err := env.launch(ctx); err != nil {
			return err
		}
	}
	return nil
}

// openRedis starts the Redis of the round.
func (env *environment) openRedis(ctx context.Context, k kind) (err error) {
	if k.cluster {
		if env.cluster, err = newCluster(ctx, env.Dir, k.shape); err == nil {
			env.OnClose(env.cluster.close)
		}
		return err
	}
	env.OnClose(env.closeRedis)
	env.redis, err = newRedis(ctx, filepath.Join(env.Dir, "redis"), k.shimFrom(env.tools), k.redis...)
	if err != nil {
		return err
	}
	env.toRedis.setTargets(env.redis.Address)
	if k.replica {
		return env.startReplica(ctx)
	}
	return nil
}

// closeRedis stops the current master and replica.
func (env *environment) closeRedis() {
	for _, server := range []*redisServer{env.redis, env.replica} {
		if server != nil {
			server.Close()
		}
	}
}

// serverSettings returns the settings of every process of Kasse in the round.
func (env *environment) serverSettings() map[string]string {
	changes := maps.Clone(env.settings)
	if changes == nil {
		changes = map[string]string{}
	}
	if changes["REDIS_URL"] = "redis://" + env.toRedis.address() + "/0"; env.cluster != nil {
		maps.Copy(changes, env.cluster.settings())
	}
	changes["STRIPE_API_BASE"] = "http://" + env.toStripe.address()
	return changes
}

// launch starts a server and adds it to the load balancing once it is ready.
func (env *environment) launch(ctx context.Context) error {
	k, err := env.StartKasse(ctx, env.tools.kasse, env.serverSettings())
	if err != nil {
		return err
	}
	env.mu.Lock()
	env.fleet = append(env.fleet, k)
	env.mu.Unlock()
	env.balance()
	return nil
}

// retire removes a server from the load balancing.
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

// balance points the front proxy at the servers of the fleet.
func (env *environment) balance() {
	env.mu.Lock()
	defer env.mu.Unlock()
	var targets []string
	for _, k := range env.fleet {
		targets = append(targets, k.Public)
	}
	env.front.setTargets(targets...)
}

// member picks a server of the fleet.
func (env *environment) member(pick uint64) *testenv.Kasse {
	env.mu.Lock()
	defer env.mu.Unlock()
	return env.fleet[pick%uint64(len(env.fleet))]
}

// restoreLinks ends every link fault.
func (env *environment) restoreLinks() {
	for _, p := range []*proxy{env.front, env.toRedis, env.toStripe, env.toMaster} {
		p.setFaults(linkFaults{})
	}
}

// faultLinks sets the same faults on all of Kasse's links.
func (env *environment) faultLinks(bad linkFaults) {
	for _, p := range []*proxy{env.front, env.toRedis, env.toStripe} {
		p.setFaults(bad)
	}
}

// accepted records an acknowledged webhook.
func (env *environment) accepted(body, outcome string) {
	env.oracle.recordEvent(body, outcome)
	env.mu.Lock()
	defer env.mu.Unlock()
	env.events = append(env.events, body)
}

// anyEvent picks an acknowledged event; empty if there is none.
func (env *environment) anyEvent(pick uint64) string {
	env.mu.Lock()
	defer env.mu.Unlock()
	if len(env.events) == 0 {
		return ""
	}
	return env.events[pick%uint64(len(env.events))]
}

// request sends a request with the backend's key.
func (env *environment) request(ctx context.Context, method, path, body string) (testenv.Answer, error) {
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

// readStored reads all data of Redis.
func (env *environment) readStored(ctx context.Context) (testenv.Stored, error) {
	if env.cluster == nil {
		return testenv.ReadStored(ctx, env.redis.Client)
	}
	resume, err := env.cluster.pauseStalls(ctx)
	defer resume()
	if err != nil {
		return testenv.Stored{}, err
	}
	masters, err := env.cluster.masters(ctx)
	if err != nil {
		return testenv.Stored{}, err
	}
	clients := []*redis.Client{}
	for _, node := range masters {
		clients = append(clients, node.Client)
	}
	return testenv.ReadStored(ctx, clients...)
}

// verify compares everything acknowledged so far with Redis.
func (env *environment) verify(ctx context.Context) error {
	then := env.oracle.snapshot()
	now, err := env.readStored(ctx)
	if err != nil {
		return err
	}
	chains, err := env.Stripe.Chains(ctx) // read last, so that they include everything that Redis may show
	if err != nil {
		return err
	}
	env.oracle.verify(then, now, chains)
	return nil
}
