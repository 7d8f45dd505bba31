// Bench compares Kasse with bare programs that do only the necessary work. Both are measured in turns in the
// same run: machines differ and are noisy, so only ratios mean something. Kasse is its production binary on a
// real redis-server, with credentials, limits, metrics and the access log. The bare programs are those of
// baseline*.go, each in its own process.
//
// Bench prints lines for benchstat, and at the end a table with medians over the rounds.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"syscall"
	"time"

	"kasse/test/internal/testenv"
)

func main() {
	testenv.Main(func(ctx context.Context, args []string, out io.Writer) error {
		if len(args) > 1 && args[0] == "baseline" {
			return serveBaseline(ctx, args[1], args[2:])
		}
		return run(ctx, args, out)
	})
}

// scenario is one measurement with its name.
type scenario struct {
	name string
	play func(ctx context.Context, b *bench) error
}

var scenarios = []scenario{
	{"status", status},
	{"webhooks", webhooks},
	{"create", create},
	{"paid", paid},
	{"waiting", waiting},
	{"start", start},
	{"million", million},
	{"growth", growth},
	{"attempts", attempts},
	{"cost", cost},
}

// onlyNamed are the scenarios that run only if -run names them. They take long, and much memory.
var onlyNamed = []string{"growth", "attempts", "cost"}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	only := flags.String("run", "", "regular expression for the scenarios")
	rounds := flags.Int("rounds", 5, "rounds of each scenario")
	length := flags.Duration("time", 3*time.Second, "length of one measurement")
	beside := flags.String("beside", "", "an older build of Kasse, measured in turns with this one")
	orders := flags.String("orders", "1000,100000,1000000,3000000", "growth: numbers of orders, the smallest first")
	keep := flags.String("keep", "", "growth: directory that keeps the orders for the next run, 2 KB each")
	of := costFlags(flags)
	if err := flags.Parse(args); err != nil {
		return err
	}
	counts, err := parseSizes(*orders)
	if err != nil {
		return err
	}
	chosen, err := regexp.Compile(*only)
	if err != nil {
		return err
	}
	if err := raiseFiles(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
	return testenv.InDir(ctx, "bench", func(dir string) error {
		b := &bench{
			rounds: *rounds, length: *length, dir: dir, beside: *beside, sizes: counts, keep: *keep, out: out,
			cost: *of, results: map[string][]float64{},
		}
		var err error
		if b.program, err = testenv.Build(ctx, dir); err != nil {
			return err
		}
		return b.run(ctx, chosen)
	})
}

// run runs the chosen scenarios.
func (b *bench) run(ctx context.Context, chosen *regexp.Regexp) error {
	b.head()
	ran := false
	for _, s := range scenarios {
		if chosen.MatchString(s.name) && (chosen.String() != "" || !slices.Contains(onlyNamed, s.name)) {
			ran = true
			if err := s.play(ctx, b); err != nil {
				return errors.Join(fmt.Errorf("%s: %w", s.name, err), context.Cause(ctx))
			}
		}
	}
	if !ran {
		return fmt.Errorf("-run %q matches no scenario in test/bench/main.go", chosen)
	}
	b.table()
	return nil
}

// raiseFiles raises the limit of open files to the hard limit, for this process and its children.
func raiseFiles() error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	const wanted = 11_000
	limit.Cur = max(limit.Cur, min(limit.Max, wanted))
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Cur < wanted {
		return fmt.Errorf(
			"only %d files may be open, and 10,000 long polls need %d: raise the hard limit (ulimit -Hn)",
			limit.Cur, wanted,
		)
	}
	return nil
}
