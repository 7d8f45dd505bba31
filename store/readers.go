package store

import (
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

// Readers are separate connections for status reads and the feed, so that many polls cannot use up those of
// webhooks and creates.
type Readers struct {
	client    redis.UniversalClient
	cache     *cache     // nil: nothing is kept
	sentinels *sentinels // nil: none, or nothing is kept
}

// ConnectReaders opens a client for the URL as Connect does. With keep it keeps views until Redis
// reports a change; behind sentinels and on a single server on database 0 only.
func ConnectReaders(mode, url string, keep bool) (*Readers, error) {
	r := &Readers{}
	if keep {
		r.cache = newCache(time.Now) //nolint:forbidigo // it measures how long a view was kept, and dates nothing
	}
	if err := r.connect(mode, url); err != nil {
		return nil, err
	}
	r.client.AddHook(bounded{})
	return r, nil
}

func (r *Readers) connect(mode, url string) (err error) {
	switch {
	case r.cache == nil:
		r.client, err = newClient(mode, url)
	case mode == "cluster":
		r.client, err = r.connectCluster(url)
	case mode == "sentinel":
		r.client, err = r.connectSentinels(url)
	default:
		r.client, err = newSingleClient(url, r.cache)
	}
	return err
}

// connectCluster opens a client that tracks what it reads on the connections to each master.
func (r *Readers) connectCluster(url string) (redis.UniversalClient, error) {
	o, err := clusterOptions(url)
	if err != nil {
		return nil, err
	}
	o.NewClient = r.cache.connectTracked
	return newClusterClient(o), nil
}

// connectSentinels opens a client that tracks what it reads on the connections to the master.
// go-redis treats the master as a cluster of one server, whose address the sentinels name: a new
// master has a client of its own, so that nothing is kept from the old one. On another database than
// 0 go-redis tracks nothing.
func (r *Readers) connectSentinels(url string) (redis.UniversalClient, error) {
	o, err := redis.ParseFailoverURL(url)
	if err != nil {
		return nil, err
	}
	if o.DB != 0 {
		r.cache = nil
		return newClient("sentinel", url)
	}
	r.sentinels = newSentinels(o)
	c := r.sentinels.clusterOptions()
	c.NewClient = r.cache.connectTracked
	return newClusterClient(c), nil
}

// connectTracked opens a client of one server that tracks what it reads.
func (c *cache) connectTracked(o *redis.Options) *redis.Client {
	o.ClientSideCache = c.trackAnother()
	o.ClientSideCacheConfig = &redis.CacheConfig{DrainInterval: drainEvery} // go-redis uses nothing else of it
	return redis.NewClient(o)
}

// numberOf returns the number of the server that a client of connectTracked reads from; 0 for other
// clients.
func numberOf(client *redis.Client) serverNumber {
	if t, ok := client.Options().ClientSideCache.(tracking); ok {
		return t.server
	}
	return 0
}

// Close ends the connections.
func (r *Readers) Close() error {
	err := r.client.Close()
	if r.sentinels != nil {
		err = errors.Join(err, r.sentinels.close())
	}
	return err
}

// CacheStats is the state of the cache of views.
type CacheStats struct {
	Hits, Misses int64 // since the start
	Views        int   // now
}

// CacheStats returns the state of the cache; zero where there is none.
func (s *Store) CacheStats() CacheStats {
	if s.Readers.cache == nil {
		return CacheStats{}
	}
	return s.Readers.cache.stats()
}
