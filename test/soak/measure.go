package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"kasse/test/internal/testenv"
	"kasse/test/wait"
)

// measure reads the server's metrics and Redis.
func (env *environment) measure(ctx context.Context) (reading, error) {
	r := reading{}
	a, err := testenv.Call(ctx, env.scraper, http.MethodGet, "http://"+env.kasse.Admin+"/metrics", nil, "")
	if err != nil || a.Status != http.StatusOK {
		return r, fmt.Errorf("metrics: %d: %w", a.Status, err)
	}
	r.addMetrics(a.Body)
	return r, r.addRedis(ctx, env.Redis.Client)
}

// shown maps Prometheus metrics, without their labels, to lines of the table.
var shown = map[string]string{
	"go_goroutines": goroutines, "process_open_fds": openFiles, "process_resident_memory_bytes": resident,
	"go_memstats_heap_inuse_bytes": heap, "go_gc_duration_seconds_count": collections,
	"kasse_waiters": waiters, "kasse_redis_cache_views": views,
}

// addMetrics parses Prometheus's text format.
func (r reading) addMetrics(text []byte) {
	r[views] = 0 // the metric is missing without a cache
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		series, value, _ := strings.Cut(lines.Text(), " ")
		number, err := strconv.ParseFloat(value, 64)
		if err != nil {
			continue
		}
		name, labels, _ := strings.Cut(series, "{")
		switch {
		case shown[name] != "":
			r[shown[name]] += number
		case name == "kasse_push_depth" && strings.Contains(labels, `state="pending"`):
			r[pending] += number
		}
	}
}

// kinds classifies Redis keys by name; the first match counts. For collections the members are counted, since
// an empty collection has no key.
var kinds = []struct {
	name          *regexp.Regexp
	line, members string // line of the table: one of the two is set
}{
	{regexp.MustCompile(`^kasse:\{p\d+\}:pi:`), payments, ""},
	{regexp.MustCompile(`^kasse:\{p\d+\}:order:`), orders, ""},
	{regexp.MustCompile(`^kasse:\{p\d+\}:index:created:\d+$`), "", indexed},
	// Directories, buckets by customer and the pass that prunes them; not compared.
	{regexp.MustCompile(`^kasse:\{p\d+\}:(index:|prune$)`), "", ""},
	{regexp.MustCompile(`^kasse:\{p\d+\}:events$`), "", entries},
	{regexp.MustCompile(`^kasse:\{p\d+\}:sweep$`), "", sweeps},
	{regexp.MustCompile(`^kasse:\{p\d+\}:reads$`), "", reads},
	{regexp.MustCompile(`^kasse:\{p\d+\}:restore(:token)?$`), "", restores},
	{regexp.MustCompile(`^kasse:\{p\d+\}:push:[^:]+:retries$`), "", retries},
	{regexp.MustCompile(`^kasse:\{p\d+\}:push:[^:]+:dead$`), "", dead},
	{regexp.MustCompile(`^kasse:\{p\d+\}:quarantine$`), "", quarantined},
	{regexp.MustCompile(`^kasse:\{p\d+\}:lease:`), leases, ""},
	{regexp.MustCompile(`^kasse:\{p\d+\}:limit:`), limits, ""},
	{regexp.MustCompile(``), otherKeys, ""},
}

// addRedis counts the keys and the connections, except those of this program.
func (r reading) addRedis(ctx context.Context, client *redis.Client) error {
	for _, k := range kinds {
		r[k.line+k.members] = 0
	}
	var cursor uint64
	for {
		keys, next, err := client.Scan(ctx, cursor, "*", 1000).Result()
		if err != nil {
			return err
		}
		for _, key := range keys {
			if err := r.addKey(ctx, client, key); err != nil {
				return err
			}
		}
		if cursor = next; cursor == 0 {
			break
		}
	}
	list, err := client.ClientList(ctx).Result()
	for line := range strings.Lines(list) {
		if !strings.Contains(line, " name="+testenv.ClientName+" ") {
			r[connections]++
		}
	}
	return err
}

func (r reading) addKey(ctx context.Context, client *redis.Client, key string) error {
	for _, k := range kinds {
		if !k.name.MatchString(key) {
			continue
		}
		var count *redis.IntCmd
		switch k.members {
		case "":
			r[k.line]++
			return nil
		case entries, dead, quarantined:
			count = client.XLen(ctx, key)
		default:
			count = client.ZCard(ctx, key)
		}
		r[k.members] += float64(count.Val())
		return count.Err()
	}
	return nil
}

// keepMin keeps the lower value of each name.
func (r reading) keepMin(other reading) { r.merge(other, math.Min) }

// keepMax keeps the higher value of each name.
func (r reading) keepMax(other reading) { r.merge(other, math.Max) }

func (r reading) merge(other reading, better func(a, b float64) float64) {
	for name, value := range other {
		if known, ok := r[name]; ok {
			value = better(known, value)
		}
		r[name] = value
	}
}

const (
	watchEvery = time.Second
	printEvery = 5 // measurements
)

// watch measures once a second while do runs, prints progress, and returns the peaks.
func (env *environment) watch(ctx context.Context, out io.Writer, do func()) reading {
	peak, done, began := reading{}, make(chan struct{}), time.Now()
	go func() { defer close(done); do() }()
	for count := 1; ; count++ {
		select {
		case <-done:
			return peak
		case <-time.After(watchEvery):
		}
		r, err := env.measure(ctx)
		if err != nil {
			if ctx.Err() == nil {
				env.stats.addProblem("%v", err)
			}
			continue
		}
		peak.keepMax(r)
		if count%printEvery == 0 {
			b := &env.stats
			fmt.Fprintf(out, "%6s  %6.0f orders %7d requests %6d canceled %3d failed  %4.0f goroutines %4.0f files "+
				"%5.1f MB\n",
				time.Since(began).Round(time.Second), r[orders], b.requests.Load(), b.canceled.Load(), b.failed.Load(),
				r[goroutines], r[openFiles], r[resident]/mega)
		}
	}
}

const (
	restEvery = 50 * time.Millisecond // between measurements of an idle server
	// Garbage collections during a measurement: the first finds garbage, the second frees it.
	collectEach     = 2
	minMeasurements = 20 // after the collections
)

// measureIdle measures the idle server until its garbage has been collected. The scrapes themselves trigger
// the collections. It returns the lowest value of each name, since background work fluctuates.
func (env *environment) measureIdle(ctx context.Context) (reading, error) {
	first, err := env.measure(ctx)
	if err != nil {
		return nil, err
	}
	lowest := reading{}
	for count := 0; count < minMeasurements; {
		if !wait.Pause(ctx, restEvery) {
			return nil, ctx.Err()
		}
		r, err := env.measure(ctx)
		if err != nil {
			return nil, err
		}
		if r[collections] >= first[collections]+collectEach {
			lowest.keepMin(r)
			count++
		}
	}
	return lowest, nil
}

// awaitIdle measures until no problem is left or env.patience is over, and returns the last reading.
func (env *environment) awaitIdle(ctx context.Context, wrong func(reading) []string) (reading, error) {
	for end := time.Now().Add(env.patience); ; {
		env.closeIdle()
		r, err := env.measureIdle(ctx)
		if err != nil || len(wrong(r)) == 0 || time.Now().After(end) {
			return r, err
		}
	}
}

// closeIdle closes the idle connections to and from the server.
func (env *environment) closeIdle() {
	env.Client.CloseIdleConnections()
	for _, server := range []*http.Server{env.Stripe.HTTP.Config, env.endpoint.Config} {
		server.SetKeepAlivesEnabled(false)
		server.SetKeepAlivesEnabled(true)
	}
}
