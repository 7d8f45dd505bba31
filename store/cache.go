package store

import (
	"context"
	"hash/maphash"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"kasse/service"
)

const (
	cacheAge    = 30 * time.Second // after which a view is read again, should Redis's word have been lost
	cacheShards = 64
	shardViews  = 256     // 16,384 in all, some 60 MiB with all that belongs to them
	largestView = 4 << 10 // bytes; one with more, which are a shop's metadata, is not kept
)

// cache keeps views, ready to be served, until Redis says that they have changed. The saying is go-redis's client-side
// caching, which calls a Cache: it asks Redis to be told of what it has read, hears that on any of its connections, and knows
// when a connection's end has made it deaf. Its own Cache keeps replies as bytes, and reading those again costs half as
// much as asking for them.
//
// Redis's word takes some 5 ms. Whoever has written something, or got a hint, does not wait for it: see forget. What is
// forgotten while it is being read is not kept, and those who read the same at the same time read it once.
type cache struct {
	now    func() time.Time
	seed   maphash.Seed
	shards [cacheShards]cacheShard

	hits, misses atomic.Int64

	mu     sync.Mutex
	tokens uint64
	asked  map[uint64]string // keys of which Redis will tell, by the token of the question that is out
}

type cacheShard struct {
	mu      sync.RWMutex
	forgot  int // times that something was
	reading map[string]*reading
	kept    map[string]keptView
}

// reading is a read that is under way.
type reading struct {
	before  int       // what had been forgotten when it began
	until   time.Time // that it may be kept
	crowded bool      // another one was under way: whose answers Redis tells of is not known
	told    bool      // Redis tells of the key from now on, on this connection
	by      uint64
	changed bool // Redis has told of a change
	done    chan struct{}
	view    service.StoredView
	err     error
}

type keptView struct {
	view  service.StoredView
	until time.Time
	by    uint64 // the connection that it was read on, and that Redis will tell of its change on
}

func newCache(now func() time.Time) *cache {
	c := &cache{now: now, seed: maphash.MakeSeed(), asked: map[uint64]string{}}
	for i := range c.shards {
		c.shards[i].reading, c.shards[i].kept = map[string]*reading{}, map[string]keptView{}
	}
	return c
}

func (c *cache) shard(key string) *cacheShard {
	return &c.shards[maphash.String(c.seed, key)%cacheShards]
}

// view returns what is kept of a key, or what is read now.
func (c *cache) view(ctx context.Context, key string, load func(context.Context) (service.StoredView, error)) (service.StoredView, error) {
	s := c.shard(key)
	s.mu.RLock()
	found, ok := s.kept[key]
	s.mu.RUnlock()
	if ok && c.now().Before(found.until) {
		c.hits.Add(1)
		return found.view, nil
	}
	c.misses.Add(1)
	r, first := s.begin(key, c.now().Add(cacheAge))
	if first {
		go func() { // others wait for it, too
			r.view, r.err = load(context.WithoutCancel(ctx))
			s.end(key, r)
		}()
	}
	select {
	case <-r.done:
		return r.view, r.err
	case <-ctx.Done():
		return service.StoredView{}, unavailable(ctx.Err())
	}
}

// begin joins a read since whose beginning nothing was forgotten, or begins one.
func (s *cacheShard) begin(key string, until time.Time) (r *reading, first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	other := s.reading[key]
	if other != nil && other.before == s.forgot {
		return other, false
	}
	r = &reading{before: s.forgot, until: until, crowded: other != nil, done: make(chan struct{})}
	s.reading[key] = r
	return r, true
}

// end keeps what was read, if Redis will tell of its change and has told of none so far.
func (s *cacheShard) end(key string, r *reading) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reading[key] == r {
		delete(s.reading, key)
	}
	if r.err == nil && r.told && !r.crowded && !r.changed && r.before == s.forgot && len(r.view.View) <= largestView {
		s.makeRoom()
		r.view.Public = service.PublicPart(r.view.View)
		s.kept[key] = keptView{r.view, r.until, r.by}
	}
	close(r.done)
}

// makeRoom drops any few of the views where there are too many.
func (s *cacheShard) makeRoom() {
	for key := range s.kept {
		if len(s.kept) < shardViews {
			return
		}
		delete(s.kept, key)
	}
}

// forget drops what is kept of a key that has changed.
func (c *cache) forget(key string) {
	s := c.shard(key)
	s.mu.Lock()
	s.forgot++
	delete(s.kept, key)
	s.mu.Unlock()
}

func (c *cache) forgetAll() {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		s.forgot++
		clear(s.kept)
		s.mu.Unlock()
	}
}

// What follows is called by go-redis, which names our keys behind something of its own.

func ours(name string) string { return name[max(strings.Index(name, keyPrefix), 0):] }

// Get finds nothing: what is kept is found before go-redis is asked.
func (c *cache) Get(context.Context, string) ([]byte, bool) { return nil, false }

// Reserve is called before something is read. Whoever is first has waited here for the others already. What is no view is
// not kept.
func (c *cache) Reserve(question string, names []string) (token uint64, shouldFetch bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tokens++
	c.asked[c.tokens] = ""
	if strings.Contains(question, askView) {
		c.asked[c.tokens] = ours(names[0])
	}
	return c.tokens, true
}

// FulfillOwned is called when something was read of which Redis will tell.
func (c *cache) FulfillOwned(_ string, token, connection uint64, _ []byte) bool {
	key := c.answered(token)
	s := c.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.reading[key]; r != nil {
		r.told, r.by = true, connection
	}
	return true
}

// Cancel is called when it was not.
func (c *cache) Cancel(_ string, token uint64) bool {
	c.answered(token)
	return true
}

func (c *cache) answered(token uint64) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := c.asked[token]
	delete(c.asked, token)
	return key
}

// DeleteByRedisKey is called when a key has changed since it was read. What is being read may be older, too: of its change
// go-redis may hear before it says that the answer is there.
func (c *cache) DeleteByRedisKey(name string) int {
	key := ours(name)
	s := c.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.kept, key)
	if r := s.reading[key]; r != nil {
		r.changed = true
	}
	return 1
}

// DeleteByCacheKey is called when a reply could not be read; none was kept.
func (c *cache) DeleteByCacheKey(string) bool { return false }

// EvictByConn is called when Redis will no longer tell of what one of the connections has read.
func (c *cache) EvictByConn(connection uint64) int {
	for i := range c.shards {
		c.shards[i].forgetOf(connection)
	}
	return 0
}

func (s *cacheShard) forgetOf(connection uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.kept, func(_ string, v keptView) bool { return v.by == connection })
	for _, r := range s.reading {
		r.told = r.told && r.by != connection
	}
}

// Flush is called when everything has changed.
func (c *cache) Flush() int {
	c.forgetAll()
	return 0
}

// state returns what the cache has come to.
func (c *cache) state() Kept {
	k := Kept{Hits: c.hits.Load(), Misses: c.misses.Load()}
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.RLock()
		k.Views += len(s.kept)
		s.mu.RUnlock()
	}
	return k
}
