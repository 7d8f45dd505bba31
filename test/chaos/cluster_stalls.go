package main

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"kasse/test/wait"
)

// stalls stops single nodes for moments, as an overloaded machine does. A replica then lags behind, or a running
// master is replaced.
type stalls struct {
	*cluster
	dice *rand.Rand
	all  sync.WaitGroup
}

// stall stops nodes for moments until the returned function is called.
func (c *cluster) stall(ctx context.Context, seed uint64) (stop func()) {
	if !c.shape.stalls {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	s := &stalls{cluster: c, dice: rand.New(rand.NewPCG(seed, 0))}
	s.all.Go(func() {
		for wait.Pause(ctx, s.below(2*time.Second)) {
			if s.dice.IntN(2) == 0 {
				s.stopOne(ctx)
			} else {
				s.stopSome(ctx)
			}
		}
	})
	return func() { cancel(); s.all.Wait() }
}

// below draws a duration shorter than the limit.
func (s *stalls) below(limit time.Duration) time.Duration {
	return time.Duration(s.dice.Int64N(int64(limit)))
}

// stopOne stops a random node for less than the node timeout, so that it does not count as failed.
func (s *stalls) stopOne(ctx context.Context) {
	s.stop(ctx, s.nodes[s.dice.IntN(len(s.nodes))], 0, s.below(s.shape.nodeTimeout))
}

// stopSome stops a node for about as long as a failover takes, and others while its successor is elected.
func (s *stalls) stopSome(ctx context.Context) {
	timeout := s.shape.nodeTimeout
	first := s.dice.IntN(len(s.nodes))
	s.stop(ctx, s.nodes[first], 0, timeout+s.below(timeout*3/2))
	for n, node := range s.nodes {
		if n != first && s.dice.IntN(3) > 0 {
			s.stop(ctx, node, timeout*2/3+s.below(timeout*3/2), s.below(timeout*2/3))
		}
	}
}

// stop stops a node after a pause, unless a fault has frozen it.
func (s *stalls) stop(ctx context.Context, node *redisServer, pause, lasts time.Duration) {
	s.all.Go(func() {
		wait.Pause(ctx, pause)
		if node.held.Load() || !s.stalling.TryRLock() {
			return
		}
		defer s.stalling.RUnlock()
		node.freeze()
		wait.Pause(ctx, lasts)
		if !node.held.Load() {
			node.thaw()
		}
	})
}

// pauseStalls waits until all stalls have ended and the cluster is healthy. No stall begins until resume is called.
func (c *cluster) pauseStalls(ctx context.Context) (resume func(), err error) {
	if !c.shape.stalls {
		return func() {}, nil
	}
	c.stalling.Lock()
	return c.stalling.Unlock, c.awaitHealthy(ctx)
}
