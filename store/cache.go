package store

import (
	"context"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"kasse/service/payment"
)

const (
	cacheAge    = 30 * time.Second // after which a view is read again, in case an invalidation was lost
	cacheShards = 64
	shardViews  = 256     // 16,384 in all, some 60 MiB with their overhead
	largestView = 4 << 10 // bytes; a larger one, with much metadata, is not kept
)

// cache keeps rendered views until Redis reports that their order has changed. Invalidation uses
// Redis client-side caching: go-redis calls our Cache when a key has changed and when a tracking
// connection closes. go-redis's own cache keeps replies as bytes, and decoding a reply again costs
// half as much as requesting it.
//
// A view is served from memory only while the server that it was read from is known to hold its
// partition, and answers on the subscription (listen.go): otherwise a disconnected process, or a
// process whose server was replaced, would continue to serve old views.
//
// An invalidation takes some 5 ms. A writer in this process and the receiver of a hint do not wait
// for it, since they call forget. A view that is forgotten while it is being read is not kept.
// Readers of the same view at the same time share one read.
//
// A kept view goes through these states:
//
//	reading ── tracked, not forgotten meanwhile ──> kept ── changed, forgotten, old, connection closed ──> gone
//	   └────── untracked, uncertain or forgotten ──> gone
//
// A read is uncertain if Redis has reported a change of its key meanwhile, or if it overlaps another read of the
// key: a tracking confirmation cannot be attributed to either.
type cache struct {
	now    func() time.Time
	seed   maphash.Seed
	shards [cacheShards]cacheShard

	hits, misses atomic.Int64
	trusted      [maxPartitions]atomic.Pointer[trust] // by partition; nil: its kept views may not be served
	servers      atomic.Uint64                        // servers that have a number so far

	mu     sync.Mutex
	tokens uint64
	asked  map[uint64]viewKey // of reads whose tracking go-redis has not confirmed yet, by its token
}

// viewKey names a view: the key of its order, and the field of its payment.
type viewKey struct{ order, field string }

// serverNumber numbers the servers that hold partitions. A single server is 0, others begin at 1.
type serverNumber uint64

// trust lets views be served that were read from a server.
type trust struct {
	server serverNumber
	until  time.Time
}

type cacheShard struct {
	mu         sync.RWMutex
	generation int // raised by every forget
	reading    map[viewKey]*reading
	kept       map[string][]keptView // by order
	count      int
}

// reading is a read that is in flight.
type reading struct {
	generation int       // of the shard, when the read began
	until      time.Time // that the view may be kept
	state      readState
	server     serverNumber // of tracked
	connection uint64       // of tracked
	done       chan struct{}
	view       payment.StoredView
	err        error
}

// readState decides whether the view of a read is kept: only tracked ones are.
type readState int

const (
	untracked readState = iota // Redis has not confirmed that it reports changes of the key
	tracked                    // the server reports them on the connection, and has reported none
	uncertain                  // final: overlapped or changed
)

type keptView struct {
	field      string // of the payment
	view       payment.StoredView
	until      time.Time
	server     serverNumber
	connection uint64 // on which the server reports a change of the key
}

func newCache(now func() time.Time) *cache {
	c := &cache{now: now, seed: maphash.MakeSeed(), asked: map[uint64]viewKey{}}
	for i := range c.shards {
		c.shards[i].reading, c.shards[i].kept = map[viewKey]*reading{}, map[string][]keptView{}
	}
	return c
}

func (c *cache) shard(order string) *cacheShard {
	return &c.shards[maphash.String(c.seed, order)%cacheShards]
}

// view returns the kept view of a key of the partition, or reads it.
func (c *cache) view(
	ctx context.Context, part int, key viewKey, load func(context.Context) (payment.StoredView, error),
) (payment.StoredView, error) {
	s := c.shard(key.order)
	s.mu.RLock()
	found, ok := s.find(key)
	s.mu.RUnlock()
	if now := c.now(); ok && now.Before(found.until) && c.trusts(part, found.server, now) {
		c.hits.Add(1)
		return found.view, nil
	}
	c.misses.Add(1)
	r, first := s.begin(key, c.now().Add(cacheAge))
	if first {
		go func() { // other readers wait for it, too
			r.view, r.err = load(context.WithoutCancel(ctx))
			s.end(key, r)
		}()
	}
	select {
	case <-r.done:
		view := r.view
		view.Reads = 1
		return view, r.err
	case <-ctx.Done():
		return payment.StoredView{}, unavailable(ctx.Err())
	}
}

// trustUntil lets views of a partition be served until a moment, if they were read from the server.
// Each answered probe on the connection that delivers hints moves that moment forward. A
// disconnected process gets no invalidations from Redis.
func (c *cache) trustUntil(part int, server serverNumber, end time.Time) {
	c.trusted[part].Store(&trust{server, end})
}

// distrust ends the use of kept views of a partition that were read from the server. Views of
// another server, which now holds the partition, continue to be served.
func (c *cache) distrust(part int, server serverNumber) {
	if t := c.trusted[part].Load(); t != nil && t.server == server {
		c.trusted[part].CompareAndSwap(t, nil)
	}
}

func (c *cache) trusts(part int, server serverNumber, now time.Time) bool {
	t := c.trusted[part].Load()
	return t != nil && t.server == server && now.Before(t.until)
}

// begin joins a read of the current generation, or begins one.
func (s *cacheShard) begin(key viewKey, until time.Time) (r *reading, first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	other := s.reading[key]
	if other != nil && other.generation == s.generation {
		return other, false
	}
	r = &reading{generation: s.generation, until: until, done: make(chan struct{})}
	if other != nil {
		r.state = uncertain
	}
	s.reading[key] = r
	return r, true
}

// end keeps the view that was read, if Redis reports its changes and has reported none so far.
func (s *cacheShard) end(key viewKey, r *reading) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reading[key] == r {
		delete(s.reading, key)
	}
	current := r.state == tracked && r.generation == s.generation
	if r.err == nil && current && len(r.view.View) <= largestView {
		s.makeRoom()
		r.view.Public = payment.PublicPart(r.view.View)
		s.keep(key, keptView{key.field, r.view, r.until, r.server, r.connection})
	}
	close(r.done)
}

// find returns a kept view. An order has few payments.
func (s *cacheShard) find(key viewKey) (keptView, bool) {
	for _, v := range s.kept[key.order] {
		if v.field == key.field {
			return v, true
		}
	}
	return keptView{}, false
}

func (s *cacheShard) keep(key viewKey, v keptView) {
	views := s.kept[key.order]
	for i := range views {
		if views[i].field == key.field {
			views[i] = v
			return
		}
	}
	s.kept[key.order] = append(views, v)
	s.count++
}

// drop drops the views of an order.
func (s *cacheShard) drop(order string) {
	s.count -= len(s.kept[order])
	delete(s.kept, order)
}

// makeRoom drops the views of a few arbitrary orders if there are too many.
func (s *cacheShard) makeRoom() {
	for order := range s.kept {
		if s.count < shardViews {
			return
		}
		s.drop(order)
	}
}

// forget drops the views of an order that has changed.
func (c *cache) forget(order string) {
	s := c.shard(order)
	s.mu.Lock()
	s.generation++
	s.drop(order)
	s.mu.Unlock()
}

func (c *cache) forgetAll() {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		s.generation++
		clear(s.kept)
		s.count = 0
		s.mu.Unlock()
	}
}

// stats counts hits, misses and kept views.
func (c *cache) stats() CacheStats {
	k := CacheStats{Hits: c.hits.Load(), Misses: c.misses.Load()}
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.RLock()
		k.Views += s.count
		s.mu.RUnlock()
	}
	return k
}
