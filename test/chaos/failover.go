package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"time"

	"kasse/test/wait"
)

// startReplica starts a replica of Redis. It reaches its master through a proxy.
func (env *environment) startReplica(ctx context.Context) error {
	host, port, err := net.SplitHostPort(env.toMaster.address())
	if err != nil {
		return err
	}
	env.toMaster.setTargets(env.redis.Address)
	env.replicas++
	dir := filepath.Join(env.Dir, fmt.Sprintf("replica-%d", env.replicas))
	env.replica, err = newRedis(ctx, dir, "", append(
		env.redisArgs, "--replicaof", host+" "+port, "--repl-diskless-sync-delay", "0",
	)...)
	if err != nil {
		return err
	}
	return wait.For(ctx, func() error {
		info, err := env.replica.Client.Info(ctx, "replication").Result()
		if err == nil && !strings.Contains(info, "master_link_status:up") {
			err = errors.New("the replica has not caught up")
		}
		return err
	})
}

// failOver separates the replica from its master for half a second under load, kills the master and promotes
// the replica, as a sentinel does. Writes in flight to the replica are lost.
func failOver(ctx context.Context, s *workload, m moment, _ size) error {
	s.toMaster.setFaults(linkFaults{paused: true})
	wait.Pause(ctx, 500*time.Millisecond)
	return s.promote(ctx, m)
}

// promote makes the replica the master.
func (s *workload) promote(ctx context.Context, m moment) error {
	s.redis.Process.Kill()
	s.toMaster.setFaults(linkFaults{unplugged: true})
	wait.Pause(ctx, m.span)
	s.toRedis.setFaults(linkFaults{unplugged: true})
	if err := s.replica.Client.ReplicaOf(ctx, "NO", "ONE").Err(); err != nil {
		return err
	}
	s.redis.Close()
	s.redis, s.replica = s.replica, nil
	if err := s.verify(ctx); err != nil {
		return err
	}
	s.toRedis.setTargets(s.redis.Address)
	s.restoreLinks()
	return s.startReplica(ctx)
}
