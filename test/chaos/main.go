// Command chaos injects faults into a running Kasse and its dependencies, then checks that no acknowledged
// result was lost.
//
// Each round starts Kasse, a redis-server and a simulated Stripe on loopback, with a proxy on every link.
// Orders start at planned times, independently of each other, and the final state of each payment is known.
// Webhooks arrive late, in any order, some twice, and are retried until Kasse accepts them. During the load
// the round injects its fault. An oracle records every 2xx response. It looks for the recorded facts in Redis
// right after the fault, before anything could repair a loss. At the end it also checks Kasse's status,
// events and stored records.
//
// One seed decides everything that this program does: the orders, the changes of each payment, and the time
// and size of the faults. The timing of the machine is not under its control, so the same seed may have other
// results.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"sync"
	"time"

	"kasse/test/internal/testenv"
)

func main() { testenv.Main(run) }

// campaign holds the command line options.
type campaign struct {
	duration time.Duration
	seed     uint64
	kinds    []kind
	at       int // rounds in parallel
	size     size
}

func parse(args []string) (campaign, error) {
	var c campaign
	flags := flag.NewFlagSet("chaos", flag.ContinueOnError)
	flags.DurationVar(
		&c.duration, "duration", 0,
		"start rounds for this long, on consecutive seeds; 0: one short round of each kind",
	)
	flags.Uint64Var(&c.seed, "seed", rand.Uint64()>>32, "the first seed")
	flags.IntVar(&c.at, "parallel", 3, "rounds at once")
	shape := clusterShape{}
	flags.IntVar(&shape.replicas, "replicas", 1, "replicas of each master of a cluster")
	flags.IntVar(&shape.confirming, "wait", 1, "REDIS_WAIT_REPLICAS on a cluster")
	flags.DurationVar(&shape.nodeTimeout, "node-timeout", 3*time.Second, "cluster-node-timeout")
	flags.BoolVar(&shape.migration, "migration", false, "cluster-allow-replica-migration")
	flags.BoolVar(&shape.stalls, "stalls", false, "stop single nodes of a cluster for moments")
	flags.StringVar(&shape.trace, "trace", "", "directory for a log of the commands of each node of a cluster")
	only := flags.String("rounds", "", "regular expression for the kinds of rounds")
	if err := flags.Parse(args); err != nil {
		return c, err
	}
	c.size = long
	if c.duration == 0 {
		c.size = short
	}
	named, err := regexp.Compile(*only)
	if err != nil {
		return c, err
	}
	for _, k := range rounds {
		if named.MatchString(k.name) && (!k.cluster || *only != "" || c.duration > 0) {
			if k.shape = shape; k.unconfirmed {
				k.shape.replicas = 2
			}
			c.kinds = append(c.kinds, k)
		}
	}
	return c, nil
}

// run runs the rounds and prints the table. It returns an error if a round failed.
func run(ctx context.Context, args []string, out io.Writer) error {
	c, err := parse(args)
	if err != nil {
		return err
	}
	return testenv.InDir(ctx, "chaos", func(dir string) error {
		t, err := build(ctx, dir)
		if err != nil {
			return err
		}
		return c.run(ctx, dir, t, out)
	})
}

func (c campaign) run(ctx context.Context, dir string, t tools, out io.Writer) error {
	fmt.Fprintf(out, "seed %d\n", c.seed)
	if t.shim == "" {
		fmt.Fprintln(out, "NOT PLAYED: rounds that cut the power. They need Linux and a C compiler.")
		c.kinds = slices.DeleteFunc(c.kinds, func(k kind) bool { return k.power })
	}
	if len(c.kinds) == 0 {
		return errors.New("nothing to run: -rounds matches no kind of round in test/chaos/kinds.go")
	}
	table := c.runRounds(ctx, dir, t, out)
	table.print(out)
	if table.failed() {
		return errors.New("a round failed: see the lines with FAILED")
	}
	return nil
}

// build compiles the programs of the rounds. The fsync shim is left out without a C compiler and outside
// Linux.
func build(ctx context.Context, dir string) (tools, error) {
	kasse, err := testenv.Build(ctx, dir)
	if err != nil {
		return tools{}, err
	}
	t := tools{kasse: kasse}
	compiler, err := exec.LookPath("cc")
	if err != nil || runtime.GOOS != "linux" {
		return t, nil //nolint:nilerr // run prints which rounds it leaves out
	}
	source := filepath.Join(dir, "fsync.c")
	if err := os.WriteFile(source, fsyncSource, 0o600); err != nil {
		return t, err
	}
	t.shim = filepath.Join(dir, "fsync.so")
	if out, err := exec.CommandContext(
		ctx, compiler, "-shared", "-fPIC", "-O2", "-o", t.shim, source, "-ldl",
	).CombinedOutput(); err != nil {
		return t, fmt.Errorf("build the shim: %w\n%s", err, out)
	}
	return t, nil
}

// runRounds runs all kinds on consecutive seeds, several in parallel, until the time is over.
func (c campaign) runRounds(ctx context.Context, dir string, t tools, out io.Writer) *table {
	results := newTable()
	end := time.Now().Add(c.duration)
	slots := make(chan struct{}, c.at)
	var all sync.WaitGroup
	defer all.Wait()
	for seed := c.seed; ; seed++ {
		for _, k := range c.kinds {
			select {
			case slots <- struct{}{}:
			case <-ctx.Done():
				return results
			}
			if c.duration > 0 && time.Now().After(end) {
				return results
			}
			all.Go(func() {
				defer func() { <-slots }()
				place := filepath.Join(dir, orderName(k.name, seed, 0))
				r, err := runRound(ctx, place, t, k, seed, c.size)
				if ctx.Err() == nil {
					results.add(out, seed, c.size, k, r, err)
				}
				os.RemoveAll(place)
			})
		}
		if c.duration == 0 {
			return results
		}
	}
}
