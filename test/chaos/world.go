package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"kasse/test/internal/town"
)

// world is what one round runs in: Redis, Stripe, some processes of Kasse, and a proxy on each link between them.
type world struct {
	dir     string
	tools   tools
	env     map[string]string // settings of this kind of round
	redis   *redisServer
	replica *redisServer // of a round that has one
	bank    *town.Bank
	oracle  *oracle
	courier *town.Courier
	mailbox *httptest.Server
	client  *http.Client // what a backend, a page and the courier use; goes through front

	redisArgs []string

	front, toRedis, toBank, toMaster *proxy // toMaster is the replica's way

	refused atomic.Int64 // requests that had no answer, or a 5xx: that a fault was felt

	replicas int // of Redis, so far

	mu        sync.Mutex
	events    []string // bodies of those that were taken
	fleet     []*town.Kasse
	processes []*town.Process // also those that have ended
}

// tools are what this program builds before it begins.
type tools struct{ kasse, shim string }

// newWorld starts everything. On an error nothing is left running.
func newWorld(ctx context.Context, dir string, t tools, k kind, p plan) (*world, error) {
	w := &world{dir: dir, tools: t, env: k.env, redisArgs: k.redis, oracle: newOracle()}
	if err := w.open(ctx, k, p); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

func (w *world) open(ctx context.Context, k kind, p plan) error {
	if err := os.Mkdir(w.dir, 0o700); err != nil {
		return err
	}
	proxies := []**proxy{&w.front, &w.toRedis, &w.toBank, &w.toMaster}
	for i, proxy := range proxies {
		var err error
		if *proxy, err = newProxy(p.seed + uint64(i)); err != nil {
			return err
		}
	}
	w.client = &http.Client{
		Transport: &http.Transport{MaxIdleConnsPerHost: 64, MaxConnsPerHost: 64}, Timeout: town.PostTimeout,
	}
	w.courier = (&town.Courier{
		URL: "http://" + w.front.address(), Client: w.client, Stop: ctx, Taken: w.taken, Refused: func(int, error) {
			w.refused.Add(1)
		},
	}).Roll(p.seed)
	w.mailbox = httptest.NewServer(w.courier)
	w.bank = town.NewBank(p.seed, w.mailbox.URL)
	w.toBank.lead(w.bank.HTTP.Listener.Addr().String())
	var err error
	if w.redis, err = newRedis(ctx, filepath.Join(w.dir, "redis"), k.shimFrom(w.tools), k.redis...); err != nil {
		return err
	}
	w.toRedis.lead(w.redis.Address)
	if k.replica {
		if err := w.startReplica(ctx); err != nil {
			return err
		}
	}
	for range max(k.servers, 1) {
		if err := w.launch(ctx); err != nil {
			return err
		}
	}
	return nil
}

// close ends every process, and what is ours.
func (w *world) close() {
	w.mu.Lock()
	all := w.processes
	w.mu.Unlock()
	for _, p := range all {
		p.Kill()
	}
	for _, server := range []*redisServer{w.redis, w.replica} {
		if server != nil {
			server.Close()
		}
	}
	if w.bank != nil {
		w.bank.Close()
	}
	if w.mailbox != nil {
		w.mailbox.Close()
	}
	if w.courier != nil {
		w.courier.Wait()
	}
	for _, p := range []*proxy{w.front, w.toRedis, w.toBank, w.toMaster} {
		if p != nil {
			p.close()
		}
	}
	if w.client != nil {
		w.client.CloseIdleConnections()
	}
}

// launch starts a server, and lets it have a share of the work once it is ready.
func (w *world) launch(ctx context.Context) error {
	settings := town.Settings("redis://"+w.toRedis.address()+"/0", "http://"+w.toBank.address(), w.env)
	p, err := town.Start(w.dir, w.tools.kasse, settings, "serve")
	if err != nil {
		return err
	}
	w.mu.Lock()
	w.processes = append(w.processes, p)
	w.mu.Unlock()
	k := &town.Kasse{Process: p}
	if err := k.AwaitListening(ctx); err != nil {
		return err
	}
	if err := k.AwaitReady(ctx); err != nil {
		return err
	}
	w.mu.Lock()
	w.fleet = append(w.fleet, k)
	w.mu.Unlock()
	w.balance()
	return nil
}

// retire takes a server out of the balance.
func (w *world) retire(k *town.Kasse) {
	w.mu.Lock()
	rest := []*town.Kasse{}
	for _, other := range w.fleet {
		if other != k {
			rest = append(rest, other)
		}
	}
	w.fleet = rest
	w.mu.Unlock()
	w.balance()
}

// balance leads the front to the servers that are in the fleet.
func (w *world) balance() {
	w.mu.Lock()
	defer w.mu.Unlock()
	var targets []string
	for _, k := range w.fleet {
		targets = append(targets, k.Public)
	}
	w.front.lead(targets...)
}

// member picks a server of the fleet.
func (w *world) member(pick uint64) *town.Kasse {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.fleet[pick%uint64(len(w.fleet))]
}

// calm ends all bad weather.
func (w *world) calm() {
	for _, p := range []*proxy{w.front, w.toRedis, w.toBank, w.toMaster} {
		p.change(weather{})
	}
}

// storm is the same weather on every link of Kasse's.
func (w *world) storm(bad weather) {
	for _, p := range []*proxy{w.front, w.toRedis, w.toBank} {
		p.change(bad)
	}
}

// taken hears of a delivery that was acknowledged.
func (w *world) taken(body, outcome string) {
	w.oracle.delivered(body, outcome)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, body)
}

// anyEvent picks an event that was taken before; empty where there is none.
func (w *world) anyEvent(pick uint64) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.events) == 0 {
		return ""
	}
	return w.events[pick%uint64(len(w.events))]
}

// ask is a question of the backend's.
func (w *world) ask(ctx context.Context, method, path, body string) (town.Answer, error) {
	header := map[string]string{"Authorization": "Bearer " + town.BackendKey}
	if body != "" {
		header["Content-Type"] = "application/json"
	}
	a, err := town.Call(ctx, w.client, method, "http://"+w.front.address()+path, header, body)
	if err != nil || a.Status/100 == 5 {
		w.refused.Add(1)
	}
	return a, err
}

// reckon holds what was acknowledged so far against what Redis has now.
func (w *world) reckon(ctx context.Context) error {
	then := w.oracle.memory()
	now, err := town.Look(ctx, w.redis.Client)
	if err != nil {
		return err
	}
	chains, err := w.bank.Chains(ctx) // the last, so that they know all that Redis may show
	if err != nil {
		return err
	}
	w.oracle.reckon(then, now, chains)
	return nil
}
