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

// slowest notes the longest command so far, and names it.
func (g *grown) slowest(ctx context.Context) error {
	longest, name, err := g.longest(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "%d orders: the longest command: %s %s\n", g.count, longest, name)
	g.note("longest command of Redis in all this", "ms", perRequest, micros(longest)/1000)
	return nil
}

// longest returns the longest command of Redis's slow log that is not our own, and empties the log.
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

// memory notes what the processes hold.
func (g *grown) memory(ctx context.Context) error {
	used, err := g.info(ctx, "memory", "used_memory")
	if err != nil {
		return err
	}
	resident1 := float64(resident(g.Redis.Process.PID()))
	g.note("Redis memory after all this, used_memory", "MB", wholeData, used/1e6)
	g.note("Redis memory after all this, RSS", "MB", wholeData, resident1/1e6)
	g.note("Kasse's memory after all this, RSS", "MB", perRequest, float64(resident(g.server.PID()))/1e6)
	g.server.Kill()
	return nil
}

// command runs a command of Kasse, and notes its time and Redis's processor time.
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

// settle reads what the webhooks about payments that Stripe does not know have left in doubt.
func (g *grown) settle(ctx context.Context) error {
	p, err := g.Start(g.program, g.Settings(settingsOfGrowth(g.stripe, nil)), "reconcile", "-since", "1h")
	if err != nil {
		return err
	}
	return p.Wait(ctx)
}

// swept is how many open carts are due.
const swept = 50

func (g *grown) commands(ctx context.Context) error {
	oldest, newest := 0, g.count-1
	for !g.isPaid(oldest) {
		oldest++
	}
	for !g.isPaid(newest) {
		newest--
	}
	if err := g.settle(ctx); err != nil {
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
			return fmt.Errorf("%s is in no queue of the sweep: %w", c.payment, err)
		}
	}
	err := g.command(ctx, fmt.Sprintf("the same, with %d open carts due", due), perRequest, "reconcile", "-since", "1h")
	if err != nil {
		return err
	}
	longest, name, err := g.longest(ctx)
	fmt.Fprintf(os.Stderr, "%d orders: the longest command of these: %s %s\n", g.count, longest, name)
	g.note("longest command of Redis of these commands", "ms", perRequest, micros(longest)/1000)
	return err
}

// check runs kasse check, which finds fault with an append-only file that is synced once a second.
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

// counted counts commands and the time that they took.
type counted struct {
	commands atomic.Int64
}

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

// ended is how many of the oldest orders end by retention.
const ended = 50

// retention takes away the oldest orders as Redis does when their time has come, clears the index of them, and drops
// half of the streams by a shorter EVENT_RETENTION.
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
		return fmt.Errorf("%d orders were taken out of the index, and %d are gone", gone, ended)
	}
	g.note("clearing the index of 50 orders", "ms", wholeData, micros(time.Since(began))/1000)
	g.note(
		"clearing the index of 50 orders", "Redis ms", wholeData,
		micros(processorTime(g.Redis.Process.PID())-spent)/1000,
	)
	g.note("clearing the index of 50 orders", "commands", wholeData, float64(hook.commands.Load()))
	return g.trim(ctx)
}

// prune makes a whole pass at once, as if the last one were long ago.
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

// trim lets a server with half of the EVENT_RETENTION write to each partition until all of its stream is within it.
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
	fmt.Fprintf(os.Stderr, "%d orders: %d of %d entries dropped, the longest command: %s %s\n", g.count, before-after,
		before,
		longest, name)
	g.note("longest command of Redis while half of the stream is dropped", "ms", perRequest, micros(longest)/1000)
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

// restarts ends Redis as a crash does, starts it again on its file, and Kasse on it.
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
	g.note("Kasse ready after a start on it", "ms", perRequest, took)
	defer g.server.Kill()
	for n := g.count - 1; ; n-- {
		if g.isPaid(n) {
			return g.verify(ctx, n)
		}
	}
}
