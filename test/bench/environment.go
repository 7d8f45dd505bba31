package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"kasse/test/internal/testenv"
)

// environment holds a scenario's redis-server and the processes that are compared.
type environment struct {
	*testenv.Env
	*bench
	program string // Kasse's binary
}

// newEnvironment starts a redis-server. The servers' Stripe never answers.
func (b *bench) newEnvironment(ctx context.Context, redisArgs ...string) (*environment, error) {
	b.environments++
	dir := filepath.Join(b.dir, fmt.Sprint("environment-", b.environments))
	e, err := testenv.New(ctx, dir, testenv.WithRedis(redisArgs...), testenv.WithSettings(map[string]string{
		"STRIPE_WEBHOOK_SECRETS": hookSecret, "REDIS_DURABILITY": "off", "REDIS_PARTITIONS": "16",
		"RATE_LIMIT_SERVICE": "999999/s", "RATE_LIMIT_FRONTEND": "10000/s", "RATE_LIMIT_FRONTEND_STRIPE": "off",
		"RATE_LIMIT_ADDRESS": "10000/s",
	}))
	return &environment{Env: e, bench: b, program: b.program}, err
}

// kasse starts a server with changed settings.
func (env *environment) kasse(ctx context.Context, changes map[string]string) (server, error) {
	k, err := env.StartKasse(ctx, env.program, changes)
	if err != nil {
		return server{}, err
	}
	return server{k.Public, k.PID()}, nil
}

// initRedis runs kasse init.
func (env *environment) initRedis(ctx context.Context) error {
	p, err := env.Start(env.program, env.Settings(nil), "init")
	if err != nil {
		return err
	}
	return p.Wait(ctx)
}

var baselineListens = regexp.MustCompile(`listening on ([0-9.:]+)`)

// server is a measured process.
type server struct {
	address string
	pid     int
}

// bare starts a baseline program.
func (env *environment) bare(ctx context.Context, kind string, args ...string) (server, error) {
	self, err := os.Executable()
	if err != nil {
		return server{}, err
	}
	p, err := env.Start(self, []string{"PATH=" + os.Getenv("PATH")}, append([]string{
		"baseline", kind, env.Redis.Address,
	}, args...)...)
	if err != nil {
		return server{}, err
	}
	found, err := p.AwaitLine(ctx, baselineListens)
	if err != nil {
		return server{}, err
	}
	return server{found[1], p.PID()}, nil
}

// seed opens payments through webhooks.
func (env *environment) seed(ctx context.Context, kasse server, count int) error {
	l, err := closedLoop(ctx, []string{kasse.address}, time.Hour, func(connection, n int) ([]byte, int) {
		number := connection + n*connections
		if number >= count {
			return nil, 0
		}
		return delivery(event(number, "created", "requires_payment_method", time.Unix(opened, 0))), 200
	})
	if err == nil {
		fmt.Fprintf(os.Stderr, "%d payments seeded in %s\n", l.count(), l.took.Round(time.Millisecond))
	}
	return err
}

// measure puts load on a server and records the result, with the processor time of the server and of Redis.
func (env *environment) measure(name string, s server, run func(address string) (load, error)) error {
	own, redis := processorTime(s.pid), processorTime(env.Redis.Process.PID())
	l, err := run(s.address)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	each := func(spent time.Duration) float64 { return micros(spent) / float64(max(l.count(), 1)) }
	env.load(name, l, metric{"cpu-µs/op", each(processorTime(s.pid) - own)},
		metric{"redis-µs/op", each(processorTime(env.Redis.Process.PID()) - redis)})
	return nil
}
