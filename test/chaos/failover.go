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

// startReplica starts a copy of Redis. It follows by a link that can be parted, too.
func (env *environment) startReplica(ctx context.Context) error {
	host, port, err := net.SplitHostPort(env.toMaster.address())
	if err != nil {
		return err
	}
	env.toMaster.lead(env.redis.Address)
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

// failOver parts the replica from its master for half a second under load, kills the master, and makes the replica the
// master, as a sentinel does. What was on its way to the replica never arrives.
func failOver(ctx context.Context, s *shop, m moment, _ size) error {
	s.toMaster.change(weather{parted: true})
	wait.Pause(ctx, 500*time.Millisecond)
	return s.promote(ctx, m)
}

// promote replaces the master that the replica has lost.
func (s *shop) promote(ctx context.Context, m moment) error {
	s.redis.Process.Kill()
	s.toMaster.change(weather{unplugged: true})
	wait.Pause(ctx, m.span)
	s.toRedis.change(weather{unplugged: true})
	if err := s.replica.Client.ReplicaOf(ctx, "NO", "ONE").Err(); err != nil {
		return err
	}
	s.redis.Close()
	s.redis, s.replica = s.replica, nil
	if err := s.reckon(ctx); err != nil {
		return err
	}
	s.toRedis.lead(s.redis.Address)
	s.calm()
	return s.startReplica(ctx)
}
