package push

import (
	"context"
	"math/bits"
	"sync/atomic"
	"time"

	"kasse/service/payment"
)

// EndpointID names an endpoint in Redis: a hash of its URL, since the URL may hold credentials.
type EndpointID string

// GroupPrefix begins the names of the consumer groups by which endpoints read the streams.
const GroupPrefix = "push:"

// Group is the name of the endpoint's consumer group.
func (e EndpointID) Group() string { return GroupPrefix + string(e) }

// Delivery is one event on its way to one endpoint.
type Delivery struct {
	Event payment.FeedEvent // Event.Partition is the partition it was claimed from
	Retry bool              // it was claimed from the waiting retries, not from the stream
	Tries int               // finished tries
	Due   int64             // Unix milliseconds the schedule planned a retry for; 0: at once
	Asked bool              // Due comes from the endpoint's Retry-After
	Early bool              // the retry was claimed before it was due
	Probe bool              // it tests an endpoint whose circuit is open
}

// Attempt is a finished try of a delivery.
type Attempt struct {
	Delivery
	Status  int           // HTTP status; 0: there was no response
	Took    time.Duration // of the request and its response
	Reason  string        // why it failed; empty: it succeeded
	Skipped bool          // the endpoint does not want the type: finished without a request
}

// Claim asks some partitions for deliveries to one endpoint.
type Claim struct {
	Endpoint EndpointID
	Owner    string        // this process and worker
	Lease    time.Duration // how long a partition with claimed deliveries stays with its owner; 0 gives it up
	Shares   []Share
}

// Share is the part of a claim that is for one partition.
type Share struct {
	Partition   int
	HeldFirst   int // first deliveries that the owner has claimed and not finished
	HeldRetries int // retries that the owner has claimed and not finished
	First       int // how many first deliveries to claim at most
	Retries     int // how many due retries to claim at most
	Probe       int // not 0: claim exactly one delivery, due or not; the number selects a different one each time
}

// Work is one partition's answer to a claim.
type Work struct {
	Deliveries     []Delivery    // in the order of the stream; the owner may hold some of them already
	Lost           int           // trimmed by EVENT_RETENTION before they were delivered
	Waiting        int           // stream entries that no worker has claimed
	Retries        int           // retries that wait, due or not
	NextRetry      time.Duration // until the next waiting retry is due; negative: none waits
	OwnedElsewhere time.Duration // rest of another owner's lease; 0: the partition is not another's
	Disabled       bool
	Circuit        Circuit // set for partition 0 only
	Err            error
}

// Circuit is the state of an endpoint that fails. All replicas share it.
type Circuit struct {
	Open    bool
	ProbeIn time.Duration // until the next probe is allowed; not negative
}

// Pauses are the bounds of the pause between two probes. Each pause is half as long again as the
// one before.
type Pauses struct{ Min, Max time.Duration }

// Outbox hands the entries of the streams to endpoints, at least once each. A partition with
// claimed deliveries belongs to one owner; another owner gets it when the lease has ended without a
// claim, or when nothing claimed is left.
type Outbox interface {
	// PartitionCount returns the number of partitions, 1 to 64.
	PartitionCount() int
	// RegisterEndpoint makes an endpoint known: it gets the events appended from now on. A known
	// one goes on from its position.
	RegisterEndpoint(ctx context.Context, e EndpointID) error
	// ClaimPushes returns one Work for each share, in their order. Each has its own error.
	ClaimPushes(ctx context.Context, c Claim) []Work
	// FinishPushes removes deliveries that succeeded or are skipped.
	FinishPushes(ctx context.Context, e EndpointID, done []Attempt) error
	// RetryPush moves a failed delivery to the retries, due after the delay. An early one keeps its tries and
	// its due time. asked is true if the endpoint has set the delay.
	RetryPush(ctx context.Context, e EndpointID, a Attempt, delay time.Duration, asked bool) error
	// DeadLetterPush moves a delivery to the dead letters.
	DeadLetterPush(ctx context.Context, e EndpointID, a Attempt) error
	// DisablePushes stops an endpoint for all replicas. It reports whether that was a change.
	DisablePushes(ctx context.Context, e EndpointID, cause DisableCause) (bool, error)
	// PullRetriesForward makes all waiting retries due now, in the order of the stream, except those whose
	// delay the endpoint has set. It returns how many it moved.
	PullRetriesForward(ctx context.Context, e EndpointID) (int, error)
	// OpenCircuit opens an endpoint's circuit and reports whether that was a change. The first
	// probe is due after the least pause, and not before notBefore has passed; next is how long
	// that still is.
	OpenCircuit(ctx context.Context, e EndpointID, p Pauses, notBefore time.Duration) (
		opened bool, next time.Duration, err error)
	// CloseCircuit closes it and reports whether that was a change.
	CloseCircuit(ctx context.Context, e EndpointID) (bool, error)
	// ClaimProbe reports whether the caller may make the probe that is due; no other caller may
	// within the time. Next is the pause until one is due again.
	ClaimProbe(ctx context.Context, e EndpointID, within time.Duration) (taken bool, next time.Duration, err error)
	// DelayProbe sets the next probe after one that failed, and returns the pause. It is not before
	// notBefore has passed.
	DelayProbe(ctx context.Context, e EndpointID, p Pauses, notBefore time.Duration) (next time.Duration, err error)
	// WatchAppended adds partitions to a when events may have been appended to them, until stop is
	// called. Hints may be lost.
	WatchAppended(a *Appended) (stop func())
}

// DisableCause is why an endpoint is disabled.
type DisableCause string

// The causes.
const (
	DisabledGone   DisableCause = "gone"   // it answered 410
	DisabledByHand DisableCause = "manual" // by kasse events disable
)

// Appended is a set of partitions to which events may have been appended. Its methods may be called
// from many goroutines.
type Appended struct {
	partitions atomic.Uint64
	hints      chan struct{}
}

// NewAppended returns an empty set.
func NewAppended() *Appended { return &Appended{hints: make(chan struct{}, 1)} }

// Add adds a partition, 0 to 63.
func (a *Appended) Add(partition int) {
	if bit := uint64(1) << partition; a.partitions.Or(bit)&bit != 0 {
		return // its hint is in the channel, or being read
	}
	select {
	case a.hints <- struct{}{}:
	default:
	}
}

// Hints returns a channel that gets a value when the set is no longer empty.
func (a *Appended) Hints() <-chan struct{} { return a.hints }

// Take empties the set and calls f for each partition that was in it.
func (a *Appended) Take(f func(partition int)) {
	for set := a.partitions.Swap(0); set != 0; set &= set - 1 {
		f(bits.TrailingZeros64(set))
	}
}
