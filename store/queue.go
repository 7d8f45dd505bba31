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

var wantReadScript = script("want_read")

var takeReadsSource, _ = scripts.ReadFile("scripts/take_reads.lua")

// TakeReads returns payments whose read is due, the longest due first, and hides them from everybody for so long. Where
// another takes them in between there are fewer.
func (s *Store) TakeReads(ctx context.Context, limit int, hide time.Duration) ([]service.PaymentID, error) {
	return s.take(ctx, partition.reads, limit, hide)
}

// TakeSweeps is TakeReads for running payments that have not changed for a while.
func (s *Store) TakeSweeps(ctx context.Context, limit int, hide time.Duration) ([]service.PaymentID, error) {
	return s.take(ctx, partition.sweep, limit, hide)
}

// TakeRestores is TakeReads for payments that a page asked for and that are not here.
func (s *Store) TakeRestores(ctx context.Context, limit int, hide time.Duration) ([]service.PaymentID, error) {
	return s.take(ctx, partition.restore, limit, hide)
}

// mostRestores bounds the payments that wait to be restored, in all partitions together: anybody can name some.
const mostRestores = 1_000

var wantRestoreScript = script("want_restore")

// WantRestore notes a payment that is not here, to be asked for at Stripe. One that is here, or one too many, is not
// noted, and takes as long.
func (s *Store) WantRestore(ctx context.Context, id service.PaymentID) error {
	part := s.paymentPartition(id)
	return unavailable(wantRestoreScript.Run(ctx, s.redis, []string{part.payment(id), part.restore(), s.meta(part), part.strangers()},
		string(id), mostRestores/s.Partitions).Err())
}

// take returns the members of a queue whose turn has come, and hides them.
func (s *Store) take(ctx context.Context, queue func(partition) string, limit int, hide time.Duration) ([]service.PaymentID, error) {
	shares, err := s.share(ctx, queue, limit)
	if err != nil || len(shares) == 0 {
		return nil, err
	}
	replies, err := s.redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for part, share := range shares {
			pipe.Eval(ctx, string(takeReadsSource), []string{queue(part)}, share, hide.Milliseconds())
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

// share says how many of the members that come first, due or not yet, lie in which partition.
func (s *Store) share(ctx context.Context, queue func(partition) string, limit int) (map[partition]int, error) {
	replies, err := s.redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for n := range s.Partitions {
			pipe.ZRangeWithScores(ctx, queue(s.paymentPartitionAt(n)), 0, int64(limit)-1)
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
		for _, member := range reply.(*redis.ZSliceCmd).Val() {
			first = append(first, waiting{s.paymentPartitionAt(n), member.Score})
		}
	}
	slices.SortFunc(first, func(a, b waiting) int { return cmp.Compare(a.due, b.due) })
	shares := map[partition]int{}
	for _, w := range first[:min(limit, len(first))] {
		shares[w.part]++
	}
	return shares, nil
}

// WantRead puts a payment into the queue, due at once, unless it is there.
func (s *Store) WantRead(ctx context.Context, id service.PaymentID) error {
	part := s.paymentPartition(id)
	_, err := s.run(ctx, wantReadScript, part, []string{part.reads(), part.meta()}, string(id))
	return err
}

// DropRead takes a payment out of all queues.
func (s *Store) DropRead(ctx context.Context, id service.PaymentID) error {
	part := s.paymentPartition(id)
	_, err := s.redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for _, queue := range []string{part.reads(), part.sweep(), part.restore()} {
			pipe.ZRem(ctx, queue, string(id))
		}
		return nil
	})
	return unavailable(err)
}

// DropRestore takes a payment out of those that wait to be restored.
func (s *Store) DropRestore(ctx context.Context, id service.PaymentID) error {
	return unavailable(s.redis.ZRem(ctx, s.paymentPartition(id).restore(), string(id)).Err())
}

// ReadsDue counts the reads that wait for a worker.
func (s *Store) ReadsDue(ctx context.Context) (int, error) {
	now, err := s.redis.Time(ctx).Result()
	if err != nil {
		return 0, unavailable(err)
	}
	replies, err := s.redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for n := range s.Partitions {
			pipe.ZCount(ctx, s.paymentPartitionAt(n).reads(), "-inf", due(now))
		}
		return nil
	})
	if err != nil {
		return 0, unavailable(err)
	}
	count := 0
	for _, reply := range replies {
		count += int(reply.(*redis.IntCmd).Val())
	}
	return count, nil
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
