// Package store keeps payments and orders in Redis. It is the only user of go-redis.
//
// One invariant: a record and everything that follows from it (its view, version, history, the entry in the stream, its
// place in the queue of reads) change in one script, or not at all. The script compares the record's revision first, so
// that a write whose reply was lost, and that is sent again, finds the revision moved on and does nothing. That is why
// go-redis may retry, and why there is no marker of events already seen: such a marker makes the retry of a lost first
// delivery look like a duplicate, and the event is dropped.
//
// Every script that writes checks the partition's meta first. A Redis that was wiped has none, and must not sell orders
// again that were paid.
//
// Keys, N being the FNV-1a hash of the payment's or order's id modulo the number of partitions, so that the keys of one
// script share a slot of a Redis Cluster:
//
//	kasse:{pN}:payment:<pi>   hash    rev, state (merge record and standing, JSON), view (JSON), version, secret (SHA-256), history
//	kasse:{pN}:events         stream  id type data, restored where a rebuild told it, trace where its cause was traced: the transitions, trimmed by age; public; its groups push:<e> are ours
//	kasse:{pN}:changed        channel ids of payments that changed: a hint, never the state
//	kasse:{pN}:reads          zset    payments that Stripe has to be asked about, by the Unix millisecond that is due
//	kasse:{pN}:sweep          zset    running payments, by the Unix millisecond at which Stripe is asked unless something happens before
//	kasse:{pN}:restore        zset    payments that a page asked for and that are not here, by the Unix millisecond of the question
//	kasse:{pN}:strangers      string  how often a page asked for what it may not see, or what is not here
//	kasse:{pN}:meta           hash    schema, account, livemode, service, partitions, epoch, trimmed (the newest event dropped), dropped (how many)
//	kasse:{pN}:rebuild        hash    the mark of a partition that is being rebuilt: it becomes meta when all is back
//	kasse:{pN}:push:<e>       hash    an endpoint's share: owner, until, passed (entries handed out or dropped), disabled (Unix second and cause), in p0 also the circuit (failing, pause, probe); <e> is a hash of its URL
//	kasse:{pN}:push:<e>:retries zset  <stream id> <tries> <due> of deliveries that failed, by the Unix millisecond that is due; a claimed one by its entry's millisecond - 1e13
//	kasse:{pN}:push:<e>:dead  stream  id type entry tries reason of those that failed for good
//	kasse:{pN}:push:<e>:log   list    the last tries: time, status, duration, try, event, type, reason; the newest first
//	kasse:{oN}:order:<id>     hash    rev, state (JSON: terms, attempts, winner, closed, lease, form being sent)
//	kasse:{oN}:changed        channel ids of orders that changed
//	kasse:{oN}:meta, :rebuild hash    as above
//	kasse:{pN}:fence          string  empty: written before WAIT, so that there is something to wait for; also kasse:{oN}:fence
//	kasse:{p0}:lease:<name>   string  who does what only one replica may do; it expires
//	kasse:{p0}:catchup        string  Unix second up to which Stripe's events have been caught up with
//	kasse:{p0}:quarantine     stream  id type size sha256 reason of what Stripe signed and we could not read
//	rate:kasse:{p0}:reads     string  redis_rate's, the budget of reads that all replicas share
//	rate:kasse:{pN}:limit:<n> string  redis_rate's, the quota of a service key or an order; N by the hash of <n>
package store

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/go-redis/redis_rate/v10"
	"github.com/redis/go-redis/v9"

	"kasse/service"
)

// Options is what the store has to be told.
type Options struct {
	Partitions     int           // fixed once Redis is initialised
	Retention      time.Duration // of finished payments
	EventRetention time.Duration // of the stream
	WaitReplicas   int           // that must have a change before it counts; 0: the master's word is enough
	WaitTimeout    time.Duration // for them; at most MaxWait
	Observer       Observer      // may be nil
	Readers        *Readers      // for what is polled; nil: they share the store's client
	AutoPipeline   bool          // questions that are asked at the same time go in one pipeline
	// TraceParent names the trace of whoever asks, as the traceparent of W3C's Trace Context; nil: there are none.
	TraceParent func(context.Context) string
}

// Store is Redis as the service needs it. Its methods may be called from many goroutines.
type Store struct {
	Options
	redis   redis.UniversalClient
	writing door
	reading door
	limiter *redis_rate.Limiter
	watch   *watch

	appended appendWatch  // of those who push
	pushes   pushPipeline // of all endpoints

	rebuilding map[partition]bool // by this process
}

// New returns a store on a client; Listen has to run for hints to arrive.
func New(client redis.UniversalClient, o Options) *Store {
	if o.Observer != nil {
		client.AddHook(observed{o.Observer})
	}
	switch {
	case o.Readers == nil:
		o.Readers = &Readers{client: client}
	case o.Observer != nil:
		o.Readers.client.AddHook(observed{o.Observer})
	}
	return &Store{
		Options: o, redis: client, limiter: redis_rate.NewLimiter(client), watch: newWatch(), rebuilding: map[partition]bool{},
		writing: newDoor(client, o.AutoPipeline, o.Observer),
		reading: newDoor(o.Readers.client, o.AutoPipeline && o.Readers.cache == nil, o.Observer), // what is read again is kept
	}
}

// LogTo sends what go-redis has to say to the log, for all clients of the process. It is about connections, and holds no
// data.
func LogTo(log *slog.Logger) { redis.SetLogger(driverLog{log}) }

type driverLog struct{ *slog.Logger }

// Printf is called by go-redis.
func (l driverLog) Printf(ctx context.Context, format string, args ...any) {
	l.WarnContext(ctx, "redis client", "said", fmt.Sprintf(format, args...))
}

// Ping reports whether Redis answers.
func (s *Store) Ping(ctx context.Context) error { return unavailable(s.redis.Ping(ctx).Err()) }

//go:embed scripts/*.lua
var scripts embed.FS

func script(name string) *redis.Script {
	source, err := scripts.ReadFile("scripts/" + name + ".lua")
	if err != nil {
		panic(err) // it is embedded
	}
	return redis.NewScript(string(source))
}

// Replies that are not data: our scripts' own, and Redis's for a key of a type that we never gave it.
const (
	replyConflict  = "CONFLICT"
	replyNoMeta    = "NOMETA"
	replyWrongType = "WRONGTYPE"
)

// unavailable turns what Redis says into what callers may see.
func unavailable(err error) error {
	switch {
	case err == nil:
		return nil
	case redis.HasErrorPrefix(err, replyConflict):
		return service.ErrConflict
	case strings.Contains(err.Error(), replyWrongType): // a script's error may begin with where it happened
		return &service.Error{Code: service.CodeInternal, Detail: "A stored record cannot be read.", Cause: err}
	case redis.HasErrorPrefix(err, replyNoMeta):
		err = errors.New("this Redis is not marked as ours (run kasse rebuild, or kasse init)")
	}
	return &service.Error{Code: service.CodeStoreUnavailable, Detail: "The store cannot be reached or refuses to write.", RetryAfter: time.Second, Cause: err}
}
