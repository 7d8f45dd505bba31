// Package testenv is the environment in which the tests and programs of test/ run Kasse. It has a
// redis-server and a direct reader of its data, a simulated Stripe, a sender of webhooks, and the server
// processes.
package testenv

import (
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"kasse/test/program"
)

// Env holds a Redis, a simulated Stripe, and processes of Kasse. Close ends all of them.
type Env struct {
	Dir    string         // directory of the logs and of Redis's data
	Client *http.Client   // for requests to Kasse
	Redis  *Redis         // nil without WithRedis
	Stripe *StripeBackend // nil without WithStripe and WithSender
	Sender *WebhookSender // nil without WithSender

	settings map[string]string // settings of every Kasse process
	life     context.Context   //nolint:containedctx // deliveries outlive the calls that cause them
	end      context.CancelFunc

	mu        sync.Mutex
	processes []*program.Process // including ended ones
	closers   []func()
}

// Option adds a part to an Env.
type Option func(context.Context, *Env) error

// WithRedis starts a redis-server with these arguments.
func WithRedis(args ...string) Option {
	return func(ctx context.Context, e *Env) (err error) {
		if e.Redis, err = NewRedis(filepath.Join(e.Dir, "redis"), args...); err != nil {
			return err
		}
		e.OnClose(e.Redis.Close)
		return e.Redis.Start(ctx)
	}
}

// WithStripe starts a simulated Stripe that posts its events to the handler.
func WithStripe(seed uint64, events http.Handler) Option {
	return func(_ context.Context, e *Env) error {
		e.Stripe = NewStripeBackend(seed, e.Serve(events).URL)
		e.OnClose(e.Stripe.Close)
		return nil
	}
}

// WithSender starts a simulated Stripe and a WebhookSender that delivers its events. Set the sender's URL
// before the first event. accepted and refused are called once for each delivery.
func WithSender(seed uint64, accepted func(body, outcome string), refused func(status int, err error)) Option {
	return func(ctx context.Context, e *Env) error {
		e.Sender = (&WebhookSender{Client: e.Client, Stop: e.life, Accepted: accepted, Refused: refused}).Seed(seed)
		e.OnClose(e.Sender.Wait)
		return WithStripe(seed, e.Sender)(ctx, e)
	}
}

// WithClient replaces the HTTP client of Env and sender. It must come before WithSender.
func WithClient(client *http.Client) Option {
	return func(_ context.Context, e *Env) error {
		e.Client = client
		return nil
	}
}

// WithSettings sets variables of every Kasse process.
func WithSettings(settings map[string]string) Option {
	return func(_ context.Context, e *Env) error {
		maps.Copy(e.settings, settings)
		return nil
	}
}

// callTimeout limits a call of the default client.
const callTimeout = 30 * time.Second

// New creates the directory and starts the parts in order. If it returns an error, nothing is left running.
func New(ctx context.Context, dir string, options ...Option) (*Env, error) {
	e := &Env{Dir: dir, Client: &http.Client{Timeout: callTimeout}, settings: map[string]string{}}
	e.life, e.end = context.WithCancel(ctx)
	e.OnClose(func() { e.Client.CloseIdleConnections() })
	err := os.MkdirAll(dir, 0o700)
	for _, option := range options {
		if err == nil {
			err = option(ctx, e)
		}
	}
	if err != nil {
		e.Close()
		return nil, err
	}
	return e, nil
}

// Close stops the deliveries and every process, then calls the functions of OnClose, the last one first.
func (e *Env) Close() {
	e.end()
	e.mu.Lock()
	closers := e.closers
	e.closers = nil
	e.mu.Unlock()
	for _, p := range e.Processes() {
		p.Kill()
	}
	for _, closeIt := range slices.Backward(closers) {
		closeIt()
	}
}

// OnClose registers a function for Close.
func (e *Env) OnClose(closeIt func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closers = append(e.closers, closeIt)
}

// Context returns a context that ends with New's context or with Close.
func (e *Env) Context() context.Context { return e.life }

// Serve serves a handler on loopback until Close.
func (e *Env) Serve(h http.Handler) *httptest.Server {
	server := httptest.NewServer(h)
	e.OnClose(func() { server.CloseClientConnections(); server.Close() })
	return server
}

// Start starts a program in the Env's directory. Close kills it.
func (e *Env) Start(name string, env []string, args ...string) (*program.Process, error) {
	p, err := program.Start(e.Dir, name, env, args...)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.processes = append(e.processes, p)
	return p, nil
}

// Processes returns all started processes, including ended ones.
func (e *Env) Processes() []*program.Process {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.processes)
}

// Settings is the environment of a Kasse process with this Redis and Stripe, the Env's settings, and these
// changes.
func (e *Env) Settings(changes map[string]string) []string {
	redis, stripe := "", "http://127.0.0.1:1" // a port without a listener
	if e.Redis != nil {
		redis = "redis://" + e.Redis.Address + "/0"
	}
	if e.Stripe != nil {
		stripe = e.Stripe.HTTP.URL
	}
	all := maps.Clone(e.settings)
	maps.Copy(all, changes)
	return Settings(redis, stripe, all)
}

// StartKasse starts a server and waits until it is ready.
func (e *Env) StartKasse(ctx context.Context, binary string, changes map[string]string) (*Kasse, error) {
	p, err := e.Start(binary, e.Settings(changes), "serve")
	if err != nil {
		return nil, err
	}
	k := &Kasse{Process: p}
	if err := k.AwaitListening(ctx); err != nil {
		return nil, err
	}
	return k, k.AwaitReady(ctx)
}
