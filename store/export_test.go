package store

import (
	"testing"
	"time"
)

// Unconfirmed returns how many writes wait for a pipeline in which the replicas of their server confirm them.
func (s *Store) Unconfirmed() (count int) {
	s.confirms.mu.Lock()
	defer s.confirms.mu.Unlock()
	for _, q := range s.confirms.servers {
		count += len(q.waiting)
	}
	return count
}

// LookUpMastersEvery sets how often clients that are opened from now on look up a cluster's masters without a reason.
func LookUpMastersEvery(t testing.TB, every time.Duration) {
	t.Helper()
	before := lookUpEvery
	lookUpEvery = every
	t.Cleanup(func() { lookUpEvery = before })
}
