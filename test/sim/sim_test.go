// Package sim_test plays the service in a world of its own: the service's own code, in several replicas, on a Redis and
// a Stripe that know the truth, under a clock of their own. A scheduler lets one thing happen after the other: a call
// arrives, or its answer, or neither; a replica crashes; a customer pays; an event comes, late, twice, before others;
// time passes. After each step what was promised is compared with what is.
//
// One invariant: a world is a function of its seed. Whatever is drawn is drawn by the scheduler, and the service's
// goroutines run while it waits for all of them to stand still. So a seed that fails replays step by step, and is kept.
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
)

var (
	seedFlag     = flag.Uint64("seed", 0, "play this seed alone, and print all of its steps")
	durationFlag = flag.Duration("duration", 0, "play new seeds for so long")
)

// fixedSeeds is how many worlds every check plays. They are always the same.
const fixedSeeds = 50

// play runs one world, and returns it.
func play(t *testing.T, seed uint64, m mutant) *world {
	t.Helper()
	var w *world
	synctest.Test(t, func(*testing.T) {
		w = newWorld(seed, m)
		w.run()
	})
	return w
}

func TestSimulation(t *testing.T) {
	switch {
	case *seedFlag != 0:
		w := play(t, *seedFlag, mutant{})
		_, _ = fmt.Fprintln(os.Stdout, strings.Join(w.trace, "\n"))
		if w.failure != nil {
			t.Fatal(w.failure)
		}
	case *durationFlag != 0:
		playNew(t, *durationFlag)
	default:
		playAll(t, func(n uint64) (seed uint64, more bool) { return n, n <= fixedSeeds })
	}
}

// playNew plays seeds that nobody has played, as far as anybody knows.
func playNew(t *testing.T, d time.Duration) {
	t.Helper()
	first, end := rand.Uint64()>>16, time.Now().Add(d)
	next := time.Now()
	playAll(t, func(n uint64) (seed uint64, more bool) {
		if now := time.Now(); now.After(next) {
			next = now.Add(time.Minute)
			_, _ = fmt.Fprintf(os.Stdout, "%d worlds since seed %d, %v left\n", n-1, first, end.Sub(now).Round(time.Second))
		}
		return first + n, time.Now().Before(end)
	})
}

// playAll plays seeds on all processors until there are no more, or one fails. It is called from one goroutine at a time.
func playAll(t *testing.T, draw func(n uint64) (seed uint64, more bool)) {
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
		t.Run(fmt.Sprintf("player %d", n+1), func(t *testing.T) {
			t.Parallel()
			for seed := range seeds {
				if w := play(t, seed, mutant{}); w.failure != nil {
					failed.Store(true)
					t.Error(w.report())
				}
			}
		})
	}
}

// TestKeptSeeds plays what has failed before.
func TestKeptSeeds(t *testing.T) {
	for _, kept := range keptSeeds {
		if w := play(t, kept.seed, mutant{}); w.failure != nil {
			t.Errorf("%s\n%s", kept.caught, w.report())
		}
	}
}

// TestSeedsReplay: the same seed makes the same steps, or a failing seed would be of no use.
func TestSeedsReplay(t *testing.T) {
	for seed := range uint64(10) {
		a, b := play(t, seed, mutant{}), play(t, seed, mutant{})
		if a.hash == b.hash {
			continue
		}
		at := 0
		for at < min(len(a.trace), len(b.trace)) && a.trace[at] == b.trace[at] {
			at++
		}
		t.Fatalf("seed %d parts at line %d:\n%s\n%s", seed, at, line(a.trace, at), line(b.trace, at))
	}
}

func line(trace []string, at int) string {
	if at < len(trace) {
		return trace[at]
	}
	return "the end"
}
