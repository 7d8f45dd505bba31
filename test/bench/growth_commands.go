package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"kasse/service/payment"
	"kasse/store"
	"kasse/test/internal/testenv"
)

// slowest records the longest Redis command so far, and prints it.
func (g *grown) slowest(ctx context.Context) error {
	longest, name, err := g.longest(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "%d orders: the longest Redis command: %s %s\n", g.count, longest, name)
	g.note("longest Redis command of the requests", "ms", perRequest, micros(longest)/1000)
	return nil
}

// longest returns the longest command of Redis's slow log, without those of this program, and empties the log.
func (g *grown) longest(ctx context.Context) (longest time.Duration, name string, err error) {
	log, err := g.Redis.Client.SlowLogGet(ctx, -1).Result()
	for _, entry := range log {
		ours := entry.ClientName == testenv.ClientName
		if entry.Duration > longest && !ours {
			longest, name = entry.Duration, fmt.Sprintf("%.200s", strings.Join(entry.Args, " "))
		}
	}
	return longest, name, errors.Join(err, g.Redis.Client.Do(ctx, "SLOWLOG", "RESET").Err())
}

// memory records the memory of Redis and Kasse, and stops the server.
func (g *grown) memory(ctx context.Context) error {
	used, err := g.info(ctx, "memory", "used_memory")
	if err != nil {
		return err
	}
	g.note("Redis memory after the requests, used_memory", "MB", wholeData, used/1e6)
	g.note("Redis memory after the requests, RSS", "MB", wholeData, float64(resident(g.Redis.Process.PID()))/1e6)
	g.note("Kasse's memory after the requests, RSS", "MB", perRequest, float64(resident(g.server.PID()))/1e6)
	g.server.Kill()
	return nil
}

// command runs a command of Kasse, and records its time and Redis's processor time.
func (g *grown) command(ctx context.Context, name string, kind growthKind, args ...string) error {
	redis := processorTime(g.Redis.Process.PID())
	began := time.Now()
	p, err := g.Start(g.program, g.Settings(settingsOfGrowth(g.stripe, nil)), args...)
	if err == nil {
		err = p.Wait(ctx)
	}
	if err != nil {
		return fmt.Errorf("kasse %s: %w", strings.Join(args, " "), err)
	}
	g.note(name, "ms", kind, micros(time.Since(began))/1000)
	g.note(name, "Redis ms", kind, micros(processorTime(g.Redis.Process.PID())-redis)/1000)
	return nil
}

// finishReads runs a catch-up, which also ends the queued reads. The webhooks about copies have left them, since the
// simulated Stripe does not have the payments of the copies.
func (g *grown) finishReads(ctx context.Context) error {
	p, err := g.Start(g.program, g.Settings(settingsOfGrowth(g.stripe, nil)), "reconcile", "-since", "1h")
	if err != nil {
		return err
	}
	return p.Wait(ctx)
}

// swept is the number of open carts that are due for a sweep.
const swept = 50

func (g *grown) commands(ctx context.Context) error {
	oldest, newest := 0, g.count-1
	for !g.isPaid(oldest) {
		oldest++
	}
	for !g.isPaid(newest) {
		newest--
	}
	if err := g.finishReads(ctx); err != nil {
		return err
	}
	for _, of := range []struct {
		name string
		args []string
	}{
		{"kasse show, the oldest order", []string{"show", string(nameOf(oldest).order)}},
		{"kasse show, the newest order", []string{"show", string(nameOf(newest).payment)}},
		{"kasse show, a customer", []string{"show", string(nameOf(oldest).customer)}},
		{"kasse forget, an old order", []string{"forget", string(nameOf(oldest).order)}},
		{"catch-up of the last hour", []string{"reconcile", "-since", "1h"}},
	} {
		if err := g.command(ctx, of.name, perRequest, of.args...); err != nil {
			return err
		}
	}
	if err := g.check(ctx); err != nil {
		return err
	}
	due := min(swept, len(g.carts))
	for _, c := range g.carts[:due] {
		key := fmt.Sprintf("kasse:{p%d}:sweep", partitionOf(payment.OrderID(c.order)))
		moved := g.Redis.Client.ZAddArgs(ctx, key, redis.ZAddArgs{
			XX: true, Ch: true, Members: []redis.Z{{Score: 1, Member: c.payment}},
		})
		if n, err := moved.Result(); err != nil || n != 1 {
			return fmt.Errorf("%s is not in the queue of the sweep: %w", c.payment, err)
		}
	}
	err := g.command(ctx, fmt.Sprintf("the same, with %d open carts due", due), perRequest, "reconcile", "-since", "1h")
	if err != nil {
		return err
	}
	longest, name, err := g.longest(ctx)
	fmt.Fprintf(os.Stderr, "%d orders: the longest Redis command of kasse's commands: %s %s\n", g.count, longest, name)
	g.note("longest Redis command of kasse's commands", "ms", perRequest, micros(longest)/1000)
	return err
}

// check runs kasse check. It ignores the exit status, since kasse check reports an append-only file that is synced once
// a second.
func (g *grown) check(ctx context.Context) error {
	began := time.Now()
	p, err := g.Start(g.program, g.Settings(settingsOfGrowth(g.stripe, nil)), "check")
	if err != nil {
		return err
	}
	_ = p.Wait(ctx)
	g.note("kasse check", "ms", perRequest, micros(time.Since(began))/1000)
	return nil
}

// counted is a client's hook that counts commands.
type counted struct{ commands atomic.Int64 }

func (c *counted) DialHook(next redis.DialHook) redis.DialHook { return next }

func (c *counted) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		c.commands.Add(1)
		return next(ctx, cmd)
	}
}

func (c *counted) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		c.commands.Add(int64(len(cmds)))
		return next(ctx, cmds)
	}
}

// ended is the number of oldest orders that expire.
const ended = 50

// retention deletes the oldest orders, as Redis does when they expire, and removes them from the index. Then it drops
// half of the streams with a shorter EVENT_RETENTION.
func (g *grown) retention(ctx context.Context) error {
	for n := range ended {
		name := nameOf(n)
		key := fmt.Sprintf("kasse:{p%d}:order:%s", partitionOf(name.order), name.order)
		if err := g.Redis.Client.Unlink(ctx, key).Err(); err != nil {
			return err
		}
	}
	hook := &counted{}
	client := redis.NewClient(&redis.Options{Addr: g.Redis.Address})
	defer client.Close()
	client.AddHook(hook)
	s := store.New(client, store.Options{Partitions: partitionsOfBench, Retention: 13_200 * time.Hour})
	began, spent := time.Now(), processorTime(g.Redis.Process.PID())
	gone, err := g.prune(ctx, s)
	if err != nil {
		return err
	}
	if gone != ended {
		return fmt.Errorf("%d orders were removed from the index, want %d", gone, ended)
	}
	g.note("clearing the index of 50 orders", "ms", wholeData, micros(time.Since(began))/1000)
	g.note(
		"clearing the index of 50 orders", "Redis ms", wholeData,
		micros(processorTime(g.Redis.Process.PID())-spent)/1000,
	)
	g.note("clearing the index of 50 orders", "commands", wholeData, float64(hook.commands.Load()))
	return g.trim(ctx)
}

// prune runs a whole pass over the index at once, as if the last pass had ended long ago.
func (g *grown) prune(ctx context.Context, s *store.Store) (gone int, err error) {
	for n := range partitionsOfBench {
		if err := g.Redis.Client.Del(ctx, fmt.Sprintf("kasse:{p%d}:prune", n)).Err(); err != nil {
			return 0, err
		}
	}
	for {
		step, err := s.PruneIndex(ctx)
		if gone += step.Gone; err != nil || step.Left == 0 {
			return gone, err
		}
	}
}

// trim starts a server with a shorter EVENT_RETENTION. It writes to each partition until the older half of its stream
// is dropped.
func (g *grown) trim(ctx context.Context) error {
	if _, err := g.serve(ctx, map[string]string{"EVENT_RETENTION": (spread / 2).String()}); err != nil {
		return err
	}
	defer g.server.Kill()
	before, err := g.entries(ctx)
	if err != nil {
		return err
	}
	if _, _, err := g.longest(ctx); err != nil {
		return err
	}
	requests, err := g.oldRefunds(min(g.count/2, int(2000*g.length.Seconds())))
	if err != nil {
		return err
	}
	err = g.run("webhook, while half of the stream is dropped", func() (load, error) {
		return closedLoop(ctx, []string{g.server.Public}, time.Minute, each(requests, 200))
	})
	if err != nil {
		return err
	}
	after, err := g.entries(ctx)
	if err != nil {
		return err
	}
	longest, name, err := g.longest(ctx)
	fmt.Fprintf(os.Stderr, "%d orders: %d of %d entries dropped, the longest Redis command: %s %s\n",
		g.count, before-after, before, longest, name)
	g.note("longest Redis command while half of the stream is dropped", "ms", perRequest, micros(longest)/1000)
	return err
}

// entries counts the entries of all streams.
func (g *grown) entries(ctx context.Context) (count int64, err error) {
	for n := range partitionsOfBench {
		length, err := g.Redis.Client.XLen(ctx, "kasse:{p"+strconv.Itoa(n)+"}:events").Result()
		if err != nil {
			return 0, err
		}
		count += length
	}
	return count, nil
}

// restarts kills Redis, starts it again from its append-only file, and starts Kasse on it.
func (g *grown) restarts(ctx context.Context) error {
	if err := g.Redis.Client.ConfigSet(ctx, "appendfsync", "always").Err(); err != nil { // nothing is lost by the kill
		return err
	}
	g.Redis.Process.Kill()
	g.Redis.Args = append(g.Redis.Args, "--appendonly", "yes")
	began := time.Now()
	if err := g.Redis.Start(ctx); err != nil {
		return err
	}
	g.note("Redis ready after a kill", "ms", wholeData, micros(time.Since(began))/1000)
	took, err := g.serve(ctx, nil)
	if err != nil {
		return err
	}
	g.note("Kasse ready after a start on the restarted Redis", "ms", perRequest, took)
	defer g.server.Kill()
	for n := g.count - 1; ; n-- {
		if g.isPaid(n) {
			return g.verify(ctx, n)
		}
	}
}
