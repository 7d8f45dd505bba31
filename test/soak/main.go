// Command soak lets Kasse work for long, and then asks whether it is as it was before.
//
// It starts Kasse, a redis-server and a simulated Stripe, on loopback. Customers come at their time, however the
// ones before them fare: they open orders, look at their pages, hold polls, hang up in the middle, and pay, each a
// walk whose end is known. Backends follow the feed and are pushed events; strangers knock. Every event comes late,
// and some twice. When all have gone, and Kasse has come to rest, it must hold no more than after a short time of
// the same: goroutines, open files, memory, connections to Redis, and keys, of which payments, orders and events
// may be as many as there were orders. Every request must have an answer, none a failure, and every order must be
// as Stripe has it.
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
	"strings"
	"syscall"
	"time"

	"kasse/test/internal/town"
	"kasse/test/wait"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// campaign is what the command line asks for.
type campaign struct {
	duration time.Duration
	warmUp   time.Duration
	patience time.Duration // until all that was taken for the load has to be given back
	rate     int           // orders a second
	seed     uint64

	mischief func(context.Context, *world) error // done after the load, by tests
}

func parse(args []string) (campaign, error) {
	c := campaign{warmUp: 10 * time.Second, patience: wait.Patience}
	flags := flag.NewFlagSet("soak", flag.ContinueOnError)
	flags.DurationVar(&c.duration, "duration", 30*time.Minute, "how long orders come")
	flags.IntVar(&c.rate, "rate", 5, "orders a second; each makes some ten requests")
	flags.Uint64Var(&c.seed, "seed", rand.Uint64()>>32, "decides the orders, and what their customers do")
	return c, flags.Parse(args)
}

func run(ctx context.Context, args []string, out io.Writer) error {
	c, err := parse(args)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "kasse-soak-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	program, err := town.Build(ctx, dir)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "seed %d: %d orders a second for %s, after %s to warm up\n", c.seed, c.rate, c.duration, c.warmUp)
	err = c.play(ctx, dir, program, out)
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	if err != nil {
		return fmt.Errorf("%w\nagain: make soak SEED=%d DURATION=%s RATE=%d", err, c.seed, c.duration, c.rate)
	}
	return nil
}

// play is the course of a soak.
func (c campaign) play(ctx context.Context, dir, program string, out io.Writer) error {
	w, err := newWorld(ctx, dir, program, c)
	if err != nil {
		return err
	}
	defer w.close()
	w.work(ctx, c.histories("warm", c.warmUp))
	base, err := w.settle(ctx, func(r reading) []string { return complaints(judge(nil, nil, r, w.truth())) })
	if err != nil {
		return err
	}
	if wrong := complaints(judge(nil, nil, base, w.truth())); len(wrong) > 0 {
		return errors.New("after the warm-up: " + strings.Join(wrong, "; "))
	}
	peak := w.watch(ctx, out, func() { w.work(ctx, c.histories("order", c.duration)) })
	if c.mischief != nil {
		if err := c.mischief(ctx, w); err != nil {
			return err
		}
	}
	end, err := w.settle(ctx, func(r reading) []string { return complaints(judge(base, peak, r, w.truth())) })
	if err != nil {
		return err
	}
	return w.conclude(ctx, out, base, peak, end)
}

// histories are the orders that come in a time.
func (c campaign) histories(name string, duration time.Duration) []town.History {
	dice := rand.New(rand.NewPCG(c.seed, uint64(len(name))))
	return town.Histories(
		dice, duration, c.rate, func(i int) string { return fmt.Sprintf("%s.%d.%d", name, c.seed, i) },
	)
}

// conclude prints what came out, and says what is not as it has to be.
func (w *world) conclude(ctx context.Context, out io.Writer, base, peak, end reading) error {
	if err := w.review(ctx); err != nil {
		return err
	}
	figures := judge(base, peak, end, w.truth())
	printTable(out, figures)
	wrong := append(complaints(figures), w.books.complaints()...)
	b := &w.books
	fmt.Fprintf(out, "\n%d orders; %d requests: %d answered, %d hung up, %d failed or unanswered; %d events told and pushed\n",
		len(w.done), b.asked.Load(), b.answered.Load(), b.hungUp.Load(), b.failed.Load(), len(w.accountant.told))
	if len(wrong) == 0 {
		return nil
	}
	const most = 20
	return errors.New(strings.Join(wrong[:min(len(wrong), most)], "\n"))
}
