package app

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// scrapeBound limits the queries of one scrape. Values that arrive later are left out.
const scrapeBound = 2 * time.Second

// backlog exports the state of Redis and of this process when Prometheus scrapes. Values from Redis are the
// same on all replicas: take their maximum, not their sum.
type backlog struct {
	app   *App
	descs []*prometheus.Desc

	scraping sync.Mutex // guards the values below, which belong to one scrape
	out      chan<- prometheus.Metric
}

var errUndescribed = errors.New("the metric has no description")

// described are the backlog's metrics.
var described = []definition{
	{
		"kasse_waiters", "gauge", nil,
		"Waiting requests of this process: polls, and creates that wait for another create. Each endpoint adds one.",
	},
	{
		"kasse_redis_pool_connections", "gauge",
		[]string{"pool", "state"},
		"Connections to Redis, used and idle. Status reads and the feed have their own pool, readers.",
	},
	{"kasse_redis_pool_hits_total", "counter", []string{"pool"}, "How often a free connection was found."},
	{"kasse_redis_pool_misses_total", "counter", []string{"pool"}, "How often no free connection was found."},
	{
		"kasse_redis_pool_timeouts_total", "counter",
		[]string{"pool"},
		"How often a caller waited too long for a connection.",
	},
	{
		"kasse_redis_pool_stale_total", "counter",
		[]string{"pool"},
		"Connections that were removed because they were broken or too old.",
	},
	{
		"kasse_redis_cache_hits_total", "counter", nil,
		"Status reads that were answered from memory (REDIS_CLIENT_CACHE).",
	},
	{"kasse_redis_cache_misses_total", "counter", nil, "Status reads that were not answered from memory."},
	{"kasse_redis_cache_views", "gauge", nil, "Views in memory."},
	{
		"kasse_redis_up", "gauge", nil,
		"1 if Redis answered this scrape in time, otherwise 0. Metrics that are read from Redis are then missing.",
	},
	{
		"kasse_redis_clock_ahead_seconds", "gauge", nil,
		"How far Redis's clock is ahead of this replica's; negative: behind. Kasse dates versions, leases and " +
			"limits by Redis's clock.",
	},
	{"kasse_redis_memory_used_bytes", "gauge", []string{"server"}, "Memory that a master uses."},
	{
		"kasse_redis_memory_max_bytes", "gauge",
		[]string{"server"},
		"Memory that a master may use; 0 if maxmemory is not set.",
	},
	{"kasse_stripe_reads_budget", "gauge", nil, "Background reads that all replicas together may make now."},
	{
		"kasse_reconcile_reads_due", "gauge", nil,
		"Payments with ambiguous facts whose read at Stripe is due.",
	},
	{"kasse_reconcile_sweep_backlog", "gauge", nil, "Unfinished payments that the sweep has to read now."},
	{"kasse_reconcile_restore_queue", "gauge", nil, "Payments that are not in Redis and that a page has requested."},
	{
		"kasse_reconcile_caught_up_age_seconds", "gauge", nil,
		"Age of the last completed catch-up with Stripe's events; missing before the first one.",
	},
	{"kasse_webhook_quarantined", "gauge", nil, "Signed events in quarantine, because Kasse could not read them."},
	{
		"kasse_push_depth", "gauge",
		[]string{"endpoint", "state"},
		"Events on their way to an endpoint: pending (first tries), retries, or dead (given up).",
	},
	{
		"kasse_push_age_seconds", "gauge",
		[]string{"endpoint"},
		"Age of the oldest event in its first try or of the next retry, whichever is older; 0 if there is none.",
	},
	{
		"kasse_push_disabled", "gauge",
		[]string{"endpoint"},
		"1 if an endpoint answered 410 or was disabled by hand. It gets nothing until it is enabled.",
	},
	{
		"kasse_push_failing_seconds", "gauge",
		[]string{"endpoint"},
		"How long an endpoint's circuit has been open; 0 if it is closed.",
	},
}

func (m *metrics) watch(a *App) {
	b := &backlog{app: a}
	for _, d := range described {
		b.descs = append(b.descs, prometheus.NewDesc(d.name, d.help, d.labels, nil))
	}
	m.registry.MustRegister(b)
	m.all = append(m.all, described...)
}

// Describe implements prometheus.Collector.
func (b *backlog) Describe(out chan<- *prometheus.Desc) {
	for _, d := range b.descs {
		out <- d
	}
}

// Collect queries this process and Redis.
func (b *backlog) Collect(out chan<- prometheus.Metric) {
	b.scraping.Lock()
	defer b.scraping.Unlock()
	b.out = out
	b.ofProcess()
	ctx, cancel := context.WithTimeout(context.Background(), scrapeBound)
	defer cancel()
	up := 0.0
	if b.ofRedis(ctx) == nil {
		up = 1
	}
	b.show("kasse_redis_up", up)
}

func (b *backlog) show(name string, value float64, labels ...string) {
	at := slices.IndexFunc(described, func(d definition) bool { return d.name == name })
	if at < 0 {
		b.out <- prometheus.NewInvalidMetric(prometheus.NewInvalidDesc(errUndescribed), errUndescribed)
		return
	}
	kind := prometheus.GaugeValue
	if described[at].kind == "counter" {
		kind = prometheus.CounterValue
	}
	b.out <- prometheus.MustNewConstMetric(b.descs[at], kind, value, labels...)
}

func (b *backlog) ofProcess() {
	b.show("kasse_waiters", float64(b.app.store.Waiters()+b.app.service.HeldStatuses()))
	for name, pool := range b.app.store.Pools() {
		b.show("kasse_redis_pool_connections", float64(pool.Total-min(pool.Idle, pool.Total)), name, "used")
		b.show("kasse_redis_pool_connections", float64(pool.Idle), name, "idle")
		b.show("kasse_redis_pool_hits_total", float64(pool.Hits), name)
		b.show("kasse_redis_pool_misses_total", float64(pool.Misses), name)
		b.show("kasse_redis_pool_timeouts_total", float64(pool.Timeouts), name)
		b.show("kasse_redis_pool_stale_total", float64(pool.Stale), name)
	}
	kept := b.app.store.CacheStats()
	b.show("kasse_redis_cache_hits_total", float64(kept.Hits))
	b.show("kasse_redis_cache_misses_total", float64(kept.Misses))
	b.show("kasse_redis_cache_views", float64(kept.Views))
}

func (b *backlog) ofRedis(ctx context.Context) error {
	waiting, err := b.app.store.LoadBacklog(ctx, b.app.StripeReadRPS)
	if err != nil {
		return err
	}
	b.show("kasse_stripe_reads_budget", float64(waiting.Budget))
	b.show("kasse_reconcile_reads_due", float64(waiting.Reads))
	b.show("kasse_reconcile_sweep_backlog", float64(waiting.Sweeps))
	b.show("kasse_reconcile_restore_queue", float64(waiting.Restores))
	b.show("kasse_webhook_quarantined", float64(waiting.Quarantined))
	if waiting.CaughtUp >= 0 {
		b.show("kasse_reconcile_caught_up_age_seconds", waiting.CaughtUp.Seconds())
	}
	ahead, err := b.app.store.ClockAhead(ctx)
	if err != nil {
		return err
	}
	b.show("kasse_redis_clock_ahead_seconds", ahead.Seconds())
	for _, server := range b.app.store.LoadMemory(ctx) {
		b.show("kasse_redis_memory_used_bytes", float64(server.Used), server.Address)
		b.show("kasse_redis_memory_max_bytes", float64(server.MaxBytes), server.Address)
	}
	return b.ofEndpoints(ctx)
}

func (b *backlog) ofEndpoints(ctx context.Context) error {
	for _, e := range b.app.Endpoints {
		name := e.Name()
		standing, err := b.app.store.LoadPushes(ctx, e.ID())
		if err != nil {
			return err
		}
		b.show("kasse_push_depth", float64(standing.Pending), name, "pending")
		b.show("kasse_push_depth", float64(standing.Retries), name, "retries")
		b.show("kasse_push_depth", float64(standing.Dead), name, "dead")
		age, disabled := 0.0, 0.0
		if !standing.Oldest.IsZero() {
			age = max(time.Since(standing.Oldest).Seconds(), 0)
		}
		if standing.Disabled != "" {
			disabled = 1
		}
		failing := 0.0
		if !standing.Failing.IsZero() {
			failing = max(time.Since(standing.Failing).Seconds(), 0)
		}
		b.show("kasse_push_age_seconds", age, name)
		b.show("kasse_push_disabled", disabled, name)
		b.show("kasse_push_failing_seconds", failing, name)
	}
	return nil
}
