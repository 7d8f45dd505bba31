package main

import (
	"fmt"
	"io"
	"math"
)

// reading holds all measured values of one moment.
type reading map[string]float64

// expected holds the counts that Redis must have.
type expected struct {
	orders  int
	running int // orders whose payment may still change
	entries int // transitions in the stored records; negative until they have been counted
}

// Names of the measured values.
const (
	goroutines  = "goroutines"
	openFiles   = "open files"
	heap        = "heap in use"
	resident    = "resident memory"
	waiters     = "held requests"
	connections = "Redis connections"
	views       = "views in memory"
	payments    = "payments"
	orders      = "orders"
	indexed     = "orders in the index"
	entries     = "events in the streams"
	sweeps      = "payments to sweep"
	reads       = "payments in doubt"
	restores    = "payments to restore"
	pending     = "pushes under way"
	retries     = "pushes to repeat"
	dead        = "pushes given up"
	quarantined = "events in quarantine"
	limits      = "limiter keys"
	leases      = "leases"
	otherKeys   = "other keys"
	collections = "garbage collections" // runs of the server's garbage collector so far; not compared
)

const (
	mega      = 1 << 20
	pipelines = 20      // connections: DefaultPipelinePoolSize of go-redis, once for writers and once for readers
	mostViews = 1 << 15 // views that the server keeps in memory
	viewBytes = 6 << 10 // size of one view with go-redis's bookkeeping
)

// rule limits a value when the server is idle.
type rule struct {
	name   string
	bytes  bool
	factor float64                // times the value before the load
	slack  float64                // added to that: the normal fluctuation
	exact  func(expected) float64 // replaces factor and slack
}

func none(expected) float64 { return 0 }

// garbageAllowance is the garbage that the process may keep, in bytes, in addition to half of its live heap
// (cmd/internal/app/heap.go). It counts as slack, because the base may be read just after the process has returned
// memory to the system.
const garbageAllowance = 48 * mega

// rules are the lines of the table. The reasons of the slack values:
//
//   - goroutines and files: a running scrape and a background read;
//   - connections and files: go-redis opens pipeline connections on demand and keeps them;
//   - memory: the collector and the allocator keep some, and two tables of callers have 65,536 entries each;
//   - other keys: a counter of foreign payments and an attention queue in each partition.
//
// The memory of cached views is allowed in addition.
var rules = []rule{
	{name: goroutines, factor: 1, slack: 10},
	{name: openFiles, factor: 1, slack: 10 + pipelines},
	{name: heap, bytes: true, factor: 1.25, slack: 16 * mega},
	{name: resident, bytes: true, factor: 1.5, slack: 16*mega + garbageAllowance},
	{name: waiters, factor: 1},
	{name: connections, factor: 1, slack: 2 + pipelines},
	{name: views, slack: mostViews},
	{name: payments, exact: func(t expected) float64 { return float64(t.orders) }},
	{name: orders, exact: func(t expected) float64 { return float64(t.orders) }},
	{name: indexed, exact: func(t expected) float64 { return float64(t.orders) }},
	{name: entries, exact: func(t expected) float64 { return float64(t.entries) }},
	{name: sweeps, exact: func(t expected) float64 { return float64(t.running) }},
	{name: reads, exact: none},
	{name: restores, exact: none},
	{name: pending, exact: none},
	{name: retries, exact: none},
	{name: dead, exact: none},
	{name: quarantined, exact: none},
	{name: limits, exact: none},
	{name: leases, exact: func(expected) float64 { return 1 }},
	{name: otherKeys, factor: 1, slack: 4},
}

// figure is one line of the table.
type figure struct {
	rule
	base, peak, end float64
	least, most     float64 // bounds of end, inclusive
}

// compare checks a reading against the base and the expected counts. Without a base it checks only the exact
// counts.
func compare(base, peak, end reading, t expected) []figure {
	var all []figure
	for _, r := range rules {
		f := figure{
			rule: r, base: base.of(r.name), peak: peak.of(r.name), end: end.of(r.name), least: 0, most: math.Inf(1),
		}
		switch {
		case r.exact != nil && r.exact(t) >= 0:
			f.least, f.most = r.exact(t), r.exact(t)
		case r.exact == nil && base != nil:
			f.most = math.Ceil(f.base*r.factor + r.slack)
			if r.bytes {
				f.most += viewBytes * max(0, end[views]-base[views])
			}
		}
		all = append(all, f)
	}
	return all
}

// of returns NaN for a value that this machine does not report. NaN is within no bounds.
func (r reading) of(name string) float64 {
	if value, known := r[name]; known {
		return value
	}
	return math.NaN()
}

// problem returns how end violates its bounds; empty if it does not.
func (f figure) problem() string {
	switch {
	case f.end >= f.least && f.end <= f.most:
		return ""
	case math.IsNaN(f.end):
		return f.name + " could not be measured"
	case f.exact != nil:
		return fmt.Sprintf("%s: %s, want %s", f.name, f.show(f.end), f.show(f.most))
	}
	return fmt.Sprintf("%s did not return: %s before the load, %s at its peak, %s after it; allowed are %s",
		f.name, f.show(f.base), f.show(f.peak), f.show(f.end), f.show(f.most))
}

func problems(figures []figure) (all []string) {
	for _, f := range figures {
		if c := f.problem(); c != "" {
			all = append(all, c)
		}
	}
	return all
}

func (f figure) show(value float64) string {
	switch {
	case math.IsNaN(value):
		return "?"
	case f.bytes:
		return fmt.Sprintf("%.1f MB", value/mega)
	}
	return fmt.Sprintf("%.0f", value)
}

func printTable(out io.Writer, figures []figure) {
	fmt.Fprintln(out, "\n|                       |     base |     peak |      end |  allowed |")
	fmt.Fprintln(out, "|-----------------------|---------:|---------:|---------:|---------:|")
	for _, f := range figures {
		fmt.Fprintf(
			out, "| %-21s | %8s | %8s | %8s | %8s |\n", f.name, f.show(f.base), f.show(f.peak), f.show(f.end),
			f.show(f.most),
		)
	}
}
