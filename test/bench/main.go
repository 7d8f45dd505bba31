// Bench measures Kasse beside bare programs that do no more than they must, in turns and in one run: machines
// differ, and are noisy, so that only ratios say something. Kasse is its binary, with credentials checked, limits,
// metrics and the access log on, on a real redis-server; the bare programs are yardstick.go in processes of their
// own.
//
// It prints what benchstat reads, and at its end a table with medians over the rounds.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"syscall"
	"time"

	"kasse/test/internal/testenv"
)

func main() {
	testenv.Main(func(ctx context.Context, args []string, out io.Writer) error {
		if len(args) > 1 && args[0] == "yardstick" {
			return yardstick(ctx, args[1], args[2:])
		}
		return run(ctx, args, out)
	})
}

// scenario is one thing that is measured.
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
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	only := flags.String("run", "", "regexp: scenarios to play")
	rounds := flags.Int("rounds", 5, "rounds of each scenario")
	length := flags.Duration("time", 3*time.Second, "length of one measurement")
	beside := flags.String("beside", "", "program of an older build of Kasse, to be measured beside")
	if err := flags.Parse(args); err != nil {
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
		b := &bench{rounds: *rounds, length: *length, dir: dir, beside: *beside, out: out, seen: map[string][]float64{}}
		var err error
		if b.program, err = testenv.Build(ctx, dir); err != nil {
			return err
		}
		return b.play(ctx, chosen)
	})
}

// play plays the chosen scenarios.
func (b *bench) play(ctx context.Context, chosen *regexp.Regexp) error {
	b.head()
	for _, s := range scenarios {
		if chosen.MatchString(s.name) {
			if err := s.play(ctx, b); err != nil {
				return errors.Join(fmt.Errorf("%s: %w", s.name, err), context.Cause(ctx))
			}
		}
	}
	b.table()
	return nil
}

// raiseFiles lets this process, and those that it starts, open as many files as the system lets them.
func raiseFiles() error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	const wanted = 11_000
	limit.Cur = max(limit.Cur, min(limit.Max, wanted))
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Cur < wanted {
		return fmt.Errorf(
			"no more than %d files may be open, and 10,000 waiters need %d: raise the hard limit (ulimit -Hn)",
			limit.Cur, wanted,
		)
	}
	return nil
}
