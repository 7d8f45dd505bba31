package main

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"kasse/test/wait"
)

// stall stops single nodes for a moment, until the function is called, as a machine does that has too much to do. A
// replica lags then, or a master is replaced that lives.
func (c *cluster) stall(ctx context.Context, seed uint64) (stop func()) {
	if !c.shape.stalls {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	dice := rand.New(rand.NewPCG(seed, 0))
	var all sync.WaitGroup
	all.Go(func() {
		for wait.Pause(ctx, time.Duration(dice.Int64N(int64(500*time.Millisecond)))) {
			node, lasts := c.nodes[dice.IntN(len(c.nodes))], time.Duration(dice.Int64N(int64(c.shape.nodeTimeout/2)))
			if dice.IntN(4) == 0 {
				lasts *= 3
			}
			if node.held.Load() || !c.stalling.TryRLock() {
				continue
			}
			node.freeze()
			all.Go(func() {
				defer c.stalling.RUnlock()
				wait.Pause(ctx, lasts)
				if !node.held.Load() {
					node.thaw()
				}
			})
		}
	})
	return func() { cancel(); all.Wait() }
}

// calm ends all stalls, waits until the cluster is whole, and keeps it so until the function is called.
func (c *cluster) calm(ctx context.Context) (stir func(), err error) {
	if !c.shape.stalls {
		return func() {}, nil
	}
	c.stalling.Lock()
	return c.stalling.Unlock, c.whole(ctx)
}
