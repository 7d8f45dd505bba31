package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"kasse/service/stripe/stripesim"
	"kasse/test/internal/testenv"
	"kasse/test/wait"
)

// growth measures Kasse on Redis with increasing numbers of orders, each on its own redis-server. No figure may grow
// faster than the data, and the cost of a request may not grow at all.
func growth(ctx context.Context, b *bench) error {
	from, err := b.makeSources(ctx)
	if err != nil {
		return fmt.Errorf("templates: %w", err)
	}
	all := &sizes{counts: b.sizes}
	for at, count := range b.sizes {
		if err := b.growTo(ctx, from, all, at, count); err != nil {
			return fmt.Errorf("%d orders: %w", count, err)
		}
	}
	all.print(b.out)
	return nil
}

// parseSizes parses numbers of orders, separated by commas.
func parseSizes(text string) ([]int, error) {
	var all []int
	for field := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(field)
		if err != nil || n < 100 {
			return nil, fmt.Errorf("%q is not a number of orders: it must be at least 100", field)
		}
		all = append(all, n)
	}
	return all, nil
}

// grown is a Redis with a number of orders, and the figures that are measured on it.
type grown struct {
	*environment
	all   *sizes
	at    int // index of this size in all
	count int // orders

	sim      *stripesim.Server
	stripe   string // its URL
	customer string

	server *testenv.Kasse // the running server
	from   sources
	made   made
	filled *filler
	carts  []cart // orders that were opened through Kasse, so that the simulated Stripe has their payments
}

// cart is an order that was opened through Kasse.
type cart struct{ order, payment string }

// seededStripe starts a simulated Stripe with a customer. It returns the Stripe, its URL and the customer's id.
func (env *environment) seededStripe(ctx context.Context, seed uint64) (*stripesim.Server, string, string, error) {
	sim := stripesim.New(stripesim.Options{Seed: seed})
	server := httptest.NewServer(sim)
	env.OnClose(func() { server.Close(); sim.Close() })
	customer, err := newCustomer(ctx, server.URL)
	return sim, server.URL, customer, err
}

// settingsOfGrowth returns the settings of the measured servers. They do not read successes at Stripe, since the
// simulated Stripe does not have the payments of the copies.
func settingsOfGrowth(stripe string, more map[string]string) map[string]string {
	all := map[string]string{
		"STRIPE_API_BASE": stripe, "SUCCESS_VERIFICATION": "off", "STRIPE_READ_RPS": "100",
		"STRIPE_SECRET_KEY": "sk_test_bench",
	}
	maps.Copy(all, more)
	return all
}

func (b *bench) growTo(ctx context.Context, from sources, all *sizes, at, count int) error {
	// The data is written without an append-only file. appendOnly enables the file, which is synced once a second.
	args := []string{"--appendonly", "no", "--appendfsync", "everysec"}
	if b.keep != "" {
		kept, err := keptData(b.keep, count)
		if err != nil {
			return err
		}
		args = append(args, "--dir", kept)
	}
	env, err := b.newEnvironment(ctx, args...)
	if err != nil {
		return err
	}
	defer env.Close()
	g := &grown{environment: env, all: all, at: at, count: count, from: from}
	if g.made, err = from.templates(); err != nil {
		return err
	}
	if g.sim, g.stripe, g.customer, err = env.seededStripe(ctx, uint64(count)); err != nil {
		return err
	}
	for _, step := range []struct {
		name string
		run  func(context.Context) error
	}{
		{"fill", g.fill},
		{"verify", g.verifySample},
		{"append-only file", g.appendOnly},
		{"start", g.start},
		{"status reads", g.statusReads},
		{"creates", g.creates},
		{"webhooks", g.webhooks},
		{"pages", g.pages},
		{"changes", g.changes},
		{"slow log", g.slowest},
		{"memory", g.memory},
		{"commands", g.commands},
		{"retention", g.retention},
		{"restarts", g.restarts},
	} {
		began := time.Now()
		if err := step.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		fmt.Fprintf(os.Stderr, "%d orders: %s in %s\n", count, step.name, time.Since(began).Round(time.Millisecond))
	}
	return nil
}

// note records one figure of this size.
func (g *grown) note(measure, unit string, kind growthKind, value float64) {
	g.all.note(measure, unit, kind, g.at, value)
	g.line("Growth/"+strconv.Itoa(g.count)+"/"+strings.ReplaceAll(measure, " ", "_"), g.count, metric{unit, value})
}

// Every n-th copy is not paid.
const (
	openEvery     = 25     // an open cart, in the newest quarter
	refundedEvery = 10_000 // refunded
)

// kind returns the template of the n-th copy.
func (g *grown) kind(m made, n int) *template {
	switch {
	case n%openEvery == 7 && n > g.count*3/4:
		return m.open[n%templatesOfEach]
	case n%refundedEvery == 11:
		return m.refunded[n%templatesOfEach]
	}
	return m.paid[n%templatesOfEach]
}

// isPaid reports whether the n-th copy is paid and not refunded.
func (g *grown) isPaid(n int) bool {
	t := g.kind(g.made, n)
	return t.lasts > 0 && string(t.order.Attempts[0].State) == "paid"
}

// spread is the time over which the copies were created. It is shorter than EVENT_RETENTION, so the streams keep all
// events.
const spread = 20 * 24 * time.Hour

func (g *grown) newFiller() *filler {
	return &filler{
		client: g.Redis.Client, retention: 13_200 * time.Hour, ends: time.Now().Add(-time.Hour).Truncate(time.Second),
		step: spread / time.Duration(g.count), kind: g.kind, templates: g.from.templates, count: g.count,
		workers: 8,
	}
}

// filledKey is a key of this program, with the creation time of the newest copy in Unix milliseconds.
const filledKey = "bench:filled"

// keptData makes the directory for data that several runs use, and removes the append-only file of an earlier run.
func keptData(keep string, count int) (string, error) {
	dir, err := filepath.Abs(filepath.Join(keep, strconv.Itoa(count)))
	if err != nil {
		return "", err
	}
	return dir, errors.Join(os.MkdirAll(dir, 0o700), os.RemoveAll(filepath.Join(dir, "appendonlydir")))
}

// fill writes the copies, unless an earlier run has kept them.
func (g *grown) fill(ctx context.Context) error {
	g.filled = g.newFiller()
	client := g.Redis.Client
	ends, err := client.Get(ctx, filledKey).Int64()
	switch {
	case errors.Is(err, redis.Nil):
		if err := g.write(ctx); err != nil {
			return err
		}
	case err != nil:
		return err
	default:
		g.filled.ends = time.UnixMilli(ends)
	}
	full, err := g.info(ctx, "memory", "used_memory")
	if err != nil {
		return err
	}
	g.note("Redis memory of an order with its events", "B", perOrder, full/float64(g.count))
	g.note("Redis memory, used_memory", "MB", wholeData, full/1e6)
	return errors.Join(
		client.ConfigSet(ctx, "slowlog-log-slower-than", "500").Err(),
		client.ConfigSet(ctx, "slowlog-max-len", "4096").Err(),
		client.Do(ctx, "SLOWLOG", "RESET").Err(),
	)
}

// write writes the copies, and saves them if the data is to be kept.
func (g *grown) write(ctx context.Context) error {
	if err := g.initRedis(ctx); err != nil {
		return err
	}
	began, own, server := time.Now(), processorTime(os.Getpid()), processorTime(g.Redis.Process.PID())
	if err := g.filled.run(ctx); err != nil {
		return err
	}
	own, server = processorTime(os.Getpid())-own, processorTime(g.Redis.Process.PID())-server
	fmt.Fprintf(os.Stderr, "%d orders written in %s; processor time: bench %s, Redis %s\n", g.count,
		time.Since(began).Round(time.Millisecond), own.Round(time.Millisecond), server.Round(time.Millisecond))
	err := g.Redis.Client.Set(ctx, filledKey, g.filled.ends.UnixMilli(), 0).Err()
	if err == nil && g.keep != "" {
		err = errors.Join(g.Redis.Client.BgSave(ctx).Err(), g.awaitZero(ctx, "rdb_bgsave_in_progress"))
	}
	return err
}

// info returns a number from Redis's INFO.
func (g *grown) info(ctx context.Context, section, name string) (float64, error) {
	text, err := g.Redis.Client.Info(ctx, section).Result()
	if err != nil {
		return 0, err
	}
	for line := range lines(text) {
		if value, found := strings.CutPrefix(strings.TrimSpace(line), name+":"); found {
			return strconv.ParseFloat(value, 64)
		}
	}
	return 0, fmt.Errorf("INFO %s has no %s", section, name)
}

// appendOnly enables the append-only file, and waits until it has been written.
func (g *grown) appendOnly(ctx context.Context) error {
	if err := g.Redis.Client.ConfigSet(ctx, "appendonly", "yes").Err(); err != nil {
		return err
	}
	return g.awaitZero(ctx, "aof_rewrite_scheduled", "aof_rewrite_in_progress")
}

// awaitZero waits until these numbers of INFO persistence are zero.
func (g *grown) awaitZero(ctx context.Context, names ...string) error {
	for {
		left := 0.0
		for _, name := range names {
			value, err := g.info(ctx, "persistence", name)
			if err != nil {
				return err
			}
			left += value
		}
		if left == 0 {
			return nil
		}
		if !wait.Pause(ctx, 100*time.Millisecond) {
			return ctx.Err()
		}
	}
}

// get sends the running server a GET request with a service key.
func (g *grown) get(ctx context.Context, path string) (testenv.Answer, error) {
	header := map[string]string{"Authorization": "Bearer " + testenv.BackendKey}
	a, err := testenv.Call(ctx, http.DefaultClient, http.MethodGet, "http://"+g.server.Public+path, header, "")
	if err == nil && a.Status != http.StatusOK {
		err = fmt.Errorf("GET %s was answered with %d: %s", path, a.Status, a.Body)
	}
	return a, err
}
