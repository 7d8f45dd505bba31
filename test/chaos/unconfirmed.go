package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"kasse/test/wait"
)

// promoteUnconfirmed makes the cluster promote a replica that has not confirmed acknowledged writes. Redis may do so
// if fewer replicas must confirm than there are. Then it looks for lost facts, and the catch-up restores them from
// Stripe.
//
// The master has the replicas A and B. A is frozen and loses its connection, and B confirms. Then B is frozen and the
// master is killed, so that only A can be promoted.
//
// A later event of the same payment may already have written again what only B had. Then nothing was lost, and the
// failover is repeated.
func promoteUnconfirmed(ctx context.Context, s *workload, m moment, _ size) (err error) {
	for range unconfirmedTries {
		if err = s.promoteUnconfirmedOnce(ctx, m); !errors.Is(err, errNothingLost) {
			return err
		}
	}
	return err
}

const unconfirmedTries = 3

var errNothingLost = errors.New("nothing was lost, so the round proves nothing: the promoted replica had every fact")

func (s *workload) promoteUnconfirmedOnce(ctx context.Context, m moment) error {
	partition := int(m.pick % clusterPartitions)
	master, err := s.cluster.owner(ctx, partition, nil)
	if err != nil {
		return err
	}
	a, b, err := s.cluster.replicasOf(ctx, master)
	if err != nil {
		return err
	}
	a.freeze()
	if err := s.cluster.disconnectReplica(ctx, master, a, b); err != nil {
		return err
	}
	if err := s.awaitUnconfirmed(ctx); err != nil {
		return err
	}
	had, err := master.Client.Info(ctx, "replication").Result()
	if err != nil {
		return err
	}
	b.freeze()
	master.Process.Kill()
	a.thaw()
	err = s.cluster.awaitFailover(ctx, partition, master)
	got, infoErr := a.Client.Info(ctx, "replication").Result()
	b.thaw()
	if err := errors.Join(err, infoErr, master.Start(ctx), s.cluster.awaitHealthy(ctx), s.verify(ctx)); err != nil {
		return err
	}
	return s.checkLoss(ctx, field(had, "master_repl_offset"), field(got, "second_repl_offset"))
}

// awaitUnconfirmed waits until several events were acknowledged. If every replica has to confirm, it waits until
// several requests were refused.
func (s *workload) awaitUnconfirmed(ctx context.Context) error {
	before, refused := len(s.oracle.snapshot().events), s.refused.Load()
	return wait.For(ctx, func() error {
		switch {
		case len(s.oracle.snapshot().events) >= before+20:
			return nil
		case s.cluster.shape.lossless() && s.refused.Load() >= refused+20:
			return nil
		}
		return errors.New("too few events were acknowledged that a replica does not have")
	})
}

// checkLoss notes the lost facts and both replication offsets: had is the old master's last one, got is the one from
// which the promoted replica continued. Then it lets the catch-up restore the facts. At least one fact must be lost,
// unless every replica has to confirm.
func (s *workload) checkLoss(ctx context.Context, had, got string) error {
	lost := s.oracle.allLost()
	fmt.Fprintf(
		s.notes, "  the master ended at offset %s, its successor began at %s: %d facts lost\n", had, got, len(lost),
	)
	for key := range lost {
		fmt.Fprintf(s.notes, "    %s: %s\n", key, lost[key])
	}
	if s.cluster.shape.lossless() {
		return nil // a loss fails the round
	}
	if len(lost) == 0 {
		return errNothingLost
	}
	s.oracle.allowRecovery()
	if err := s.reconcile(ctx); err != nil {
		return err
	}
	if err := s.verify(ctx); err != nil {
		return err
	}
	fmt.Fprintf(s.notes, "  after one catch-up %d are still lost\n", len(s.oracle.allLost()))
	return nil
}

// reconcile makes the servers run one pass of the catch-up now instead of within five minutes.
func (s *workload) reconcile(ctx context.Context) error {
	p, err := s.Start(s.tools.kasse, s.Settings(s.serverSettings()), "reconcile", "-since", "1h")
	if err != nil {
		return err
	}
	return p.Wait(ctx)
}

// lossless reports whether every replica has to confirm.
func (shape clusterShape) lossless() bool { return shape.confirming >= shape.replicas }

// replicasOf returns two replicas of a master.
func (c *cluster) replicasOf(ctx context.Context, master *redisServer) (a, b *redisServer, err error) {
	var all []*redisServer
	for _, node := range c.nodes {
		info, err := node.Client.Info(ctx, "replication").Result()
		if err != nil {
			return nil, nil, err
		}
		if field(info, "role") == "slave" && strings.HasSuffix(master.Address, ":"+field(info, "master_port")) {
			all = append(all, node)
		}
	}
	if len(all) != 2 {
		return nil, nil, fmt.Errorf("%s has %d replicas, want 2", master.Address, len(all))
	}
	return all[0], all[1], nil
}

// disconnectReplica closes the connections of both replicas to the master. The frozen one cannot connect again; it
// waits until the other has.
func (c *cluster) disconnectReplica(ctx context.Context, master, frozen, other *redisServer) error {
	if err := master.Client.ClientKillByFilter(ctx, "TYPE", "replica").Err(); err != nil {
		return err
	}
	return wait.For(ctx, func() error {
		info, err := master.Client.Info(ctx, "replication").Result()
		if err != nil {
			return err
		}
		online := func(node *redisServer) bool {
			_, port, _ := strings.Cut(node.Address, ":")
			return strings.Contains(info, "port="+port+",state=online")
		}
		if online(frozen) || !online(other) {
			return errors.New("want one replica online, the other offline: " + info)
		}
		return nil
	})
}

// field returns the value of a field of INFO; empty if there is none.
func field(info, name string) string {
	for line := range strings.Lines(info) {
		if value, found := strings.CutPrefix(line, name+":"); found {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
