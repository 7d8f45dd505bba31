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

// bench is one run with its results.
type bench struct {
	rounds  int
	length  time.Duration
	dir     string
	program string // Kasse's binary
	beside  string // binary of an older Kasse to compare with; empty: none
	sizes   []int  // numbers of orders of the scenario growth
	keep    string // directory where growth keeps the orders for the next run; empty: it keeps none
	cost    costOptions
	out     io.Writer

	environments int                  // created so far
	results      map[string][]float64 // results by name and unit, one value per round
	rows         []row
}

// row is one line of the table.
type row struct{ name, target, measured string }

// metric is one value with its unit.
type metric struct {
	unit  string
	value float64
}

// head prints the machine's description for benchstat.
func (b *bench) head() {
	fmt.Fprintf(b.out, "goos: %s\ngoarch: %s\npkg: kasse/test/bench\n", runtime.GOOS, runtime.GOARCH)
}

// line prints one measurement and records it.
func (b *bench) line(name string, count int, metrics ...metric) {
	fmt.Fprintf(b.out, "Benchmark%s-%d\t%d", name, runtime.NumCPU(), count)
	for _, m := range metrics {
		fmt.Fprintf(b.out, "\t%.6g %s", m.value, m.unit)
		key := name + " " + m.unit
		b.results[key] = append(b.results[key], m.value)
	}
	fmt.Fprintln(b.out)
}

// load prints the result of a load.
func (b *bench) load(name string, l load, more ...metric) {
	b.line(name, l.count(), append([]metric{
		{"ns/op", float64(l.took.Nanoseconds()) / float64(max(l.count(), 1))},
		{"req/s", l.rate()},
		{"p50-µs", micros(l.quantile(.5))},
		{"p99-µs", micros(l.quantile(.99))},
	}, more...)...)
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// median returns the median of a measurement; 0 if there is none.
func (b *bench) median(key string) float64 { return median(b.results[key]) }

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

// ratio returns the median over the rounds of one measurement divided by another of the same round, with
// minimum and maximum.
func (b *bench) ratio(of, by string) string {
	all := make([]float64, 0, b.rounds)
	for round := range min(len(b.results[of]), len(b.results[by])) {
		all = append(all, b.results[of][round]/b.results[by][round])
	}
	if len(all) == 0 {
		return "not measured"
	}
	return fmt.Sprintf("%.2f × (%.2f to %.2f)", median(all), slices.Min(all), slices.Max(all))
}

// figure adds a row to the table, with the target.
func (b *bench) figure(what, wanted, format string, args ...any) {
	b.rows = append(b.rows, row{what, wanted, fmt.Sprintf(format, args...)})
}

// table prints the table as Markdown.
func (b *bench) table() {
	fmt.Fprintf(
		b.out, "\nMedians of %d rounds (minimum to maximum), on %d cores, %s %s/%s\n\n", b.rounds, runtime.NumCPU(),
		runtime.Version(), runtime.GOOS, runtime.GOARCH,
	)
	w := tabwriter.NewWriter(b.out, 0, 0, 1, ' ', tabwriter.Debug)
	fmt.Fprintf(w, "| what\t wanted\t measured\t\n")
	fmt.Fprintf(w, "|%s\t%s\t%s\t\n", strings.Repeat("-", 3), strings.Repeat("-", 3), strings.Repeat("-", 3))
	for _, r := range b.rows {
		fmt.Fprintf(w, "| %s\t %s\t %s\t\n", r.name, r.target, r.measured)
	}
	_ = w.Flush()
}
