package main

import (
	"context"
	"errors"

	"kasse/test/wait"
)

// killClusterMaster kills the master of a partition, waits for the failover, and restarts the killed node.
func killClusterMaster(ctx context.Context, s *workload, m moment, _ size) error {
	partition := int(m.pick % clusterPartitions)
	victim, err := s.cluster.owner(ctx, partition, nil)
	if err != nil {
		return err
	}
	victim.Process.Kill()
	if err := s.cluster.awaitFailover(ctx, partition, victim); err != nil {
		return err
	}
	wait.Pause(ctx, m.span)
	if err := victim.Start(ctx); err != nil {
		return err
	}
	return s.cluster.awaitHealthy(ctx)
}

// freezeClusterMaster stops the master of a partition until it was replaced. Then it lets the node continue, which
// acts as a second master for a moment.
func freezeClusterMaster(ctx context.Context, s *workload, m moment, _ size) error {
	partition := int(m.pick % clusterPartitions)
	victim, err := s.cluster.owner(ctx, partition, nil)
	if err != nil {
		return err
	}
	victim.held.Store(true)
	victim.freeze()
	err = s.cluster.awaitFailover(ctx, partition, victim)
	wait.Pause(ctx, m.span)
	victim.held.Store(false)
	victim.thaw()
	return errors.Join(err, s.cluster.awaitHealthy(ctx))
}

// moveSlots moves the slots of two partitions to other masters.
func moveSlots(ctx context.Context, s *workload, m moment, _ size) error {
	masters, err := s.cluster.masters(ctx)
	if err != nil {
		return err
	}
	for i := range 2 {
		partition := int((m.pick + uint64(i)) % clusterPartitions)
		from, err := s.cluster.owner(ctx, partition, nil)
		if err != nil {
			return err
		}
		to := masters[int(m.pick>>8)%len(masters)]
		for n := 0; to == from; n++ {
			to = masters[n%len(masters)]
		}
		if err := s.cluster.move(ctx, partition, from, to); err != nil {
			return err
		}
	}
	return s.cluster.awaitHealthy(ctx)
}

// cutConnections closes every connection to every node, including those of Redis client-side caching.
func cutConnections(ctx context.Context, s *workload, m moment, _ size) error {
	for range 3 {
		for _, node := range s.cluster.nodes {
			for _, kind := range []string{"normal", "pubsub"} {
				if err := node.Client.ClientKillByFilter(ctx, "TYPE", kind, "SKIPME", "yes").Err(); err != nil {
					return err
				}
			}
		}
		wait.Pause(ctx, m.span/3)
	}
	return nil
}

// injectClusterFault injects the next of these faults, so that a round of several faults has each kind.
func injectClusterFault(ctx context.Context, s *workload, m moment, z size) error {
	all := []func(context.Context, *workload, moment, size) error{
		killClusterMaster, moveSlots, freezeClusterMaster, cutConnections,
	}
	inject := all[s.faults%len(all)]
	s.faults++
	return inject(ctx, s, m, z)
}
