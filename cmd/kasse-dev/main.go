// Kasse-dev runs all of Kasse on a laptop, offline: the real server with an embedded Redis and a simulated
// Stripe.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// options are the flags. An address without a host means loopback.
type options struct {
	demo, real               bool
	addr, adminAddr          string
	stripeAddr, controlAddr  string
	shopAddr, consoleAddr    string
	redis                    string
	seed                     uint64
	duplicate, reorder, drop float64
	settle                   time.Duration
	stripeVersion            string
}

// stripeVersions are the API versions in which the simulator can send events.
var stripeVersions = []string{"2024-06-20", "2026-10-28.endive"}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	os.Exit(exitCode(err, os.Stderr))
}

// usageError is a mistake in the arguments; the exit code is 2.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

// exitCode prints an error and returns the program's exit code. Help is no error, and has been printed.
func exitCode(err error, out io.Writer) int {
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return 0
	}
	_, _ = fmt.Fprintln(out, "kasse-dev:", err)
	if wrong := new(usageError); errors.As(err, &wrong) {
		return 2
	}
	return 1
}

func run(ctx context.Context, args []string) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	w, err := start(ctx, o)
	if err != nil {
		return o.explain(err)
	}
	if o.demo {
		return o.explain(errors.Join(w.demo(ctx), w.stop()))
	}
	w.introduce(os.Stdout)
	select {
	case <-ctx.Done():
	case <-w.ended:
	}
	return o.explain(w.stop())
}

// explain adds the likely cause if a second start with a real Redis fails: the new simulator does not know
// Redis's payments.
func (o options) explain(err error) error {
	var wrong *settingsError
	if err == nil || o.redis == "" || o.real || errors.As(err, &wrong) {
		return err
	}
	return fmt.Errorf("%w\nThe simulated Stripe starts empty each time. "+
		"If this Redis was used before, empty it (FLUSHDB), or choose another", err)
}

// usage is the head of the help.
const usage = `usage: kasse-dev [flags]

Runs Kasse for development, with an embedded Redis, a simulated Stripe, an example shop and a console.
An address without a host, such as :8091, is on 127.0.0.1; port 0 is any free port.

`

// newFlags returns the flags, which set the options. It prints nothing by itself.
func newFlags(o *options) *flag.FlagSet {
	flags := flag.NewFlagSet("kasse-dev", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.BoolVar(&o.demo, "demo", false, "play two orders, print one line for each step, and exit")
	flags.BoolVar(&o.real, "real", false, "use STRIPE_… of the environment (test keys only) instead of the simulator")
	flags.StringVar(&o.addr, "addr", "127.0.0.1:8080", "address of the API")
	flags.StringVar(&o.adminAddr, "admin-addr", ":9090", "address of the probes")
	flags.StringVar(&o.stripeAddr, "stripe-addr", ":12111", "address of the simulated Stripe")
	flags.StringVar(&o.controlAddr, "control-addr", ":0", "address of the simulator's control routes")
	flags.StringVar(&o.shopAddr, "shop-addr", ":8091", "address of the shop whose page pays")
	flags.StringVar(&o.consoleAddr, "console-addr", ":8092", "address of the console")
	flags.StringVar(&o.redis, "redis", "", "URL of a real Redis; empty: an embedded one, which is lost at exit")
	flags.Uint64Var(&o.seed, "seed", 0, "seed of the simulator's ids and of its event faults; 0: a random one")
	flags.Float64Var(&o.duplicate, "duplicate", 0, "share of the events that are delivered twice, from 0 to 1")
	flags.Float64Var(&o.reorder, "reorder", 0, "share of the events that are delivered out of order, from 0 to 1")
	flags.Float64Var(&o.drop, "drop", 0, "share of the events that Stripe neither delivers nor lists, from 0 to 1")
	flags.DurationVar(&o.settle, "settle", 3*time.Second, "how long bank debits take")
	flags.StringVar(&o.stripeVersion, "stripe-version", stripeVersions[0],
		"API version of the simulator's events: "+strings.Join(stripeVersions, " or "))
	return flags
}

// parse reads the arguments. Help is printed to standard output and returns flag.ErrHelp.
func parse(args []string) (options, error) {
	var o options
	flags := newFlags(&o)
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		flags.SetOutput(os.Stdout)
		fmt.Print(usage)
		flags.PrintDefaults()
		return o, err
	case err != nil:
		return o, &usageError{err.Error() + "; kasse-dev -help lists the flags"}
	case flags.NArg() > 0: // what follows it would not be read
		return o, &usageError{fmt.Sprintf("unexpected argument %q; kasse-dev -help lists the flags", flags.Arg(0))}
	}
	for name, share := range map[string]float64{"duplicate": o.duplicate, "reorder": o.reorder, "drop": o.drop} {
		if !(share >= 0 && share <= 1) { // also not a number
			return o, &usageError{fmt.Sprintf("-%s is %v: it must be from 0 to 1", name, share)}
		}
	}
	if o.seed == 0 {
		o.seed = rand.Uint64() //nolint:gosec // no secret
	}
	if !slices.Contains(stripeVersions, o.stripeVersion) {
		return o, fmt.Errorf(
			"-stripe-version is %s: it must be %s", o.stripeVersion, strings.Join(stripeVersions, " or "),
		)
	}
	if o.demo && o.real {
		return o, errors.New("-demo plays on the simulator: leave out -real")
	}
	given := map[string]bool{}
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	for name, address := range map[string]*string{
		"addr": &o.addr, "admin-addr": &o.adminAddr, "stripe-addr": &o.stripeAddr, "control-addr": &o.controlAddr,
		"shop-addr": &o.shopAddr, "console-addr": &o.consoleAddr,
	} {
		if o.demo && !given[name] {
			*address = ":0"
		}
		if strings.HasPrefix(*address, ":") {
			*address = "127.0.0.1" + *address
		}
	}
	return o, nil
}
