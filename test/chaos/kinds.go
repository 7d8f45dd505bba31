package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"kasse/service/payment"
	"kasse/test/internal/testenv"
	"kasse/test/wait"
)

// rounds are the kinds of rounds, in the order of the table.
var rounds = []kind{
	{name: "server killed", servers: 2, inject: killServer},
	{name: "server stopped", servers: 2, inject: stopServer},
	{name: "rolling restart", servers: 3, single: true, inject: restartAll},
	{name: "redis killed", inject: killRedis},
	{name: "power cut", power: true, inject: cutPower},
	{name: "failover", replica: true, env: map[string]string{"REDIS_WAIT_REPLICAS": "1"}, inject: failOver},
	{name: "redis away", servers: 2, single: true, inject: disconnectRedis},
	{name: "redis slow", servers: 2, single: true, inject: slowRedis},
	{name: "redis frozen", inject: freezeRedis},
	{name: "redis full", inject: fillRedis},
	{name: "redis parted", servers: 2, inject: pauseRedisLink},
	{name: "scripts flushed", servers: 2, inject: flushScripts},
	{name: "record corrupt", inject: corruptRecord},
	{name: "replies lost", servers: 2, single: true, inject: loseReplies},
	{name: "links unsteady", servers: 2, single: true, inject: disturbLinks},
	{name: "cluster", servers: 2, cluster: true, inject: injectClusterFault},
	{name: "unconfirmed", servers: 2, cluster: true, unconfirmed: true, single: true, inject: promoteUnconfirmed},
}

// killServer kills a server and starts another.
func killServer(ctx context.Context, s *workload, m moment, _ size) error {
	victim := s.member(m.pick)
	victim.Kill()
	s.retire(victim)
	wait.Pause(ctx, m.span)
	return s.launch(ctx)
}

// stopServer sends a server SIGTERM under load. /readyz fails before the listener closes, so that the load balancer
// can remove the server.
func stopServer(ctx context.Context, s *workload, m moment, _ size) error {
	if err := s.drain(ctx, s.member(m.pick)); err != nil {
		return err
	}
	return s.launch(ctx)
}

func (s *workload) drain(ctx context.Context, victim *testenv.Kasse) error {
	ended := make(chan error, 1)
	go func() { ended <- victim.Terminate(ctx) }()
	err := wait.For(ctx, func() error {
		if victim.Ready(ctx) {
			return errors.New("the server is still ready")
		}
		return nil
	})
	s.retire(victim)
	return errors.Join(err, <-ended)
}

// restartAll replaces one server after the other, as a rolling deployment does.
func restartAll(ctx context.Context, s *workload, _ moment, _ size) error {
	s.mu.Lock()
	old := append([]*testenv.Kasse(nil), s.fleet...)
	s.mu.Unlock()
	for _, k := range old {
		if err := s.launch(ctx); err != nil {
			return err
		}
		if err := s.drain(ctx, k); err != nil {
			return err
		}
	}
	return nil
}

// killRedis kills and restarts a Redis that syncs at every write.
func killRedis(ctx context.Context, s *workload, m moment, _ size) error {
	s.redis.Process.Kill()
	wait.Pause(ctx, m.span)
	return s.restartRedis(ctx)
}

// cutPower cuts Redis's power.
func cutPower(ctx context.Context, s *workload, m moment, _ size) error {
	if _, err := s.redis.cutPower(); err != nil {
		return err
	}
	wait.Pause(ctx, m.span)
	return s.restartRedis(ctx)
}

// restartRedis starts Redis and checks its data before a client can reach it.
func (s *workload) restartRedis(ctx context.Context) error {
	s.toRedis.setFaults(linkFaults{unplugged: true})
	if err := s.redis.Start(ctx); err != nil {
		return err
	}
	s.toRedis.setTargets(s.redis.Address)
	return s.verify(ctx)
}

// disconnectRedis resets every connection to Redis for a while.
func disconnectRedis(ctx context.Context, s *workload, _ moment, z size) error {
	s.toRedis.setFaults(linkFaults{unplugged: true})
	wait.Pause(ctx, z.away)
	return nil
}

// slowRedis delays each reply of Redis by 5 s, longer than the client waits.
func slowRedis(ctx context.Context, s *workload, _ moment, z size) error {
	s.toRedis.setFaults(linkFaults{latency: 5 * time.Second})
	wait.Pause(ctx, max(z.away, 6*time.Second))
	return nil
}

// freezeRedis stops Redis without closing its connections.
func freezeRedis(ctx context.Context, s *workload, m moment, _ size) error {
	s.redis.freeze()
	defer s.redis.thaw()
	wait.Pause(ctx, 500*time.Millisecond+4*m.span)
	return nil
}

// fillRedis leaves Redis no memory for writes.
func fillRedis(ctx context.Context, s *workload, m moment, _ size) error {
	if err := s.redis.Client.ConfigSet(ctx, "maxmemory", "1mb").Err(); err != nil {
		return err
	}
	wait.Pause(ctx, time.Second+m.span)
	return s.redis.Client.ConfigSet(ctx, "maxmemory", "0").Err()
}

// pauseRedisLink stops the traffic to and from Redis. Bytes in flight arrive when it ends.
func pauseRedisLink(ctx context.Context, s *workload, m moment, _ size) error {
	s.toRedis.setFaults(linkFaults{paused: true})
	wait.Pause(ctx, time.Second+4*m.span)
	return nil
}

// flushScripts removes all scripts from Redis, several times.
func flushScripts(ctx context.Context, s *workload, m moment, _ size) error {
	for range 10 {
		if err := s.redis.Client.ScriptFlush(ctx).Err(); err != nil {
			return err
		}
		wait.Pause(ctx, m.span/10)
	}
	return nil
}

// cutRecord makes an order unreadable and returns its old value. It changes nothing if the order is already
// unreadable.
var cutRecord = redis.NewScript(`
local order = redis.call('HGET', KEYS[1], 'order')
if order == 'cut' then
  return false
end
redis.call('HSET', KEYS[1], 'order', 'cut')
return order`)

// mendRecord restores a record, unless Kasse has written it since.
var mendRecord = redis.NewScript(`
if redis.call('HGET', KEYS[1], 'order') == 'cut' then
  redis.call('HSET', KEYS[1], 'order', ARGV[1])
end
return 1`)

// corruptRecord makes one payment unreadable. Its events are refused until it is restored; other payments
// continue.
func corruptRecord(ctx context.Context, s *workload, m moment, _ size) error {
	client := s.redis.Client
	body, key, err := s.anyPayment(ctx, m.pick)
	if err != nil {
		return err
	}
	whole, before := "", s.refused.Load()
	err = wait.For(ctx, func() error {
		switch state, err := cutRecord.Run(ctx, client, []string{key}).Text(); {
		case err == nil: // a server that had loaded the record before may also have rewritten it
			whole = state
			s.Sender.Send(body, 0) //nolint:contextcheck // a delivery has the sender's context
		case !errors.Is(err, redis.Nil):
			return err
		}
		if s.refused.Load() == before {
			return errors.New("the event of the corrupt record was not refused")
		}
		return nil
	})
	return errors.Join(
		err, s.canary(ctx, fmt.Sprintf("next-to-corrupt-%d", m.pick)),
		mendRecord.Run(ctx, client, []string{key}, whole).Err(),
	)
}

// anyPayment waits for an acknowledged event and returns its body and its order's key.
func (s *workload) anyPayment(ctx context.Context, pick uint64) (body, key string, err error) {
	err = wait.For(ctx, func() error {
		var e testenv.Event
		body = s.anyEvent(pick)
		pick++ // refunds and disputes have no record of their own
		if err := json.Unmarshal([]byte(body), &e); err != nil {
			return fmt.Errorf("no acknowledged event: %w", err)
		}
		keys, err := s.redis.Client.Keys(ctx, "kasse:{p*}:order:*").Result()
		if err != nil {
			return err
		}
		for _, key = range keys {
			o, err := testenv.OrderAt(ctx, s.redis.Client, key)
			if err != nil {
				return err
			}
			if o.Current() == payment.ID(e.Data.Object.ID) {
				return nil
			}
		}
		return fmt.Errorf("%s has no record", e.Data.Object.ID)
	})
	return body, key, err
}

// loseReplies drops one reply in twenty of Kasse, Redis and Stripe until the load ends.
func loseReplies(ctx context.Context, s *workload, m moment, z size) error {
	s.faultLinks(linkFaults{lost: 0.05})
	wait.Pause(ctx, z.load-m.at)
	return nil
}

// disturbLinks resets, half-closes and stalls connections.
func disturbLinks(ctx context.Context, s *workload, m moment, z size) error {
	s.faultLinks(linkFaults{resets: 0.01, halves: 0.01, stalls: 0.02, latency: m.span / 50})
	wait.Pause(ctx, z.load-m.at)
	return nil
}
