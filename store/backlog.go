package store

import (
	"context"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// Backlog is what waits in Redis for any of the replicas.
type Backlog struct {
	Reads       int64         // payments with an uncertain state, whose read is due
	Sweeps      int64         // unfinished payments, whose sweep is due
	Restores    int64         // payments that pages requested and that are not stored
	Quarantined int64         // events that could not be decoded
	Budget      int           // background reads that may be made at this moment
	CaughtUp    time.Duration // age of the catch-up with Stripe's events; negative: there was none
}

// LoadBacklog counts the queues in two round trips. rate is AllowRead's.
func (s *Store) LoadBacklog(ctx context.Context, perSecond int) (Backlog, error) {
	b := Backlog{CaughtUp: -1}
	done, now, err := s.LoadCatchUp(ctx)
	if err != nil {
		return b, err
	}
	if !done.IsZero() {
		b.CaughtUp = max(now.Sub(done), 0)
	}
	reads := limit{count: perSecond, per: time.Second}
	if b.Budget, _, err = s.useLimit(ctx, s.partitionAt(0).readBudget(), reads, 0); err != nil {
		return b, err
	}
	pipe := s.redis.Pipeline()
	var dueReads, sweeps, restores []*redis.IntCmd
	for n := range s.Partitions {
		part := s.partitionAt(n)
		dueReads = append(dueReads, pipe.ZCount(ctx, part.reads(), "-inf", due(now)))
		sweeps = append(sweeps, pipe.ZCount(ctx, part.sweep(), "-inf", due(now)))
		restores = append(restores, pipe.ZCard(ctx, part.restore(false)), pipe.ZCard(ctx, part.restore(true)))
	}
	quarantined := pipe.XLen(ctx, s.partitionAt(0).quarantine())
	if _, err := pipe.Exec(ctx); err != nil {
		return b, unavailable(err)
	}
	b.Reads, b.Sweeps, b.Restores, b.Quarantined = sum(dueReads), sum(sweeps), sum(restores), quarantined.Val()
	return b, nil
}

// ClockAhead returns how far Redis's clock is ahead of ours; negative: behind. In a cluster it is that of any
// server.
func (s *Store) ClockAhead(ctx context.Context) (time.Duration, error) {
	began := time.Now() //nolint:forbidigo // it is compared with Redis's clock
	now, err := s.redis.Time(ctx).Result()
	if err != nil {
		return 0, unavailable(err)
	}
	return aheadOf(began, now), nil
}

func sum(counts []*redis.IntCmd) (total int64) {
	for _, count := range counts {
		total += count.Val()
	}
	return total
}

// Memory is the memory that a master uses, and its limit.
type Memory struct {
	Address        string
	Used, MaxBytes int64 // MaxBytes is 0 without a limit
}

// LoadMemory returns the memory of every master. One that does not answer is left out.
func (s *Store) LoadMemory(ctx context.Context) []Memory {
	var mu sync.Mutex
	var all []Memory
	load := func(ctx context.Context, address string, client redis.Cmdable) {
		text, err := client.Info(ctx, "memory").Result()
		if err != nil {
			return
		}
		fields := info(text)
		mu.Lock()
		defer mu.Unlock()
		all = append(all, Memory{address, integer(fields["used_memory"]), integer(fields["maxmemory"])})
	}
	if cluster, ok := s.redis.(*redis.ClusterClient); ok {
		_ = cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
			load(ctx, node.Options().Addr, node)
			return nil
		})
		return all
	}
	load(ctx, "master", s.redis)
	return all
}
