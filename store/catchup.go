package store

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

var saveCatchUpScript = script("save_catch_up")

// LoadCatchUp returns up to when Stripe's events have been caught up with, zero where they never
// were, and Redis's clock.
func (s *Store) LoadCatchUp(ctx context.Context) (done, now time.Time, err error) {
	pipe := s.redis.Pipeline()
	stored := pipe.Get(ctx, s.partitionAt(0).catchUp())
	clock := pipe.Time(ctx)
	_, _ = pipe.Exec(ctx) // each reply has its own error
	if err := errors.Join(ignoreNil(stored.Err()), clock.Err()); err != nil {
		return done, now, unavailable(err)
	}
	if seconds, err := strconv.ParseInt(stored.Val(), 10, 64); err == nil {
		done = time.Unix(seconds, 0)
	}
	return done, clock.Val(), nil
}

// SaveCatchUp notes up to when Stripe's events have been caught up with; it never goes back.
func (s *Store) SaveCatchUp(ctx context.Context, done time.Time) error {
	part := s.partitionAt(0)
	return unavailable(saveCatchUpScript.Run(ctx, s.redis, []string{part.catchUp(), s.meta(part)}, done.Unix()).Err())
}

func ignoreNil(err error) error {
	if errors.Is(err, redis.Nil) {
		return nil
	}
	return err
}
