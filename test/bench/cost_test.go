package main

import (
	"bytes"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"kasse/test/internal/testenv"
	"kasse/test/wait"
)

// TestCost measures a few kinds of request on a single server. Each must have a cost; the values are not checked.
func TestCost(t *testing.T) {
	costPayments = 50
	var out bytes.Buffer
	err := run(t.Context(), []string{
		"-run", "^cost$", "-redis", "single", "-appendfsync", "no", "-rounds", "1", "-time", "100ms",
		"-tasks", "^(status read|create with a customer|webhook of a success, with its read at Stripe|webhook of a " +
			"change for which a page waits|webhook of a success, with its read and a push)$",
	}, &out)
	if err != nil {
		t.Fatal(err)
	}
	measured := slices.DeleteFunc(strings.Split(out.String(), "\n"), func(line string) bool {
		return !strings.HasPrefix(line, "BenchmarkCost/single/") || strings.Contains(line, "\t0 kasse-")
	})
	if len(measured) != 7 { // with idle, once for each of both servers
		t.Errorf("%d lines with a cost:\n%s", len(measured), out.String())
	}
	if !strings.Contains(out.String(), "| create with a customer | ") {
		t.Errorf("no table:\n%s", out.String())
	}
}

// TestDayOfOrders computes a day by hand: an order of 8,640 µs, so that a million orders take 0.1 cores.
func TestDayOfOrders(t *testing.T) {
	t.Parallel()
	order := spent{kasse: 8_640, masters: 864, replicas: 1_728}
	idle := spent{kasse: 0.5, masters: 1, replicas: 2, sentinels: 3} // per cent of a core
	peak, mean := coresFor(1_000_000, order, idle, 2)
	if want := (spent{0.1 + 0.01, 0.01 + 0.01, 0.02 + 0.02, 0.03}); !near(mean, want) {
		t.Errorf("on average %+v cores, want %+v", mean, want)
	}
	if want := (spent{1 + 0.01, 0.1 + 0.01, 0.2 + 0.02, 0.03}); !near(peak, want) {
		t.Errorf("at the peak %+v cores, want %+v", peak, want)
	}
}

// TestOrderCost adds the requests of an order, each as often as it is made. A push and a waiting page count only with
// what they add to the cost of their webhook.
func TestOrderCost(t *testing.T) {
	t.Parallel()
	costs := map[string]spent{}
	for _, t := range append(slices.Clone(costTasks), pushTasks...) {
		costs[t.name] = spent{kasse: 100, masters: 10}
	}
	costs[taskPushSuccess] = spent{kasse: 140, masters: 9} // less than without a push: the difference counts as 0
	costs[taskWaiting] = spent{kasse: 103, masters: 11}
	got := orderCost(func(task string) spent {
		if _, is := costs[task]; !is {
			t.Errorf("no task measures %q", task)
		}
		return costs[task]
	})
	requests := 0.0
	for _, r := range dayOrder {
		requests += r.count
	}
	const waits, pushes = 2, 1
	plain := requests - waits - pushes
	if want := (spent{kasse: 100*plain + 3*waits + 40*pushes, masters: 10*plain + 1*waits}); !near(got, want) {
		t.Errorf("an order costs %+v, want %+v", got, want)
	}
}

// TestCostRatios compares setups in the same round, not medians of different rounds.
func TestCostRatios(t *testing.T) {
	t.Parallel()
	b := &bench{
		cost: costOptions{modes: []string{"single", "cluster"}}, results: map[string][]float64{}, out: &bytes.Buffer{},
	}
	s := map[string]*costSetup{}
	for _, mode := range b.cost.modes {
		s[mode] = &costSetup{environment: &environment{bench: b}, mode: mode}
	}
	for _, busy := range []float64{1, 10, 3} { // a busy machine slows both setups
		s["single"].note(taskRead, 1, spent{kasse: 8 * busy, masters: 2 * busy}, "µs/op")
		s["cluster"].note(taskRead, 1, spent{kasse: 10 * busy, masters: 10 * busy}, "µs/op")
	}
	if got := b.costRatios("cluster", taskRead); got != "0.80; 0.50 (0.50 to 0.50)" {
		t.Error(got)
	}
	if got := b.costOf("cluster", taskRead); got != (spent{kasse: 30, masters: 30}) {
		t.Errorf("%+v", got)
	}
}

func TestParseModes(t *testing.T) {
	t.Parallel()
	if modes, err := parseModes("cluster,single"); err != nil || !slices.Equal(modes, []string{"cluster", "single"}) {
		t.Error(modes, err)
	}
	if _, err := parseModes("single,proxy"); err == nil {
		t.Error("an unknown mode is accepted")
	}
}

// TestNewServers starts the two setups of several servers. Settings names all servers to which a client may connect.
func TestNewServers(t *testing.T) {
	t.Parallel()
	for mode, want := range map[string][4]int{"sentinel": {1, 1, 3, 3}, "cluster": {3, 3, 0, 6}} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			dir, err := os.MkdirTemp("", "bench")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { // a child of Redis that writes a snapshot may outlive it for a moment
				wait.UntilTrue(t, "the removal of the folder", func() bool { return os.RemoveAll(dir) == nil })
			})
			s, err := testenv.NewServers(t.Context(), dir, mode, 1)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			url := s.Settings()["REDIS_URL"]
			got := [4]int{len(s.Masters), len(s.Replicas), len(s.Sentinels), strings.Count(url, "127.0.0.1:")}
			if got != want {
				t.Errorf("masters, replicas, sentinels and addresses: %v, want %v; %s", got, want, url)
			}
		})
	}
}

func near(a, b spent) bool {
	off := 0.0
	d := a.minus(b)
	for _, part := range spentParts {
		off = math.Max(off, math.Abs(*part.of(&d)))
	}
	return off < 1e-6
}
