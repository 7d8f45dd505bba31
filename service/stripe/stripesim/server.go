package stripesim

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// Options configures a Server. The zero value sends no events and makes no faults.
type Options struct {
	// Seed decides ids and the faults of every event: the same seed and the same calls replay the
	// same run. Servers of one seed make the same ids, so a test with a database that outlives the
	// server needs a seed of its own for every run.
	Seed uint64
	// Duplicate, Reorder and Drop are the rates, 0 to 1, of events delivered twice, late, or never
	// made at all.
	Duplicate, Reorder, Drop float64
	// Settle is how long bank debits stay in processing and asynchronous refunds in pending, on the
	// simulator's clock; zero means 3 s.
	Settle time.Duration
	// Webhooks are the endpoints that get events from the start.
	Webhooks []Webhook
	// APIVersion is the API version of events, for endpoints that have none of their own; empty
	// means 2024-06-20.
	APIVersion string
	// Now is the clock that the simulator's is derived from; nil means the machine's. A fixed one
	// lets a run replay to the second.
	Now func() time.Time
	// Logger logs requests and deliveries, never secrets; nil discards.
	Logger *slog.Logger
}

// Webhook is an endpoint that events are posted to, signed with its secret.
type Webhook struct {
	URL    string   `json:"url"`
	Secret string   `json:"secret"`
	Events []string `json:"events,omitempty"` // types that it is sent; empty means all
	// APIVersion is the version of the events it is sent; empty means the account's.
	APIVersion string `json:"api_version,omitempty"`
	// Thin sends it thin events, which name an object and do not show it.
	Thin bool `json:"thin,omitempty"`
}

const defaultSettle = 3 * time.Second

func (o Options) withDefaults() Options {
	if o.APIVersion == "" {
		o.APIVersion = nativeVersion
	}
	if o.Settle <= 0 {
		o.Settle = defaultSettle
	}
	if o.Now == nil {
		o.Now = machineClock
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// Server is one Stripe account behind an HTTP API. Its methods may be called from any goroutine.
type Server struct {
	opts Options
	mux  *http.ServeMux
	log  *slog.Logger
	post *http.Client

	mu          sync.Mutex // guards the fields below and the objects they refer to
	account     *account
	faults      []*Fault
	latency     map[string]time.Duration
	requestLog  requestLog
	closed      bool
	changed     *sync.Cond    // a delivery is ready, or done, or the server closed
	rescheduled chan struct{} // capacity 1: the scheduler has a new first timer

	stop context.CancelFunc
	done context.Context
	wait sync.WaitGroup
}

// New starts a server; Close ends it.
func New(opts Options) *Server {
	opts = opts.withDefaults()
	s := &Server{
		opts:        opts,
		log:         opts.Logger,
		post:        deliveryClient(),
		latency:     map[string]time.Duration{},
		rescheduled: make(chan struct{}, 1),
	}
	s.changed = sync.NewCond(&s.mu)
	s.done, s.stop = context.WithCancel(context.Background())
	s.account = newAccount(opts)
	s.mux = s.routes()
	for _, hook := range opts.Webhooks {
		s.account.addHook(hook)
	}
	s.wait.Go(s.runScheduler)
	for range deliveryWorkers {
		s.wait.Go(s.deliver)
	}
	return s
}

// AddWebhook registers another endpoint for future events.
func (s *Server) AddWebhook(hook Webhook) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.account.addHook(hook)
}

// RemoveWebhooks removes every endpoint; running deliveries still arrive.
func (s *Server) RemoveWebhooks() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.account.hooks = nil
}

// Close stops deliveries and timers and waits for them. It also ends the requests that a fault holds.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	s.changed.Broadcast()
	s.mu.Unlock()
	s.stop()
	s.wait.Wait()
	s.post.CloseIdleConnections()
}

// Reset removes every object, event, idempotency key, fault and timer, and begins again from the
// seed, ids included. Endpoints and rates stay.
func (s *Server) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	hooks, eventFaults, activity := s.account.hooks, s.account.eventFaults, s.account.activity
	s.account = newAccount(s.opts)
	s.account.hooks, s.account.eventFaults, s.account.activity = hooks, eventFaults, activity
	activity.clear()
	s.faults, s.requestLog = nil, requestLog{}
	clear(s.latency)
	s.touch()
}

// locked runs work on the account and wakes the delivery workers and the scheduler.
func (s *Server) locked(work func(*account) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.account.changes++
	err := work(s.account)
	s.touch()
	return err
}

// touch wakes the delivery workers and the scheduler. The caller holds the lock.
func (s *Server) touch() {
	s.changed.Broadcast()
	select {
	case s.rescheduled <- struct{}{}:
	default:
	}
}
