// Package sim_test runs the service in a deterministic simulation. It is the service's own code, in several
// replicas, on an in-memory Redis and an in-memory Stripe, under a simulated clock. A scheduler executes one
// action at a time. A call arrives, its response arrives or is lost, a replica crashes, a customer pays, an
// event is delivered late, twice or out of order, Redis goes back to an earlier state, its clock jumps, or
// time passes. After each action the simulation checks the invariants against Stripe's state.
//
// A simulation depends only on its seed. Only the scheduler draws random numbers, and it waits until all
// goroutines of the service are blocked. A failing seed therefore replays step by step.
package sim_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"kasse/test/rounds"
)

var (
	seedFlag     = flag.Uint64("seed", 0, "run only this seed, and print all its steps")
	durationFlag = flag.Duration("duration", 0, "run new seeds for this long")
)

// fixedSeeds returns the number of simulations that run without flags. Their seeds are always the same.
func fixedSeeds() uint64 { return uint64(rounds.Of(8, 50, 500)) }

// runSimulation runs one simulation and returns it.
func runSimulation(t *testing.T, seed uint64, m mutant) *simulation {
	t.Helper()
	var w *simulation
	synctest.Test(t, func(*testing.T) {
		w = newSimulation(seed, m)
		w.run()
	})
	return w
}

func TestSimulation(t *testing.T) {
	switch {
	case *seedFlag != 0:
		w := runSimulation(t, *seedFlag, mutant{})
		_, _ = fmt.Fprintln(os.Stdout, strings.Join(w.trace, "\n"))
		if w.failure != nil {
			t.Fatal(w.failure)
		}
	case *durationFlag != 0:
		runNewSeeds(t, *durationFlag)
	default:
		runSeeds(t, func(n uint64) (seed uint64, more bool) { return n, n <= fixedSeeds() })
	}
}

// runNewSeeds runs seeds from a random start.
func runNewSeeds(t *testing.T, d time.Duration) {
	t.Helper()
	first, end := rand.Uint64()>>16, time.Now().Add(d)
	next := time.Now()
	runSeeds(t, func(n uint64) (seed uint64, more bool) {
		if now := time.Now(); now.After(next) {
			next = now.Add(time.Minute)
			_, _ = fmt.Fprintf(
				os.Stdout, "%d simulations since seed %d, %v left\n", n-1, first, end.Sub(now).Round(time.Second),
			)
		}
		return first + n, time.Now().Before(end)
	})
}

// runSeeds runs seeds on all processors until draw has no more or one fails. It calls draw from one
// goroutine.
func runSeeds(t *testing.T, draw func(n uint64) (seed uint64, more bool)) {
	t.Helper()
	seeds, failed := make(chan uint64), atomic.Bool{}
	go func() {
		defer close(seeds)
		for n := uint64(1); !failed.Load(); n++ {
			seed, more := draw(n)
			if !more {
				return
			}
			seeds <- seed
		}
	}()
	for n := range runtime.GOMAXPROCS(0) {
		t.Run(fmt.Sprintf("runner %d", n+1), func(t *testing.T) {
			t.Parallel()
			for seed := range seeds {
				if w := runSimulation(t, seed, mutant{}); w.failure != nil {
					failed.Store(true)
					t.Error(w.report())
				}
			}
		})
	}
}

// TestKeptSeeds runs the seeds that once failed.
func TestKeptSeeds(t *testing.T) {
	for _, kept := range keptSeeds {
		if w := runSimulation(t, kept.seed, mutant{}); w.failure != nil {
			t.Errorf("%s\n%s", kept.caught, w.report())
		}
	}
}

// TestSameSeedReplaysTheSameSteps: a seed always has the same steps, so that a failing seed can be replayed.
func TestSameSeedReplaysTheSameSteps(t *testing.T) {
	for seed := range uint64(rounds.Of(3, 10, 50)) {
		a, b := runSimulation(t, seed, mutant{}), runSimulation(t, seed, mutant{})
		if a.hash == b.hash {
			continue
		}
		at := 0
		for at < min(len(a.trace), len(b.trace)) && a.trace[at] == b.trace[at] {
			at++
		}
		t.Fatalf("two runs of seed %d differ at line %d:\n%s\n%s", seed, at, line(a.trace, at), line(b.trace, at))
	}
}

func line(trace []string, at int) string {
	if at < len(trace) {
		return trace[at]
	}
	return "the end"
}
