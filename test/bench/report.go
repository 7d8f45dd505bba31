package main

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// bench is one run with what it has come to.
type bench struct {
	rounds  int
	length  time.Duration
	dir     string
	program string // Kasse
	beside  string // an older build of it, to be measured beside; empty: none
	out     io.Writer

	environments int                  // so far
	seen         map[string][]float64 // what was measured, by name and unit, one value a round
	rows         []row
}

// row is a figure of the table.
type row struct{ what, wanted, came string }

// metric is one value of a measurement.
type metric struct {
	unit  string
	value float64
}

// head says what benchstat wants to know of the machine.
func (b *bench) head() {
	fmt.Fprintf(b.out, "goos: %s\ngoarch: %s\npkg: kasse/test/bench\n", runtime.GOOS, runtime.GOARCH)
}

// line prints one measurement, and keeps it.
func (b *bench) line(name string, count int, metrics ...metric) {
	fmt.Fprintf(b.out, "Benchmark%s-%d\t%d", name, runtime.NumCPU(), count)
	for _, m := range metrics {
		fmt.Fprintf(b.out, "\t%.6g %s", m.value, m.unit)
		key := name + " " + m.unit
		b.seen[key] = append(b.seen[key], m.value)
	}
	fmt.Fprintln(b.out)
}

// load prints what a load came to.
func (b *bench) load(name string, l load, more ...metric) {
	b.line(name, l.count(), append([]metric{
		{"ns/op", float64(l.took.Nanoseconds()) / float64(max(l.count(), 1))},
		{"req/s", l.rate()},
		{"p50-µs", micros(l.quantile(.5))},
		{"p99-µs", micros(l.quantile(.99))},
	}, more...)...)
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// median is that of what was measured; zero where nothing was.
func (b *bench) median(key string) float64 { return median(b.seen[key]) }

func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 0 {
		return (sorted[middle-1] + sorted[middle]) / 2
	}
	return sorted[middle]
}

// ratio is the median, over the rounds, of one measurement by another of the same round, with the least and the most.
func (b *bench) ratio(of, by string) string {
	all := make([]float64, 0, b.rounds)
	for round := range min(len(b.seen[of]), len(b.seen[by])) {
		all = append(all, b.seen[of][round]/b.seen[by][round])
	}
	if len(all) == 0 {
		return "not measured"
	}
	return fmt.Sprintf("%.2f × (%.2f to %.2f)", median(all), slices.Min(all), slices.Max(all))
}

// figure adds a row to the table.
func (b *bench) figure(what, wanted, format string, args ...any) {
	b.rows = append(b.rows, row{what, wanted, fmt.Sprintf(format, args...)})
}

// table prints the figures as Markdown.
func (b *bench) table() {
	fmt.Fprintf(
		b.out, "\nMedians of %d rounds (least to most), on %d cores, %s %s/%s\n\n", b.rounds, runtime.NumCPU(),
		runtime.Version(), runtime.GOOS, runtime.GOARCH,
	)
	w := tabwriter.NewWriter(b.out, 0, 0, 1, ' ', tabwriter.Debug)
	fmt.Fprintf(w, "| what\t wanted\t measured\t\n")
	fmt.Fprintf(w, "|%s\t%s\t%s\t\n", strings.Repeat("-", 3), strings.Repeat("-", 3), strings.Repeat("-", 3))
	for _, r := range b.rows {
		fmt.Fprintf(w, "| %s\t %s\t %s\t\n", r.what, r.wanted, r.came)
	}
	_ = w.Flush()
}
