package store

import (
	"time"

	"github.com/redis/go-redis/v9"
)

// Readers are connections of their own for those who read what was rendered: a storm of polls cannot use up those of
// webhooks and creates.
type Readers struct {
	client redis.UniversalClient
	cache  *cache // nil: nothing is kept
}

// ConnectReaders opens a client for the URL as Connect does. Where it may keep views, it keeps them until Redis says that
// they have changed; that is for a single server's database 0.
func ConnectReaders(mode, url string, keep bool) (*Readers, error) {
	r := &Readers{}
	var err error
	if keep && mode == "single" {
		r.cache = newCache(time.Now) //nolint:forbidigo // it says how long something was kept, and dates nothing
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

// CacheStats is what the cache of views has come to.
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
