package store

import (
	"time"

	"github.com/redis/go-redis/v9"
)

// Readers are separate connections for status reads and the feed, so that many polls cannot use up those of
// webhooks and creates.
type Readers struct {
	client redis.UniversalClient
	cache  *cache // nil: nothing is kept
}

// ConnectReaders opens a client for the URL as Connect does. With keep it caches views until Redis reports a
// change, only on database 0 of a single server.
func ConnectReaders(mode, url string, keep bool) (*Readers, error) {
	r := &Readers{}
	var err error
	if keep && mode == "single" {
		r.cache = newCache(time.Now) //nolint:forbidigo // it measures how long a view was kept, and dates nothing
		r.client, err = newSingleClient(url, r.cache)
	} else {
		r.client, err = newClient(mode, url)
	}
	if err != nil {
		return nil, err
	}
	r.client.AddHook(bounded{})
	return r, nil
}

// Close ends the connections.
func (r *Readers) Close() error { return r.client.Close() }

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
