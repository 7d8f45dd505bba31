package store

import (
	"context"
	"slices"
	"strings"
)

// go-redis calls the methods below; with several servers it calls those of tracking. It prefixes
// our keys with a namespace of its own.

// tracking is the cache for the connections to one server.
type tracking struct {
	*cache
	server serverNumber
}

// trackAnother returns the cache for another server.
func (c *cache) trackAnother() tracking { return tracking{c, serverNumber(c.servers.Add(1))} }

// FulfillOwned is FulfillOwned of the cache, for this server.
func (t tracking) FulfillOwned(_ string, token, connection uint64, _ []byte) bool {
	t.fulfilled(token, t.server, connection)
	return true
}

func ours(name string) string { return name[max(strings.Index(name, keyPrefix), 0):] }

// Get finds nothing: kept views are looked up before go-redis reads.
func (c *cache) Get(context.Context, string) ([]byte, bool) { return nil, false }

// Reserve is called before a read. Other readers of the view wait in view. A reply that is not a
// view is not kept. A view that takes several commands is tracked if its last one is.
func (c *cache) Reserve(question string, names []string) (token uint64, shouldFetch bool) {
	var key viewKey
	if _, field, isView := strings.Cut(question, "\r\n"+recordPrefix); isView {
		id, _, _ := strings.Cut(field, "\r\n") // the command in Redis's protocol
		key = viewKey{ours(names[0]), recordPrefix + id}
		c.setState(key, untracked, 0, 0)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tokens++
	c.asked[c.tokens] = key
	return c.tokens, true
}

// FulfillOwned is called when a reply has arrived and Redis reports changes of its key.
func (c *cache) FulfillOwned(_ string, token, connection uint64, _ []byte) bool {
	c.fulfilled(token, 0, connection)
	return true
}

func (c *cache) fulfilled(token uint64, server serverNumber, connection uint64) {
	c.setState(c.takeKey(token), tracked, server, connection)
}

// setState sets the state of a read that is in flight, unless it is uncertain.
func (c *cache) setState(key viewKey, state readState, server serverNumber, connection uint64) {
	s := c.shard(key.order)
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.reading[key]; r != nil && r.state != uncertain {
		r.state, r.server, r.connection = state, server, connection
	}
}

// Cancel is called when no reply has arrived, or Redis does not report changes of its key.
func (c *cache) Cancel(_ string, token uint64) bool {
	c.takeKey(token)
	return true
}

// takeKey returns the view that go-redis reads under the token, and removes the token.
func (c *cache) takeKey(token uint64) viewKey {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := c.asked[token]
	delete(c.asked, token)
	return key
}

// DeleteByRedisKey is called when a key has changed since it was read. A read in flight may be
// older, too: go-redis may report the change before it hands out the reply.
func (c *cache) DeleteByRedisKey(name string) int {
	order := ours(name)
	s := c.shard(order)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(order)
	for key, r := range s.reading {
		if key.order == order {
			r.state = uncertain
		}
	}
	return 1
}

// DeleteByCacheKey is called when a reply could not be decoded; none was kept.
func (c *cache) DeleteByCacheKey(string) bool { return false }

// EvictByConn is called when a connection has closed on which Redis reported changes.
func (c *cache) EvictByConn(connection uint64) int {
	for i := range c.shards {
		c.shards[i].forgetConnection(connection)
	}
	return 0
}

func (s *cacheShard) forgetConnection(connection uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for order, views := range s.kept {
		s.count -= len(views)
		views = slices.DeleteFunc(views, func(v keptView) bool { return v.connection == connection })
		s.count += len(views)
		if s.kept[order] = views; len(views) == 0 {
			delete(s.kept, order)
		}
	}
	for _, r := range s.reading {
		if r.state == tracked && r.connection == connection {
			r.state = untracked
		}
	}
}

// Flush is called when all keys may have changed.
func (c *cache) Flush() int {
	c.forgetAll()
	return 0
}
