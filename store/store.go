// Package store keeps orders in Redis, each with all its payments. It is the only user of go-redis.
//
// One invariant: an order and everything that follows from a change of it (views, versions,
// history, entries of the stream, places in the queues) change in one script, or not at all. The
// script compares the order's revision first. A write whose reply was lost finds its own revision
// when it is sent again, and does nothing. So go-redis may retry.
//
// There is no list of events already seen. With such a list the retry of a lost first delivery
// would look like a duplicate, and the event would be dropped.
//
// Every script that writes checks the partition's meta first. A wiped Redis has no meta. Without
// this check Kasse would sell orders again that were paid.
//
// Keys. N is the FNV-1a hash of the order's id modulo the number of partitions, so that the keys of
// one script share a slot of a Redis Cluster. M is the same of the PaymentIntent's id.
//
//	kasse:{pN}:order:<id>     hash    order: its revision in the first line, a byte that names the dictionary, the
//	                                  stored form of service/payment: terms, attempts, winner, closed, lease, form
//	                                  being sent, and the record of the payment that the order stands for (merge
//	                                  record, history, refund calls); record:<pi>: the same for each other payment
//	kasse:{pN}:foreign:<pi>   hash    the same for a payment that names an order and is none of its attempts; it expires
//	kasse:{pM}:pi:<pi>        string  pointer: the order that the payment names; it ends after the order
//	kasse:{pN}:index:created  zset    directory of the index of orders by creation: the lowest score of each bucket
//	kasse:{pN}:index:created:<s>  zset  a bucket from score <s> on: order ids by the Unix millisecond of their creation
//	kasse:{pN}:index:customer zset    directory of the index of orders by customer
//	kasse:{pN}:index:customer:<s> zset  a bucket: moment of creation (8 digits, base 36) and order id, by the hash of
//	                                  the customer. A bucket holds 128 entries, which Redis packs; more only where all
//	                                  have one score
//	kasse:{pN}:prune          hash    the pass that removes expired orders from the indexes: began, index, start, rank
//	                                  (where it goes on; index '' it has ended), first and last (creation of those
//	                                  removed)
//	kasse:{pN}:events         stream  id type data, restored where it may have been announced before, trace where its
//	                                  cause was traced, at and sent where it stands for an entry of that moment which
//	                                  the named groups have: the transitions, trimmed by age; public; its groups
//	                                  push:<e> are ours
//	kasse:{pN}:changed        channel <order id> and the payments whose view changed: a hint, never the state
//	kasse:{pN}:reads          zset    payments to be read at Stripe, by the Unix millisecond that is due; one
//	                                  without a pointer lies in partition M
//	kasse:{pN}:sweep          zset    running payments, by the Unix millisecond of their read unless they change before
//	kasse:{pN}:attention      zset    orders that a worker has to look at, by the Unix millisecond that is due
//	kasse:{pM}:restore        zset    payments that a client secret asked for and that are not stored, by the Unix
//	                                  millisecond of that
//	kasse:{pM}:restore:token  zset    the same for order tokens
//	kasse:{pM}:restore:<by>   zset    places that an address has taken in the queue, by the Unix millisecond of their
//	                                  end; <by> is a hash; restore:token:<by> for the tokens of an order
//	kasse:{pM}:masked         string  how often a page asked for what it may not see, or what is not stored
//	kasse:{pM}:notours:<pi>   string  empty: a payment that was read and is not ours; for a day
//	kasse:{pN}:meta           hash    schema, account, livemode, service, partitions, epoch, retention (the lowest
//	                                  ever, in seconds), trimmed (the newest event dropped), dropped (how many)
//	kasse:{pN}:rebuild        hash    the mark of a partition that is being rebuilt: it becomes meta when all is back
//	kasse:{pN}:push:<e>       hash    an endpoint's share: owner, until, passed (entries handed out or dropped),
//	                                  disabled; <e> is a hash of its URL
//	                                  (disabled: Unix second and cause); in p0 also the circuit: failing, pause,
//	                                  probe, wait
//	kasse:{pN}:push:<e>:retries zset  <stream id> <tries> <due> of deliveries that failed, by the Unix millisecond that
//	                                  is due; a claimed one by its entry's millisecond
//	kasse:{pN}:push:<e>:dead  stream  id type entry tries reason of those that failed for good
//	kasse:{pN}:push:<e>:log   list    the last tries: time, status, duration, try, event, type, reason; the newest first
//	kasse:{pN}:catchup        string  Unix second up to which Stripe's events have been caught up with; the oldest of
//	                                  all partitions counts
//	kasse:{pN}:fence          string  empty: written before WAIT, so that there is something to wait for
//	kasse:{p0}:lease:<name>   string  the process that does what only one replica may do; it expires
//	kasse:{p0}:passes         hash    passes of reconciliation that commands ask the holder of the lease for: until, asked,
//	                                  from, verify, state, holder, result; it expires
//	kasse:{p0}:quarantine     stream  id type size sha256 reason of events that Stripe signed and that could not be
//	                                  decoded
//	kasse:{p0}:budget         string  Unix microsecond at which all reads may be made again that the replicas share
//	kasse:{pN}:limit:<n>      string  the same of the quota of a service key or an order; N by the hash of <n>
//	kasse:{pM}:unknown:<hash> string  empty: a payment that Stripe did not know, or that is not ours; for a minute
//
// One field holds an order of one attempt. A view is rendered when it is read. A field is not
// compressed. The stored form writes a repeated text as a reference, common words as numbers, and
// ids and hashes in fewer bytes. It decodes in some 2 µs, without reflection.
//
// Other layouts were measured (docs/speed.md). One string instead of the hash saves 167 bytes of an
// order, but then a webhook of an order with 200 attempts loads them all. zstd with a dictionary
// makes the field 166 bytes instead of 307. The target is reached without it; the byte that names
// the dictionary allows it later.
package store

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"kasse/service/payment"
)

// Options are the settings of the store.
type Options struct {
	Partitions     int           // fixed once Redis is initialised
	Retention      time.Duration // of finished payments
	EventRetention time.Duration // of the stream
	WaitReplicas   int           // replicas that must confirm a change; 0: the master is enough
	WaitTimeout    time.Duration // for them; at most MaxWait
	Observer       Observer      // may be nil
	Readers        *Readers      // for what is polled; nil: they share the store's client
	AutoPipeline   bool          // concurrent commands share a pipeline
	// TraceParent returns the trace of a call, as the traceparent of W3C's Trace Context; nil:
	// there are none.
	TraceParent func(context.Context) string
}

// Store implements the service's ports on Redis. Its methods may be called from many goroutines.
type Store struct {
	Options
	redis    redis.UniversalClient
	writing  commandRunner
	reading  commandRunner
	watch    *watch
	pointers pointers
	epochs   atomic.Pointer[[]string] // of all partitions, as they were read last; nil: not read yet

	appended appendWatch  // of those who push
	pushes   pushPipeline // of all endpoints
	confirms confirmations
	looks    queueLooks // of the workers of this process

	rebuilding map[partition]bool // by this process

	subscriptions atomic.Int64 // raised at the beginning and the end of each on which hints come
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
	s := &Store{
		Options: o, redis: client, watch: newWatch(),
		confirms: confirmations{servers: map[redis.Cmdable]*confirmQueue{}},
		pointers: pointers{kept: map[payment.ID]payment.OrderID{}}, rebuilding: map[partition]bool{},
		writing: newCommandRunner(client, o.AutoPipeline, o.Observer),
		// With a cache few reads reach Redis.
		reading: newCommandRunner(o.Readers.client, o.AutoPipeline && o.Readers.cache == nil, o.Observer),
	}
	s.pushes.store = s
	return s
}

// LogTo sends the messages of go-redis to the log, for all clients of the process. They are about
// connections, and contain no stored data.
func LogTo(log *slog.Logger) { redis.SetLogger(driverLog{log}) }

type driverLog struct{ *slog.Logger }

// Printf is called by go-redis.
func (l driverLog) Printf(ctx context.Context, format string, args ...any) {
	l.WarnContext(ctx, "redis: the client reports a problem with a connection", "message", fmt.Sprintf(format, args...))
}

// Ping reports whether Redis answers.
func (s *Store) Ping(ctx context.Context) error { return unavailable(s.redis.Ping(ctx).Err()) }

//go:embed scripts/*.lua
var scripts embed.FS

func script(name string) *redis.Script { return redis.NewScript(scriptSource(name)) }

// comments are lines that hold nothing but a comment.
var comments = regexp.MustCompile(`(?m)^[ \t]*--.*$`)

// scriptSource returns a script without its comments, since EVAL sends the whole source. The lines stay, so that their
// numbers in Redis's errors are those of the file.
func scriptSource(name string) string {
	source, err := scripts.ReadFile("scripts/" + name + ".lua")
	if err != nil {
		panic(err) // it is embedded
	}
	return comments.ReplaceAllString(string(source), "")
}

// Replies that are not data: our scripts' own, and Redis's for a key of a type that we never gave it.
const (
	replyConflict  = "CONFLICT"
	replyNoMeta    = "NOMETA"
	replyWrongType = "WRONGTYPE"
)

var (
	errNoMeta  = errors.New(replyNoMeta)
	errNotOurs = errors.New("this Redis is not initialised (run kasse rebuild, or kasse init)")
)

// unavailable converts an error of Redis into one that callers may see.
func unavailable(err error) error {
	switch {
	case err == nil:
		return nil
	case redis.HasErrorPrefix(err, replyConflict):
		return payment.ErrConflict
	case strings.Contains(err.Error(), replyWrongType): // a script's error may begin with where it happened
		return &payment.Error{Code: payment.CodeInternal, Detail: "A stored record cannot be read.", Cause: err}
	case errors.Is(err, errNoMeta), redis.HasErrorPrefix(err, replyNoMeta):
		err = errNotOurs
	}
	return &payment.Error{
		Code: payment.CodeStoreUnavailable, Detail: "The store cannot be reached or refuses to write.",
		RetryAfter: time.Second, Cause: err,
	}
}
