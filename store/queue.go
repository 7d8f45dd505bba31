package store

import (
	"context"
	"time"

	"github.com/go-redis/redis_rate/v10"
	"github.com/redis/go-redis/v9"

	"kasse/service"
)

var takeReadsSource, _ = scripts.ReadFile("scripts/take_reads.lua")

// TakeReads returns payments whose read is due, and hides them from everybody for so long.
func (s *Store) TakeReads(ctx context.Context, limit int, hide time.Duration) ([]service.PaymentID, error) {
	each := max(limit/s.Partitions, 1)
	replies, err := s.redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for n := range s.Partitions {
			pipe.Eval(ctx, string(takeReadsSource), []string{s.paymentPartitionAt(n).reads()}, each, hide.Milliseconds())
		}
		return nil
	})
	if err != nil {
		return nil, unavailable(err)
	}
	var ids []service.PaymentID
	for _, reply := range replies {
		due, err := reply.(*redis.Cmd).StringSlice()
		if err != nil {
			return nil, unavailable(err)
		}
		for _, id := range due {
			ids = append(ids, service.PaymentID(id))
		}
	}
	return ids, nil
}

// DropRead takes a payment out of the queue.
func (s *Store) DropRead(ctx context.Context, id service.PaymentID) error {
	return unavailable(s.redis.ZRem(ctx, s.paymentPartition(id).reads(), string(id)).Err())
}

// AllowRead takes one of so many reads a second, shared by all replicas, or says how long to wait.
func (s *Store) AllowRead(ctx context.Context, perSecond int) (time.Duration, error) {
	result, err := s.limiter.Allow(ctx, s.paymentPartitionAt(0).reads(), redis_rate.PerSecond(perSecond))
	if err != nil {
		return 0, unavailable(err)
	}
	if result.Allowed > 0 {
		return 0, nil
	}
	return result.RetryAfter, nil
}
