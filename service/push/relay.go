package push

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"kasse/service/payment"
)

// Destination is an endpoint as the relay sees it. *Endpoint is the one that uses HTTP.
type Destination interface {
	ID() EndpointID
	// Name is for logs and metrics: scheme and host, nothing else of the URL.
	Name() string
	// Wants reports whether events of this type are to be delivered; others count as delivered.
	Wants(eventType string) bool
	// Push sends the event once and returns the HTTP status, 0 without a response. Its error is a
	// *Failure.
	Push(ctx context.Context, e payment.FeedEvent) (status int, err error)
}

// Failure is why an endpoint did not accept an event.
type Failure struct {
	Reason     string        // our own text, without the URL
	Gone       bool          // the endpoint wants no more events
	RetryAfter time.Duration // that the endpoint asks for, at most maxRetryAfter; 0: none
}

// Error returns the reason.
func (f *Failure) Error() string { return f.Reason }

// Observer counts what happens to deliveries. Endpoints are named by Name.
type Observer interface {
	// PushAttempted is called after each try. The outcome is delivered, failed, dead (given up) or
	// gone (410). Appended is when the event was appended to its stream.
	PushAttempted(endpoint, outcome string, appended time.Time)
	// PushesWaiting is called with the number of events that no worker has claimed.
	PushesWaiting(endpoint string, count int)
	// PushesLost is called with the number of events that were trimmed before they were delivered.
	PushesLost(endpoint string, count int)
}

// RelayOptions are what a relay needs.
type RelayOptions struct {
	Logger   *slog.Logger
	Observer Observer         // may be nil
	Now      func() time.Time // the process's clock
}

// Relay delivers events to the endpoints. Endpoints share nothing but Redis: one that hangs slows
// no other.
type Relay struct {
	outbox       Outbox
	destinations []Destination
	log          *slog.Logger
	observer     Observer
	now          func() time.Time
	began        time.Time
	pollEvery    time.Duration
}

// NewRelay returns a relay.
func NewRelay(outbox Outbox, destinations []Destination, o RelayOptions) *Relay {
	return &Relay{
		outbox: outbox, destinations: destinations, log: o.Logger, observer: o.Observer, now: o.Now, began: o.Now(),
		pollEvery: pollAfter + rand.N(pollAfter/2), //nolint:gosec // no secret
	}
}

// untilRecord returns how long results are gathered. The results of all endpoints are recorded at the same moments, so
// that they share calls of Redis.
func (r *Relay) untilRecord() time.Duration { return recordEvery - r.now().Sub(r.began)%recordEvery }

// nextPoll returns when to poll next. All endpoints poll at the same moments, so that their claims share a pipeline and
// an idle process wakes up once for all of them. Replicas poll at moments of their own.
func (r *Relay) nextPoll(now time.Time) time.Time {
	return r.began.Add(now.Sub(r.began)/r.pollEvery*r.pollEvery + r.pollEvery)
}

// Register makes the endpoints known: new ones get the events from now on.
func (r *Relay) Register(ctx context.Context) error {
	for _, d := range r.destinations {
		if err := r.outbox.RegisterEndpoint(ctx, d.ID()); err != nil {
			return err
		}
	}
	return nil
}

// Run delivers until the context ends. Requests under way get a few seconds more.
func (r *Relay) Run(ctx context.Context) {
	appended := NewAppended()
	defer r.outbox.WatchAppended(appended)()
	var all sync.WaitGroup
	workers := make([]*endpointWorker, len(r.destinations))
	for i, d := range r.destinations {
		workers[i] = newEndpointWorker(r, d)
		all.Go(func() { workers[i].run(ctx) })
	}
	all.Go(func() { passHints(ctx, appended, workers) })
	all.Wait()
}

// passHints passes hints to all workers at the same moments, so that their claims share calls of Redis. The first hint
// after a quiet time is passed at once.
func passHints(ctx context.Context, appended *Appended, workers []*endpointWorker) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-appended.Hints():
		}
		appended.Take(func(partition int) {
			for _, w := range workers {
				w.appended.Add(partition)
			}
		})
		pause(ctx, hintPause)
	}
}
