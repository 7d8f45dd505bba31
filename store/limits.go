package store

import (
	"context"
	"math"
	"time"

	"github.com/go-redis/redis_rate/v10"
)

// TakeQuota takes one of so many requests in a period under the name, of all replicas together. It
// returns how many are left, or how long to wait for the next. go-redis may send it twice where a
// reply is lost: then one more is counted than came.
func (s *Store) TakeQuota(
	ctx context.Context, name string, count int, per time.Duration,
) (left int, wait time.Duration, err error) {
	key := s.partitionAt(s.hash(name)).limit(name)
	result, err := s.limiter.Allow(ctx, key, redis_rate.Limit{Rate: count, Burst: count, Period: per})
	if err != nil {
		return 0, 0, unavailable(err)
	}
	if result.Allowed == 0 {
		return 0, max(result.RetryAfter, time.Millisecond), nil
	}
	// redis_rate rounds what is left down, in floating point: of ten, eight are left after the first.
	const blur = 0.01
	used := float64(result.ResetAfter) / float64(per) * float64(count)
	return max(0, count-int(math.Ceil(used-blur))), 0, nil
}
