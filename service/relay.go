package service

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"kasse/service/payment"
)

// EndpointID names an endpoint in Redis: a hash of its URL, which may hold credentials.
type EndpointID string

// Endpoint is where a backend of the shop wants to be told of events.
type Endpoint interface {
	ID() EndpointID
	// Name is for logs: scheme and host, nothing else of the URL.
	Name() string
	// Push sends the event once. It fails with a PushFailure, whose text may be shown.
	Push(ctx context.Context, e payment.FeedEvent) error
}

// PushFailure is why an endpoint did not take an event.
type PushFailure struct {
	Reason     string        // in our words, without anything of the URL
	Gone       bool          // it wants no more events at all
	RetryAfter time.Duration // that the endpoint asks for; zero: nothing
}

// Error returns the reason.
func (f *PushFailure) Error() string { return f.Reason }

// Delivery is an event on its way to an endpoint.
type Delivery struct {
	Event payment.FeedEvent
	Retry bool // taken from the retries, not from the stream
	Tries int  // made so far
}

// PushClaim asks for work of all partitions for one endpoint.
type PushClaim struct {
	Endpoint EndpointID
	Owner    string        // this process
	Lease    time.Duration // for which a partition with deliveries under way is its own
	Shares   []PushShare   // by partition
	Hide     time.Duration // of retries from others
}

// PushShare is what is asked of one partition.
type PushShare struct {
	Held    int // first deliveries that the owner has in its hands
	First   int // that it has room for
	Retries int
}

// PushWork is what one partition has given.
type PushWork struct {
	First    []Delivery // in the stream's order; those that the owner holds already may be among them
	Retries  []Delivery
	Lost     int // trimmed by EVENT_RETENTION before they were delivered
	Waiting  int // entries that nobody has taken
	Taken    bool
	Disabled bool
	Err      error
}

// outbox hands the entries of the streams out to endpoints, at least once. First deliveries of a partition are one
// owner's at a time: another gets them when the owner has not claimed for as long as its lease, or has nothing left.
type outbox interface {
	// Partitions is how many there are.
	PartitionCount() int
	// JoinPushes lets an endpoint begin, from now; one that has begun goes on from where it stopped.
	JoinPushes(ctx context.Context, e EndpointID) error
	// ClaimPushes gives one answer a partition, in their order, each with an error of its own.
	ClaimPushes(ctx context.Context, c PushClaim) []PushWork
	// FinishPush says that the event has been delivered.
	FinishPush(ctx context.Context, e EndpointID, d Delivery) error
	// DelayPush puts a delivery off, in one step. Its tries are raised.
	DelayPush(ctx context.Context, e EndpointID, d Delivery, after time.Duration) error
	// BuryPush gives a delivery up, in one step, and keeps a note of it.
	BuryPush(ctx context.Context, e EndpointID, d Delivery, reason string) error
	// DisablePushes stops an endpoint for all replicas; it reports whether that was a change.
	DisablePushes(ctx context.Context, e EndpointID) (bool, error)
	// WatchEvents returns a channel that gets a hint when events may have been appended. Hints may be lost.
	WatchEvents() (<-chan struct{}, func())
}

// RelayObserver counts what happens to deliveries. Endpoints go by their names.
type RelayObserver interface {
	// Pushed is told of each try: delivered, failed, dead (the last try failed) or gone. Appended is when the event was.
	Pushed(endpoint, outcome string, appended time.Time)
	// Backlog is told how many entries nobody has taken yet.
	Backlog(endpoint string, waiting int)
	// Lost is told how many events were trimmed before they were delivered.
	Lost(endpoint string, count int)
}

// Relay pushes events to the endpoints. They have nothing in common but Redis: one that hangs slows no other.
type Relay struct {
	outbox    outbox
	endpoints []Endpoint
	log       *slog.Logger
	observer  RelayObserver // may be nil
}

// NewRelay returns a relay; the observer may be nil.
func NewRelay(o outbox, endpoints []Endpoint, log *slog.Logger, observer RelayObserver) *Relay {
	return &Relay{outbox: o, endpoints: endpoints, log: log, observer: observer}
}

// Join lets endpoints begin that are new: they get the events from now on.
func (r *Relay) Join(ctx context.Context) error {
	for _, e := range r.endpoints {
		if err := r.outbox.JoinPushes(ctx, e.ID()); err != nil {
			return err
		}
	}
	return nil
}

// Run pushes until the context ends. Deliveries under way get a few seconds more.
func (r *Relay) Run(ctx context.Context) {
	var all sync.WaitGroup
	for _, e := range r.endpoints {
		all.Go(func() { newCourier(r, e).run(ctx) })
	}
	all.Wait()
}
