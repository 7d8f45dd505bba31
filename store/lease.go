package store

import (
	"context"
	"time"
)

var (
	acquireLeaseScript = script("acquire_lease")
	releaseLeaseScript = script("release_lease")
)

// AcquireLease acquires or renews the lease of that name for its owner. It returns false if another owner has
// it.
func (s *Store) AcquireLease(ctx context.Context, name, owner string, lasts time.Duration) (bool, error) {
	part := s.partitionAt(0)
	keys := []string{part.lease(name), s.meta(part)}
	taken, err := acquireLeaseScript.Run(ctx, s.redis, keys, owner, lasts.Milliseconds()).Bool()
	return taken, unavailable(err)
}

// ReleaseLease ends the lease of that name, if it is the owner's.
func (s *Store) ReleaseLease(ctx context.Context, name, owner string) error {
	return unavailable(releaseLeaseScript.Run(ctx, s.redis, []string{s.partitionAt(0).lease(name)}, owner).Err())
}
