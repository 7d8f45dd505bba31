package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"kasse/test/internal/town"
)

// world is what one scenario runs on: a redis-server, and the processes that are compared.
type world struct {
	*bench
	program string // Kasse
	dir     string
	redis   *town.Redis
	ends    []func()
}

// newWorld starts a redis-server.
func (b *bench) newWorld(ctx context.Context, redisArgs ...string) (*world, error) {
	b.worlds++
	w := &world{bench: b, program: b.program, dir: filepath.Join(b.dir, fmt.Sprint("world-", b.worlds))}
	if err := os.Mkdir(w.dir, 0o700); err != nil {
		return nil, err
	}
	var err error
	if w.redis, err = town.NewRedis(filepath.Join(w.dir, "redis"), redisArgs...); err != nil {
		return nil, err
	}
	w.ends = append(w.ends, w.redis.Close)
	return w, w.redis.Start(ctx)
}

// close ends all that was started.
func (w *world) close() {
	for _, end := range slices.Backward(w.ends) {
		end()
	}
}

// settings are those of a server whose Stripe never answers, with changes.
func (w *world) settings(changes map[string]string) []string {
	settings := map[string]string{
		"STRIPE_WEBHOOK_SECRETS": hookSecret, "REDIS_DURABILITY": "off", "REDIS_PARTITIONS": "16",
		"RATE_LIMIT_SERVICE": "999999/s", "RATE_LIMIT_FRONTEND": "10000/s", "RATE_LIMIT_FRONTEND_STRIPE": "off",
		"RATE_LIMIT_ADDRESS": "10000/s",
	}
	maps.Copy(settings, changes)
	return town.Settings("redis://"+w.redis.Address+"/0", "http://127.0.0.1:1", settings)
}

// kasse starts a server.
func (w *world) kasse(ctx context.Context, changes map[string]string) (server, error) {
	p, err := town.Start(w.dir, w.program, w.settings(changes))
	if err != nil {
		return server{}, err
	}
	w.ends = append(w.ends, p.Kill)
	k := &town.Kasse{Process: p}
	if err := k.AwaitListening(ctx); err != nil {
		return server{}, err
	}
	return server{k.Public, p.PID()}, k.AwaitReady(ctx)
}

// mark makes Redis Kasse's.
func (w *world) mark(ctx context.Context) error {
	p, err := town.Start(w.dir, w.program, w.settings(nil), "init")
	if err != nil {
		return err
	}
	return p.Wait(ctx)
}

var yardstickListens = regexp.MustCompile(`listening on ([0-9.:]+)`)

// server is a program that is measured.
type server struct {
	address string
	pid     int
}

// bare starts a yardstick.
func (w *world) bare(ctx context.Context, kind string, args ...string) (server, error) {
	self, err := os.Executable()
	if err != nil {
		return server{}, err
	}
	p, err := town.Start(w.dir, self, []string{"PATH=" + os.Getenv("PATH")}, append([]string{
		"yardstick", kind, w.redis.Address,
	}, args...)...)
	if err != nil {
		return server{}, err
	}
	w.ends = append(w.ends, p.Kill)
	found, err := p.Said(ctx, yardstickListens)
	if err != nil {
		return server{}, err
	}
	return server{found[1], p.PID()}, nil
}

// seed opens so many payments by their webhooks.
func (w *world) seed(ctx context.Context, kasse server, count int) error {
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

// measure loads a server, and prints and keeps what came of it, with the processor's time of the server and of Redis.
func (w *world) measure(name string, s server, run func(address string) (load, error)) error {
	own, redis := processorTime(s.pid), processorTime(w.redis.Process.PID())
	l, err := run(s.address)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	each := func(spent time.Duration) float64 { return micros(spent) / float64(max(l.count(), 1)) }
	w.load(name, l, metric{"cpu-µs/op", each(processorTime(s.pid) - own)},
		metric{"redis-µs/op", each(processorTime(w.redis.Process.PID()) - redis)})
	return nil
}
