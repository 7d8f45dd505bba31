// Package testenv is what the tests and programs of test/ run Kasse in: a redis-server and a look at all that it keeps,
// a simulated Stripe that knows the truth, a sender of its webhooks, and the server processes themselves.
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
)

// Env is a Redis, a simulated Stripe, and the processes of Kasse between them. Close ends all of them.
type Env struct {
	Dir    string         // of the logs and of Redis's data
	Client *http.Client   // of callers
	Redis  *Redis         // nil without WithRedis
	Stripe *StripeBackend // nil without WithStripe and WithSender
	Sender *WebhookSender // nil without WithSender

	settings map[string]string // of every Kasse
	life     context.Context   //nolint:containedctx // deliveries outlive the calls that cause them
	end      context.CancelFunc

	mu        sync.Mutex
	processes []*Process // also those that have ended
	closers   []func()
}

// Option is a part of an Env.
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

// WithStripe starts a simulated Stripe that posts its events to the mailbox.
func WithStripe(seed uint64, mailbox http.Handler) Option {
	return func(_ context.Context, e *Env) error {
		e.Stripe = NewStripeBackend(seed, e.Serve(mailbox).URL)
		e.OnClose(e.Stripe.Close)
		return nil
	}
}

// WithSender starts a simulated Stripe whose events a WebhookSender delivers. Its URL is to be set before the first.
// taken and refused are called for each delivery.
func WithSender(seed uint64, taken func(body, outcome string), refused func(status int, err error)) Option {
	return func(ctx context.Context, e *Env) error {
		e.Sender = (&WebhookSender{Client: e.Client, Stop: e.life, Taken: taken, Refused: refused}).Roll(seed)
		e.OnClose(e.Sender.Wait)
		return WithStripe(seed, e.Sender)(ctx, e)
	}
}

// WithClient replaces the client of callers and of the sender, if it comes before WithSender.
func WithClient(client *http.Client) Option {
	return func(_ context.Context, e *Env) error {
		e.Client = client
		return nil
	}
}

// WithSettings are settings of every Kasse.
func WithSettings(settings map[string]string) Option {
	return func(_ context.Context, e *Env) error {
		maps.Copy(e.settings, settings)
		return nil
	}
}

// callTimeout ends a call of the default client.
const callTimeout = 30 * time.Second

// New makes the directory and starts the parts, in their order. On an error nothing is left running.
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

// Close ends the deliveries and every process, and then what was registered by OnClose, the last first.
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

// OnClose has Close call the function.
func (e *Env) OnClose(closeIt func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closers = append(e.closers, closeIt)
}

// Context ends with New's context, and when Close is called.
func (e *Env) Context() context.Context { return e.life }

// Serve serves a handler on loopback until Close.
func (e *Env) Serve(h http.Handler) *httptest.Server {
	server := httptest.NewServer(h)
	e.OnClose(func() { server.CloseClientConnections(); server.Close() })
	return server
}

// Start starts a program in the Env's directory. Close kills it.
func (e *Env) Start(program string, env []string, args ...string) (*Process, error) {
	p, err := Start(e.Dir, program, env, args...)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.processes = append(e.processes, p)
	return p, nil
}

// Processes are all that were started so far, also those that have ended.
func (e *Env) Processes() []*Process {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.processes)
}

// Settings is the environment of a Kasse on this Redis and this Stripe, with the Env's settings and these changes.
func (e *Env) Settings(changes map[string]string) []string {
	redis, stripe := "", "http://127.0.0.1:1" // where nothing answers
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
func (e *Env) StartKasse(ctx context.Context, program string, changes map[string]string) (*Kasse, error) {
	p, err := e.Start(program, e.Settings(changes), "serve")
	if err != nil {
		return nil, err
	}
	k := &Kasse{Process: p}
	if err := k.AwaitListening(ctx); err != nil {
		return nil, err
	}
	return k, k.AwaitReady(ctx)
}
