package api

import (
	"hash/maphash"
	"sync"
	"time"
)

// Limit is the number of requests allowed in a period, all at once or spread over it. The zero Limit allows
// everything.
type Limit struct {
	Count int
	Per   time.Duration
}

// maxCounted is how many keys a quota remembers, of some 40 bytes each.
const maxCounted = 1 << 16

// quota counts the use of a limit in this process. For each key it keeps one number, as
// store/scripts/use_limit.lua does: the time at which its quota is full again (GCRA). A key is stored as a
// hash, so that memory is bounded for any input.
type quota struct {
	Limit
	now  func() time.Time
	seed maphash.Seed

	began time.Time
	mu    sync.Mutex
	used  map[uint64]time.Duration // by the hash of the key: since began, when all of its limit is there again
}

func newQuota(l Limit, now func() time.Time) *quota {
	q := &quota{Limit: l, now: now, seed: maphash.MakeSeed(), used: map[uint64]time.Duration{}}
	if l.Count > 0 {
		q.began = now()
	}
	return q
}

// take uses one of the key's requests. It returns how many are left, or the time until the next one.
func (q *quota) take(key string) (left int, wait time.Duration) {
	hash, each := maphash.String(q.seed, key), q.Per/time.Duration(q.Count)
	whole := each * time.Duration(q.Count)
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.now().Sub(q.began)
	used, known := q.used[hash]
	used = max(used, now) + each
	if over := used - now - whole; over > 0 {
		return 0, over
	}
	if !known && len(q.used) >= maxCounted {
		q.forget(now)
	}
	q.used[hash] = used
	return int((whole - (used - now)) / each), 0
}

// forget makes room. First it drops keys with a full quota, which loses nothing. Then it drops any keys, an
// eighth at once, so that a flood of keys does not cause this at every request. Such a flood lets some of its
// own requests through, and blocks no other key.
func (q *quota) forget(now time.Duration) {
	for hash, used := range q.used {
		if used <= now {
			delete(q.used, hash)
		}
	}
	for hash := range q.used {
		if len(q.used) <= maxCounted/8*7 {
			break
		}
		delete(q.used, hash)
	}
}
