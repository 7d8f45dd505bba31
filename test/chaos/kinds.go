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

// kinds of rounds, in the order of the table.
var rounds = []kind{
	{name: "server killed", servers: 2, strike: killServer},
	{name: "server stopped", servers: 2, strike: stopServer},
	{name: "rolling restart", servers: 3, single: true, strike: restartAll},
	{name: "redis killed", strike: killRedis},
	{name: "power cut", power: true, strike: cutPower},
	{name: "failover", replica: true, env: map[string]string{"REDIS_WAIT_REPLICAS": "1"}, strike: failOver},
	{name: "redis away", servers: 2, single: true, strike: takeRedisAway},
	{name: "redis slow", servers: 2, single: true, strike: slowRedis},
	{name: "redis frozen", strike: freezeRedis},
	{name: "redis full", strike: fillRedis},
	{name: "redis parted", servers: 2, strike: partRedis},
	{name: "scripts flushed", servers: 2, strike: flushScripts},
	{name: "record corrupt", strike: corruptRecord},
	{name: "replies lost", servers: 2, single: true, strike: loseReplies},
	{name: "links unsteady", servers: 2, single: true, strike: shakeLinks},
}

// killServer ends a server as a crash would, and starts another.
func killServer(ctx context.Context, s *shop, m moment, _ size) error {
	victim := s.member(m.pick)
	victim.Kill()
	s.retire(victim)
	wait.Pause(ctx, m.span)
	return s.launch(ctx)
}

// stopServer asks a server to end, under load. The balancer sees it by /readyz, before the listener closes.
func stopServer(ctx context.Context, s *shop, m moment, _ size) error {
	if err := s.drain(ctx, s.member(m.pick)); err != nil {
		return err
	}
	return s.launch(ctx)
}

func (s *shop) drain(ctx context.Context, victim *testenv.Kasse) error {
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

// restartAll replaces one server after the other by a new one, as a deployment does.
func restartAll(ctx context.Context, s *shop, _ moment, _ size) error {
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

// killRedis kills Redis, which syncs at every write, and starts it again.
func killRedis(ctx context.Context, s *shop, m moment, _ size) error {
	s.redis.Process.Kill()
	wait.Pause(ctx, m.span)
	return s.restartRedis(ctx)
}

// cutPower takes the power from Redis.
func cutPower(ctx context.Context, s *shop, m moment, _ size) error {
	if _, err := s.redis.cutPower(); err != nil {
		return err
	}
	wait.Pause(ctx, m.span)
	return s.restartRedis(ctx)
}

// restartRedis starts Redis and looks at what it still has before anybody else can reach it.
func (s *shop) restartRedis(ctx context.Context) error {
	s.toRedis.change(weather{unplugged: true})
	if err := s.redis.Start(ctx); err != nil {
		return err
	}
	s.toRedis.lead(s.redis.Address)
	return s.reckon(ctx)
}

// takeRedisAway makes Redis unreachable for a while.
func takeRedisAway(ctx context.Context, s *shop, _ moment, z size) error {
	s.toRedis.change(weather{unplugged: true})
	wait.Pause(ctx, z.away)
	return nil
}

// slowRedis has every reply of Redis take 5 s, which is longer than the client waits.
func slowRedis(ctx context.Context, s *shop, _ moment, z size) error {
	s.toRedis.change(weather{latency: 5 * time.Second})
	wait.Pause(ctx, max(z.away, 6*time.Second))
	return nil
}

// freezeRedis stops Redis without closing its connections.
func freezeRedis(ctx context.Context, s *shop, m moment, _ size) error {
	s.redis.freeze()
	defer s.redis.thaw()
	wait.Pause(ctx, 500*time.Millisecond+4*m.span)
	return nil
}

// fillRedis leaves Redis no memory to write with.
func fillRedis(ctx context.Context, s *shop, m moment, _ size) error {
	if err := s.redis.Client.ConfigSet(ctx, "maxmemory", "1mb").Err(); err != nil {
		return err
	}
	wait.Pause(ctx, time.Second+m.span)
	return s.redis.Client.ConfigSet(ctx, "maxmemory", "0").Err()
}

// partRedis lets nothing pass to Redis or from it; what was under way arrives when it is over.
func partRedis(ctx context.Context, s *shop, m moment, _ size) error {
	s.toRedis.change(weather{parted: true})
	wait.Pause(ctx, time.Second+4*m.span)
	return nil
}

// flushScripts has Redis forget our scripts.
func flushScripts(ctx context.Context, s *shop, m moment, _ size) error {
	for range 10 {
		if err := s.redis.Client.ScriptFlush(ctx).Err(); err != nil {
			return err
		}
		wait.Pause(ctx, m.span/10)
	}
	return nil
}

// cutRecord makes an order unreadable and returns it as it was; nothing where that has been done.
var cutRecord = redis.NewScript(`
local order = redis.call('HGET', KEYS[1], 'order')
if order == 'cut' then
  return false
end
redis.call('HSET', KEYS[1], 'order', 'cut')
return order`)

// mendRecord brings a record back, unless somebody has written it since.
var mendRecord = redis.NewScript(`
if redis.call('HGET', KEYS[1], 'order') == 'cut' then
  redis.call('HSET', KEYS[1], 'order', ARGV[1])
end
return 1`)

// corruptRecord makes one payment unreadable. What is brought for it is refused until it is mended, and the others
// go on.
func corruptRecord(ctx context.Context, s *shop, m moment, _ size) error {
	client := s.redis.Client
	body, key, err := s.anyPayment(ctx, m.pick)
	if err != nil {
		return err
	}
	whole, before := "", s.refused.Load()
	err = wait.For(ctx, func() error {
		switch state, err := cutRecord.Run(ctx, client, []string{key}).Text(); {
		case err == nil: // also where somebody who had loaded it before has written it whole again
			whole = state
			s.Sender.Send(body, 0) //nolint:contextcheck // a delivery has the sender's context
		case !errors.Is(err, redis.Nil):
			return err
		}
		if s.refused.Load() == before {
			return errors.New("no metric or log line shows that the record is corrupt")
		}
		return nil
	})
	return errors.Join(
		err, s.canary(ctx, fmt.Sprintf("beside-the-corrupt-%d", m.pick)),
		mendRecord.Run(ctx, client, []string{key}, whole).Err(),
	)
}

// anyPayment picks an event that was taken, and the key of the order of the payment that it is about; it waits
// until there is one.
func (s *shop) anyPayment(ctx context.Context, pick uint64) (body, key string, err error) {
	err = wait.For(ctx, func() error {
		var e testenv.Event
		body = s.anyEvent(pick)
		pick++ // of a refund or a dispute there is no record
		if err := json.Unmarshal([]byte(body), &e); err != nil {
			return fmt.Errorf("no event that was taken: %w", err)
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

// loseReplies loses one reply in twenty, of Kasse's, of Redis's and of Stripe's, for the rest of the load.
func loseReplies(ctx context.Context, s *shop, m moment, z size) error {
	s.storm(weather{lost: 0.05})
	wait.Pause(ctx, z.load-m.at)
	return nil
}

// shakeLinks resets, half-closes and stalls connections.
func shakeLinks(ctx context.Context, s *shop, m moment, z size) error {
	s.storm(weather{resets: 0.01, halves: 0.01, stalls: 0.02, latency: m.span / 50})
	wait.Pause(ctx, z.load-m.at)
	return nil
}
