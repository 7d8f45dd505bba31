package main

import (
	"fmt"
	"io"
	"math"
)

// reading is how much there was of everything at one moment.
type reading map[string]float64

// truth is how many there have to be.
type truth struct {
	orders  int
	running int // orders whose payment may still change
	entries int // transitions that the records name; negative: it is not known yet
}

// What is measured.
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
	collections = "garbage collections" // of the server, so far; not judged
)

const (
	mega      = 1 << 20
	pipelines = 20      // connections: go-redis's DefaultPipelinePoolSize, of writers and of readers
	mostViews = 1 << 15 // that the server keeps in memory
	viewBytes = 6 << 10 // of each, with what go-redis notes of it
)

// rule says how much of something there may be at rest.
type rule struct {
	name   string
	bytes  bool
	factor float64             // of the base, and so much more
	slack  float64             // what comes and goes by itself
	exact  func(truth) float64 // instead
}

func none(truth) float64 { return 0 }

// mayLie is how much garbage the process may keep beside half of what it needs (cmd/internal/app/heap.go). The base is
// perhaps read just after it has given memory back.
const mayLie = 48 * mega

// rules are the lines of the table. The slack of goroutines and files is that of a scrape and of a background read;
// go-redis opens connections for pipelines when it needs them, and keeps them. That of memory is what the collector
// and the allocator leave, and two tables of callers with 65,536 lines each; views that are kept take what they
// take. Other keys are a count of strangers and a queue of attention in each partition.
var rules = []rule{
	{name: goroutines, factor: 1, slack: 10},
	{name: openFiles, factor: 1, slack: 10 + pipelines},
	{name: heap, bytes: true, factor: 1.25, slack: 16 * mega},
	{name: resident, bytes: true, factor: 1.5, slack: 16*mega + mayLie},
	{name: waiters, factor: 1},
	{name: connections, factor: 1, slack: 2 + pipelines},
	{name: views, slack: mostViews},
	{name: payments, exact: func(t truth) float64 { return float64(t.orders) }},
	{name: orders, exact: func(t truth) float64 { return float64(t.orders) }},
	{name: indexed, exact: func(t truth) float64 { return float64(t.orders) }},
	{name: entries, exact: func(t truth) float64 { return float64(t.entries) }},
	{name: sweeps, exact: func(t truth) float64 { return float64(t.running) }},
	{name: reads, exact: none},
	{name: restores, exact: none},
	{name: pending, exact: none},
	{name: retries, exact: none},
	{name: dead, exact: none},
	{name: quarantined, exact: none},
	{name: limits, exact: none},
	{name: leases, exact: func(truth) float64 { return 1 }},
	{name: otherKeys, factor: 1, slack: 4},
}

// figure is a line of the table.
type figure struct {
	rule
	base, peak, end float64
	least, most     float64 // of the end
}

// judge holds a reading against the base, and against the truth. Without a base only what must be exact is judged.
func judge(base, peak, end reading, t truth) []figure {
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

// of is NaN where the machine does not show it, which is not within any bounds.
func (r reading) of(name string) float64 {
	if value, known := r[name]; known {
		return value
	}
	return math.NaN()
}

// complaint is what is wrong with the end; empty where nothing is.
func (f figure) complaint() string {
	switch {
	case f.end >= f.least && f.end <= f.most:
		return ""
	case math.IsNaN(f.end):
		return f.name + " could not be measured"
	case f.exact != nil:
		return fmt.Sprintf("%s: there are %s, and there should be %s", f.name, f.show(f.end), f.show(f.most))
	}
	return fmt.Sprintf("%s did not return: %s before the load, %s at its peak, %s after it, of which %s would do",
		f.name, f.show(f.base), f.show(f.peak), f.show(f.end), f.show(f.most))
}

func complaints(figures []figure) (all []string) {
	for _, f := range figures {
		if c := f.complaint(); c != "" {
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

// printTable writes the table.
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
