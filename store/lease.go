package store

import (
	"context"
	"time"
)

var (
	takeLeaseScript     = script("take_lease")
	giveBackLeaseScript = script("give_back_lease")
)

// TakeLease acquires or renews the lease of that name for its owner. It returns false if another owner has
// it.
func (s *Store) TakeLease(ctx context.Context, name, owner string, lasts time.Duration) (bool, error) {
	part := s.partitionAt(0)
	keys := []string{part.lease(name), s.meta(part)}
	taken, err := takeLeaseScript.Run(ctx, s.redis, keys, owner, lasts.Milliseconds()).Bool()
	return taken, unavailable(err)
}

// GiveBackLease ends the lease of that name, if it is the owner's.
func (s *Store) GiveBackLease(ctx context.Context, name, owner string) error {
	return unavailable(giveBackLeaseScript.Run(ctx, s.redis, []string{s.partitionAt(0).lease(name)}, owner).Err())
}
