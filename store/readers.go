package store

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"
)

// Levers are two young features of go-redis, for what is read again and again.
type Levers struct {
	AutoPipeline bool // questions that are asked at the same time go in one pipeline
	ClientCache  bool // views are kept here until Redis says that they have changed; of a single server's database 0 only
}

// Readers are connections of their own for those who read what was rendered: a storm of polls cannot use up those of
// webhooks and creates.
type Readers struct {
	client redis.UniversalClient
	views  asker
	cache  *cache // nil: nothing is kept
}

// asker asks what a poll asks.
type asker interface {
	HGet(ctx context.Context, key, field string) *redis.StringCmd
	HMGet(ctx context.Context, key string, fields ...string) *redis.SliceCmd
}

// ConnectReaders opens a client for the URL as Connect does.
func ConnectReaders(mode, url string, l Levers) (*Readers, error) {
	r := &Readers{}
	var err error
	if l.ClientCache && mode == "single" {
		r.cache = newCache(time.Now) //nolint:forbidigo // it says how long something was kept, and dates nothing
		r.client, err = newSingleClient(url, r.cache)
	} else {
		r.client, err = newClient(mode, url)
	}
	if err != nil {
		return nil, err
	}
	r.client.AddHook(bounded{})
	r.views = r.client
	if l.AutoPipeline && r.cache == nil {
		r.views, err = autoPipeline(r.client)
	}
	return r, err
}

func autoPipeline(client redis.UniversalClient) (asker, error) {
	switch c := client.(type) {
	case *redis.Client:
		return c.AutoPipeline()
	case *redis.ClusterClient:
		return c.AutoPipeline()
	}
	return client, nil
}

// Close ends the connections.
func (r *Readers) Close() error { return r.client.Close() }

// Kept is what the cache of views has come to.
type Kept struct {
	Hits, Misses int64 // since the start
	Views        int   // now
}

// Kept returns the state of the cache; zero where there is none.
func (s *Store) Kept() Kept {
	if s.Readers.cache == nil {
		return Kept{}
	}
	return s.Readers.cache.state()
}
