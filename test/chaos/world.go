package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"sync/atomic"
	"time"
)

// world is what one round runs in: Redis, Stripe, some processes of Kasse, and a proxy on each link between them.
type world struct {
	dir     string
	tools   tools
	env     map[string]string // settings of this kind of round
	redis   *redisServer
	replica *redisServer // of a round that has one
	bank    *bank
	oracle  *oracle
	courier *courier
	mailbox *httptest.Server
	client  *http.Client // what a backend, a page and the courier use; goes through front

	redisArgs []string

	front, toRedis, toBank, toMaster *proxy // toMaster is the replica's way

	refused atomic.Int64 // requests that had no answer, or a 5xx: that a fault was felt

	mu        sync.Mutex
	fleet     []*kasse
	processes []*process // also those that have ended
}

// tools are what this program builds before it begins.
type tools struct{ kasse, shim string }

// kasse is one server process.
type kasse struct {
	*process
	public, admin string // addresses
}

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
	w.client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, MaxConnsPerHost: 64}, Timeout: postTimeout}
	w.courier = &courier{
		url: "http://" + w.front.address(), client: w.client, oracle: w.oracle, refused: &w.refused, stop: ctx, dice: rand.New(rand.NewPCG(p.seed, 0)),
	}
	w.mailbox = httptest.NewServer(w.courier)
	w.bank = newBank(p.seed, w.mailbox.URL)
	w.toBank.lead(w.bank.http.Listener.Addr().String())
	var err error
	if w.redis, err = newRedis(ctx, filepath.Join(w.dir, "redis"), k.shimFrom(w.tools), k.redis...); err != nil {
		return err
	}
	w.toRedis.lead(w.redis.address)
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
		p.kill()
	}
	for _, server := range []*redisServer{w.redis, w.replica} {
		if server != nil {
			server.close()
		}
	}
	if w.bank != nil {
		w.bank.close()
	}
	if w.mailbox != nil {
		w.mailbox.Close()
	}
	if w.courier != nil {
		w.courier.all.Wait()
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

// settings is the environment of a server.
func (w *world) settings() []string {
	env := []string{
		"PATH=" + os.Getenv("PATH"), "LISTEN_ADDR=127.0.0.1:0", "ADMIN_ADDR=127.0.0.1:0", "DRAIN_DELAY=500ms", "SHUTDOWN_TIMEOUT=20s",
		"REDIS_URL=redis://" + w.toRedis.address() + "/0", "REDIS_PARTITIONS=4", "REDIS_DURABILITY=require",
		"STRIPE_API_BASE=http://" + w.toBank.address(), "STRIPE_SECRET_KEY=" + stripeKey, "STRIPE_PUBLISHABLE_KEY=" + publishableKey,
		"STRIPE_WEBHOOK_SECRETS=" + hookSecret, "STRIPE_READ_RPS=100", "STRIPE_TIMEOUT=3s", "SERVICE_KEYS=" + keyEntry(backendKey),
		"RATE_LIMIT_SERVICE=off", "RATE_LIMIT_FRONTEND=off", "RATE_LIMIT_ADDRESS=off",
	}
	for name, value := range w.env {
		env = append(env, name+"="+value)
	}
	return env
}

// listening is the log line that names the addresses.
var listening = regexp.MustCompile(`"listening","public":"([0-9.]+:[0-9]+)","admin":"([0-9.]+:[0-9]+)"`)

// launch starts a server, and lets it have a share of the work once it is ready.
func (w *world) launch(ctx context.Context) error {
	p, err := start(w.dir, w.tools.kasse, w.settings(), "serve")
	if err != nil {
		return err
	}
	w.mu.Lock()
	w.processes = append(w.processes, p)
	w.mu.Unlock()
	addresses, err := p.said(ctx, listening)
	if err != nil {
		return err
	}
	k := &kasse{process: p, public: addresses[1], admin: addresses[2]}
	if err := w.awaitReady(ctx, k); err != nil {
		return err
	}
	w.mu.Lock()
	w.fleet = append(w.fleet, k)
	w.mu.Unlock()
	w.balance()
	return nil
}

func (w *world) awaitReady(ctx context.Context, k *kasse) error {
	return eventually(ctx, func() error {
		if k.hasEnded() {
			return errors.Join(errGaveUp, fmt.Errorf("the server ended: %s", tail(k.log)))
		}
		if !k.ready(ctx) {
			return errors.New("the server is not ready")
		}
		return nil
	})
}

func (k *kasse) ready(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	a, err := call(ctx, http.DefaultClient, http.MethodGet, "http://"+k.admin+"/readyz", nil, "")
	return err == nil && a.status == http.StatusOK
}

// retire takes a server out of the balance.
func (w *world) retire(k *kasse) {
	w.mu.Lock()
	rest := []*kasse{}
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
		targets = append(targets, k.public)
	}
	w.front.lead(targets...)
}

// member picks a server of the fleet.
func (w *world) member(pick uint64) *kasse {
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

// ask is a question of the backend's.
func (w *world) ask(ctx context.Context, method, path, body string) (answer, error) {
	header := map[string]string{"Authorization": "Bearer " + backendKey}
	if body != "" {
		header["Content-Type"] = "application/json"
	}
	a, err := call(ctx, w.client, method, "http://"+w.front.address()+path, header, body)
	if err != nil || a.status/100 == 5 {
		w.refused.Add(1)
	}
	return a, err
}

// reckon holds what was acknowledged so far against what Redis has now.
func (w *world) reckon(ctx context.Context) error {
	then := w.oracle.memory()
	now, err := look(ctx, w.redis.client)
	if err != nil {
		return err
	}
	chains, err := w.bank.chains(ctx) // the last, so that they know all that Redis may show
	if err != nil {
		return err
	}
	w.oracle.reckon(then, now, chains)
	return nil
}
