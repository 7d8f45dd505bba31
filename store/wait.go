package store

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
)

// A change is built on, and acknowledged with, only what is on WaitReplicas replicas: what was
// written, and what was read before. A delivery that was written and could not be confirmed is
// refused. When it comes again it changes nothing, and must be refused as long as the first one is
// not confirmed. So the orders that a change begins with are confirmed like writes, without any
// code in the callers.
//
// WAIT counts for the connection it is sent on, and after a read it may wait for nothing. So three
// commands go together: the script, a write to the partition's fence, WAIT. Redis replicates in
// order: a replica that has the fence has all that came before it. So scripts of one moment share
// the fence and WAIT.

// run runs a script on the server that holds the partition, and confirms all that it read and
// wrote. The error is one that callers may see.
func (s *Store) run(
	ctx context.Context, script *redis.Script, part partition, keys []string, args ...any,
) (any, error) {
	if s.WaitReplicas == 0 {
		reply, err := s.writing.script(ctx, script, keys, args...)
		return reply, unavailable(err)
	}
	ctx, cancel := context.WithTimeout(ctx, exchangeBound)
	defer cancel()
	send := script.EvalSha
	for try := 0; ; try++ {
		reply, err := s.confirmed(ctx, part, try > 0, func(pipe redis.Pipeliner) *redis.Cmd {
			return send(ctx, pipe, keys, args...)
		})
		switch {
		case redis.HasErrorPrefix(err, replyNoScript):
			send = script.Eval
		case try == redirects || !s.maybeMoved(ctx, err):
			return reply, unavailable(err)
		default:
			pause(ctx, redirectPause<<try)
		}
	}
}

const (
	replyNoScript = "NOSCRIPT"
	redirects     = 5 // tries after redirects; a failover takes seconds
	redirectPause = 10 * time.Millisecond
)

// confirmed sends one script, which replicas have to confirm: alone, or with others of the moment. One that is sent
// again goes alone, so that a partition that is moving delays no other one.
func (s *Store) confirmed(
	ctx context.Context, part partition, alone bool, add func(redis.Pipeliner) *redis.Cmd,
) (any, error) {
	server, err := s.server(ctx, part)
	if err != nil {
		return nil, err
	}
	if !alone && s.AutoPipeline {
		return s.confirmTogether(ctx, server, part, add)
	}
	call := &confirmCall{part: part, add: add}
	s.confirm(ctx, server, []*confirmCall{call})
	return call.result()
}

var errUnconfirmed = errors.New("fewer replicas than REDIS_WAIT_REPLICAS confirmed")

// server returns the server of the partition. In a cluster go-redis would send WAIT, which names no key, to
// another one.
func (s *Store) server(ctx context.Context, part partition) (redis.Cmdable, error) {
	if cluster, ok := s.redis.(*redis.ClusterClient); ok {
		return cluster.MasterForKey(ctx, part.meta())
	}
	return s.redis, nil
}

// maybeMoved reports whether the partition of a cluster may be on another server by now. Then it
// looks up where. For other kinds of Redis go-redis does all this.
func (s *Store) maybeMoved(ctx context.Context, err error) bool {
	cluster, ok := s.redis.(*redis.ClusterClient)
	if !ok || errors.Is(err, errUnconfirmed) || !moved(ctx, err) {
		return false
	}
	cluster.ReloadState(ctx)
	return true
}

// moved reports whether an error means that another server of a cluster may hold a partition by
// now: its slots moved, its server is being replaced, or the connections ended with it.
func moved(ctx context.Context, err error) bool {
	if err == nil || ctx.Err() != nil {
		return false
	}
	reply := redis.Error(nil)
	moving := func(prefix string) bool { return redis.HasErrorPrefix(err, prefix) }
	return !errors.As(err, &reply) || slices.ContainsFunc(movedReplies, moving)
}

// movedReplies are the errors of a cluster's server that does not hold a partition, or not now.
var movedReplies = []string{"MOVED", "ASK", "TRYAGAIN", "CLUSTERDOWN", "READONLY", "LOADING", "MASTERDOWN"}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
