package main

import (
	_ "embed"
	"fmt"
	"io"
	"sync"
)

//go:embed shim/fsync.c
var fsyncSource []byte

// table sums up the results by kind.
type table struct {
	mu    sync.Mutex
	lines map[string]*result
	broke bool
}

func newTable() *table { return &table{lines: map[string]*result{}} }

// add adds a result. It prints a failure at once, with the command that replays it.
func (t *table) add(out io.Writer, seed uint64, z size, k kind, r result, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	line := t.lines[k.name]
	if line == nil {
		line = &result{round: k.name}
		t.lines[k.name] = line
	}
	line.tried, line.survived = line.tried+r.tried, line.survived+r.survived
	line.acknowledged, line.found = line.acknowledged+r.acknowledged, line.found+r.found
	line.refused += r.refused
	line.changes, line.reads, line.hits = line.changes+r.changes, line.reads+r.reads, line.hits+r.hits
	line.lost, line.twice, line.wrong = line.lost+r.lost, line.twice+r.twice, line.wrong+r.wrong
	if err == nil && !r.failed() {
		fmt.Fprintf(
			out, "seed %d, %s: %d of %d faults survived, %d of %d facts found\n", seed, k.name, r.survived,
			r.tried, r.found, r.acknowledged,
		)
		fmt.Fprint(out, r.notes)
		return
	}
	t.broke = true
	fmt.Fprint(out, r.notes)
	fmt.Fprintf(
		out, "\n%s FAILED on seed %d; to repeat: %s SEED=%d DURATION=%s\n", k.name, seed, k.command(), seed,
		z.replayDuration,
	)
	if err != nil {
		fmt.Fprintln(out, "  ", err)
	}
	const most = 20
	for _, reason := range r.reasons[:min(len(r.reasons), most)] {
		fmt.Fprintln(out, "  ", reason)
	}
}

func (t *table) failed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.broke || len(t.lines) == 0
}

// print writes the table. Its columns are faults tried and survived, requests refused or unanswered, facts
// acknowledged and found, and facts lost, duplicate or wrong.
func (t *table) print(out io.Writer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	fmt.Fprintln(
		out, "\n| round           | tried | survived | refused | acknowledged |  found | lost | twice | wrong |",
	)
	fmt.Fprintln(out, "|-----------------|------:|---------:|--------:|-------------:|-------:|-----:|------:|------:|")
	for _, k := range rounds {
		if r := t.lines[k.name]; r != nil {
			fmt.Fprintf(out, "| %-15s | %5d | %8d | %7d | %12d | %6d | %4d | %5d | %5d |\n",
				r.round, r.tried, r.survived, r.refused, r.acknowledged, r.found, r.lost, r.twice, r.wrong)
		}
	}
	for _, k := range rounds {
		if r := t.lines[k.name]; r != nil && r.changes > 0 {
			fmt.Fprintf(
				out, "\n%s: %d acknowledged changes and %d checked reads of watched views; "+
					"%d status reads answered from memory\n", r.round, r.changes, r.reads, r.hits,
			)
		}
	}
}
