package store

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

var saveCatchUpScript = script("save_catch_up")

// LoadCatchUp returns the time up to which Stripe's events have been caught up with, zero before the first
// catch-up, and Redis's clock. Each partition has a cursor of its own, and the oldest counts. A partition
// that went back in time has an old cursor or none, independently of the others, so the events that it lost
// are listed again.
func (s *Store) LoadCatchUp(ctx context.Context) (done, now time.Time, err error) {
	pipe := s.redis.Pipeline()
	var stored []*redis.StringCmd
	for _, part := range s.partitions() {
		stored = append(stored, pipe.Get(ctx, part.catchUp()))
	}
	clock := pipe.Time(ctx)
	_, _ = pipe.Exec(ctx) // each reply has its own error
	if clock.Err() != nil {
		return done, now, unavailable(clock.Err())
	}
	for i, reply := range stored {
		if err := ignoreNil(reply.Err()); err != nil {
			return done, now, unavailable(err)
		}
		seconds, err := strconv.ParseInt(reply.Val(), 10, 64)
		if err != nil {
			return time.Time{}, clock.Val(), nil //nolint:nilerr // no cursor: all of the first period is listed
		}
		if at := time.Unix(seconds, 0); i == 0 || at.Before(done) {
			done = at
		}
	}
	return done, clock.Val(), nil
}

// SaveCatchUp stores in every partition the time up to which Stripe's events have been caught up with; no
// cursor goes back. Redis replicates a partition's cursor after what the catch-up wrote there: a failover
// that loses the one loses the other.
func (s *Store) SaveCatchUp(ctx context.Context, done time.Time) error {
	for _, part := range s.partitions() {
		err := saveCatchUpScript.Run(ctx, s.redis, []string{part.catchUp(), s.meta(part)}, done.Unix()).Err()
		if err != nil {
			return unavailable(err)
		}
	}
	return nil
}

func ignoreNil(err error) error {
	if errors.Is(err, redis.Nil) {
		return nil
	}
	return err
}
