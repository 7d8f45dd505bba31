package store

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

// Observer observes every exchange with Redis with all its tries, in the context of its caller: the
// command, or "pipeline", when it began, how long it took, and whether it failed. Replies that our
// scripts give on purpose are not failures.
type Observer interface {
	CommandRun(ctx context.Context, command string, began time.Time, took time.Duration, failed bool)
}

// observed reports commands and pipelines to the Observer.
type observed struct{ Observer }

// DialHook leaves connecting as it is.
func (observed) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook reports a command.
func (o observed) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if ctx.Value(sentByPipeline{}) != nil {
			return next(ctx, cmd)
		}
		began := time.Now() //nolint:forbidigo // it is measured, and decides nothing
		err := next(ctx, cmd)
		o.CommandRun(ctx, cmd.Name(), began, time.Since(began), broken(err)) //nolint:forbidigo // as above
		return err
	}
}

// ProcessPipelineHook reports a pipeline.
func (o observed) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if ctx.Value(sentByPipeline{}) != nil {
			return next(ctx, cmds)
		}
		began := time.Now() //nolint:forbidigo // as above
		err := next(ctx, cmds)
		o.CommandRun(ctx, "pipeline", began, time.Since(began), broken(err)) //nolint:forbidigo // as above
		return err
	}
}

// broken reports whether Redis did not carry out a command.
func broken(err error) bool {
	return err != nil && !errors.Is(err, redis.Nil) && !errors.Is(err, context.Canceled) &&
		!redis.HasErrorPrefix(err, replyConflict) && !redis.HasErrorPrefix(err, "NOSCRIPT")
}

// Waiters counts the channels that wait for a hint: held polls, creates behind another, and one for
// each endpoint. Held polls without a goroutine are counted by service.Service.
func (s *Store) Waiters() (count int) {
	s.watch.mu.Lock()
	defer s.watch.mu.Unlock()
	for _, all := range s.watch.waiting {
		count += len(all)
	}
	return count
}

// Pool is the state of a pool of connections of this process.
type Pool struct {
	Hits, Misses, Timeouts, Stale uint32 // since the start
	Total, Idle                   uint32 // now
}

// Pools returns the state of the connections by their users: writers, and readers where these have
// their own.
func (s *Store) Pools() map[string]Pool {
	all := map[string]Pool{"writers": poolOf(s.redis)}
	if s.Readers.client != s.redis {
		all["readers"] = poolOf(s.Readers.client)
	}
	return all
}

func poolOf(client redis.UniversalClient) Pool {
	p := client.PoolStats()
	return Pool{
		Hits: p.Hits, Misses: p.Misses, Timeouts: p.Timeouts, Stale: p.StaleConns,
		Total: p.TotalConns, Idle: p.IdleConns,
	}
}
