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
	"strings"
	"time"

	"kasse/test/internal/testenv"
	"kasse/test/wait"
)

func main() { testenv.Main(run) }

// campaign is what the command line asks for.
type campaign struct {
	duration time.Duration
	warmUp   time.Duration
	patience time.Duration // until all that was taken for the load has to be given back
	rate     int           // orders a second
	seed     uint64

	mischief func(context.Context, *environment) error // done after the load, by tests
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
	return testenv.InDir(ctx, "soak", func(dir string) error {
		program, err := testenv.Build(ctx, dir)
		if err != nil {
			return err
		}
		fmt.Fprintf(
			out, "seed %d: %d orders a second for %s, after %s to warm up\n", c.seed, c.rate, c.duration, c.warmUp,
		)
		if err = c.play(ctx, dir, program, out); err != nil {
			return fmt.Errorf("%w\nagain: make soak SEED=%d DURATION=%s RATE=%d", err, c.seed, c.duration, c.rate)
		}
		return nil
	})
}

// play is the course of a soak.
func (c campaign) play(ctx context.Context, dir, program string, out io.Writer) error {
	env, err := newEnvironment(ctx, dir, program, c)
	if err != nil {
		return err
	}
	defer env.Close()
	env.work(ctx, c.histories("warm", c.warmUp))
	base, err := env.settle(ctx, func(r reading) []string { return complaints(judge(nil, nil, r, env.truth())) })
	if err != nil {
		return err
	}
	if wrong := complaints(judge(nil, nil, base, env.truth())); len(wrong) > 0 {
		return errors.New("after the warm-up: " + strings.Join(wrong, "; "))
	}
	peak := env.watch(ctx, out, func() { env.work(ctx, c.histories("order", c.duration)) })
	if c.mischief != nil {
		if err := c.mischief(ctx, env); err != nil {
			return err
		}
	}
	end, err := env.settle(ctx, func(r reading) []string { return complaints(judge(base, peak, r, env.truth())) })
	if err != nil {
		return err
	}
	return env.conclude(ctx, out, base, peak, end)
}

// histories are the orders that come in a time.
func (c campaign) histories(name string, duration time.Duration) []testenv.History {
	dice := rand.New(rand.NewPCG(c.seed, uint64(len(name))))
	return testenv.Histories(
		dice, duration, c.rate, func(i int) string { return fmt.Sprintf("%s.%d.%d", name, c.seed, i) },
	)
}

// conclude prints what came out, and says what is not as it has to be.
func (env *environment) conclude(ctx context.Context, out io.Writer, base, peak, end reading) error {
	if err := env.review(ctx); err != nil {
		return err
	}
	figures := judge(base, peak, end, env.truth())
	printTable(out, figures)
	wrong := append(complaints(figures), env.books.complaints()...)
	b := &env.books
	fmt.Fprintf(out, "\n%d orders; %d requests: %d answered, %d hung up, %d failed or unanswered; %d events in the feed and pushed\n",
		len(env.done), b.asked.Load(), b.answered.Load(), b.hungUp.Load(), b.failed.Load(), len(env.accountant.seen))
	if len(wrong) == 0 {
		return nil
	}
	const most = 20
	return errors.New(strings.Join(wrong[:min(len(wrong), most)], "\n"))
}
