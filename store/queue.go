package store

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/go-redis/redis_rate/v10"
	"github.com/redis/go-redis/v9"

	"kasse/service"
)

var takeReadsSource, _ = scripts.ReadFile("scripts/take_reads.lua")

// TakeReads returns payments whose read is due, the longest due first, and hides them from everybody for so long. Where
// another takes them in between there are fewer.
func (s *Store) TakeReads(ctx context.Context, limit int, hide time.Duration) ([]service.PaymentID, error) {
	shares, err := s.shareReads(ctx, limit)
	if err != nil || len(shares) == 0 {
		return nil, err
	}
	replies, err := s.redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for part, share := range shares {
			pipe.Eval(ctx, string(takeReadsSource), []string{part.reads()}, share, hide.Milliseconds())
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

// shareReads says how many of the reads that come first, due or not yet, lie in which partition.
func (s *Store) shareReads(ctx context.Context, limit int) (map[partition]int, error) {
	replies, err := s.redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for n := range s.Partitions {
			pipe.ZRangeWithScores(ctx, s.paymentPartitionAt(n).reads(), 0, int64(limit)-1)
		}
		return nil
	})
	if err != nil {
		return nil, unavailable(err)
	}
	type waiting struct {
		part partition
		due  float64
	}
	var first []waiting
	for n, reply := range replies {
		for _, read := range reply.(*redis.ZSliceCmd).Val() {
			first = append(first, waiting{s.paymentPartitionAt(n), read.Score})
		}
	}
	slices.SortFunc(first, func(a, b waiting) int { return cmp.Compare(a.due, b.due) })
	shares := map[partition]int{}
	for _, w := range first[:min(limit, len(first))] {
		shares[w.part]++
	}
	return shares, nil
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
