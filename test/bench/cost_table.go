package main

import (
	"fmt"
	"slices"
	"strings"
)

// costTables prints the cost of each request in each setup, the ratios between the setups, and the cost of a day's
// orders.
func (b *bench) costTables() {
	fmt.Fprintf(
		b.out, "\nProcessor time in µs of a request: Kasse + masters + replicas + sentinels. Medians of %d rounds.\n"+
			"appendfsync %s. Behind sentinels and on the cluster: %d replicas of each master, "+
			"REDIS_WAIT_REPLICAS=%d.\n",
		b.rounds, b.cost.fsync, b.cost.replicas, b.cost.confirmed(),
	)
	b.costHead("request")
	for _, t := range b.chosenTasks() {
		b.costRow(t.name, func(mode string) string { return b.costOf(mode, t.name).String() })
	}
	b.costRow("idle, % of a core", func(mode string) string {
		return b.costMedian(mode, taskIdle, "%core").text("%.2f")
	})
	fmt.Fprint(b.out, "\nRequests per processor time, relative to the first setup: time of Kasse; "+
		"time of Kasse and the masters (minimum to maximum).\n")
	b.costHead("request")
	for _, t := range b.chosenTasks() {
		b.costRow(t.name, func(mode string) string { return b.costRatios(mode, t.name) })
	}
	if len(b.chosenTasks()) == len(costTasks)+len(pushTasks) {
		b.dayTables()
	}
}

func (b *bench) costHead(first ...string) {
	columns := append(first, b.cost.modes...)
	fmt.Fprintf(b.out, "\n| %s |\n|%s\n", strings.Join(columns, " | "), strings.Repeat("---|", len(columns)))
}

func (b *bench) costRow(name string, cell func(mode string) string) {
	fmt.Fprintf(b.out, "| %s |", name)
	for _, mode := range b.cost.modes {
		fmt.Fprintf(b.out, " %s |", cell(mode))
	}
	fmt.Fprintln(b.out)
}

// costOf returns the cost of one request in a setup.
func (b *bench) costOf(mode, task string) spent { return b.costMedian(mode, task, "µs/op") }

func (b *bench) costMedian(mode, task, unit string) spent {
	return spent{}.each(func(at int, _ float64) float64 {
		return b.median(costName(mode, task) + " " + spentParts[at].name + "-" + unit)
	})
}

// String formats the parts in microseconds. It omits the parts without processes.
func (s spent) String() string { return s.text("%.0f") }

func (s spent) text(format string) string {
	parts := []string{fmt.Sprintf(format, s.kasse), fmt.Sprintf(format, s.masters)}
	if s.replicas > 0 || s.sentinels > 0 {
		parts = append(parts, fmt.Sprintf(format, s.replicas), fmt.Sprintf(format, s.sentinels))
	}
	return strings.Join(parts, " + ")
}

// costRatios compares a setup with the first one: in each round, the first one's time is divided by the setup's.
func (b *bench) costRatios(mode, task string) string {
	first := b.cost.modes[0]
	kasse, masters := " kasse-µs/op", " masters-µs/op"
	of, by := costName(first, task), costName(mode, task)
	rounds := min(len(b.results[of+kasse]), len(b.results[by+kasse]))
	var alone, both []float64
	for round := range rounds {
		a, c := b.results[of+kasse][round], b.results[by+kasse][round]
		alone = append(alone, a/c)
		both = append(both, (a+b.results[of+masters][round])/(c+b.results[by+masters][round]))
	}
	if rounds == 0 {
		return "not measured"
	}
	return fmt.Sprintf("%.2f; %.2f (%.2f to %.2f)", median(alone), median(both), slices.Min(both), slices.Max(both))
}
