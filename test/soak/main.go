// Command soak runs Kasse under load for a long time and checks that it returns to its baseline.
//
// It starts Kasse, a redis-server and a simulated Stripe on loopback. Orders start at planned times,
// independently of each other. Customers create orders, poll their status, cancel requests halfway and pay;
// the final state of each order is known. Backends read the feed and receive pushes. Attackers guess secrets,
// forge webhooks and abort requests. Every event is delivered late, and some are delivered twice.
//
// After the load, goroutines, open files, memory, Redis connections and Redis keys must be back at the level
// of a short warm-up. Only the keys of payments, orders and events may grow, by exactly the number of orders.
// Every request must get a response without a 5xx status, and every order must match Stripe.
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

// campaign holds the command line options.
type campaign struct {
	duration time.Duration
	warmUp   time.Duration
	patience time.Duration // limit for the return of resources to their baseline
	rate     int           // orders per second
	seed     uint64

	afterLoad func(context.Context, *environment) error // runs after the load; set by tests
}

func parse(args []string) (campaign, error) {
	c := campaign{warmUp: 10 * time.Second, patience: wait.Patience}
	flags := flag.NewFlagSet("soak", flag.ContinueOnError)
	flags.DurationVar(&c.duration, "duration", 30*time.Minute, "duration of the load")
	flags.IntVar(&c.rate, "rate", 5, "orders per second; each makes about ten requests")
	flags.Uint64Var(&c.seed, "seed", rand.Uint64()>>32, "seed of the orders and of their customers' actions")
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
			out, "seed %d: %d orders per second for %s, after a warm-up of %s\n", c.seed, c.rate, c.duration, c.warmUp,
		)
		if err = c.run(ctx, dir, program, out); err != nil {
			return fmt.Errorf("%w\nto repeat: make soak SEED=%d DURATION=%s RATE=%d", err, c.seed, c.duration, c.rate)
		}
		return nil
	})
}

// run runs a whole soak: warm-up, baseline, load, comparison.
func (c campaign) run(ctx context.Context, dir, program string, out io.Writer) error {
	env, err := newEnvironment(ctx, dir, program, c)
	if err != nil {
		return err
	}
	defer env.Close()
	env.runLoad(ctx, c.orders("warm", c.warmUp))
	base, err := env.awaitIdle(ctx, func(r reading) []string { return problems(compare(nil, nil, r, env.expected())) })
	if err != nil {
		return err
	}
	if wrong := problems(compare(nil, nil, base, env.expected())); len(wrong) > 0 {
		return errors.New("after the warm-up: " + strings.Join(wrong, "; "))
	}
	peak := env.watch(ctx, out, func() { env.runLoad(ctx, c.orders("order", c.duration)) })
	if c.afterLoad != nil {
		if err := c.afterLoad(ctx, env); err != nil {
			return err
		}
	}
	end, err := env.awaitIdle(ctx, func(r reading) []string { return problems(compare(base, peak, r, env.expected())) })
	if err != nil {
		return err
	}
	return env.conclude(ctx, out, base, peak, end)
}

// orders plans the orders of a period.
func (c campaign) orders(name string, duration time.Duration) []testenv.OrderPlan {
	dice := rand.New(rand.NewPCG(c.seed, uint64(len(name))))
	return testenv.DrawOrders(
		dice, duration, c.rate, func(i int) string { return fmt.Sprintf("%s.%d.%d", name, c.seed, i) },
	)
}

// conclude prints the table and returns the problems, 20 at most.
func (env *environment) conclude(ctx context.Context, out io.Writer, base, peak, end reading) error {
	if err := env.review(ctx); err != nil {
		return err
	}
	figures := compare(base, peak, end, env.expected())
	printTable(out, figures)
	wrong := append(problems(figures), env.stats.problems()...)
	b := &env.stats
	fmt.Fprintf(out, "\n%d orders; %d requests: %d answered, %d canceled, %d failed or unanswered; %d events in the "+
		"feed\n", len(env.done),
		b.requests.Load(), b.responses.Load(), b.canceled.Load(), b.failed.Load(), len(env.feedReader.seen))
	if len(wrong) == 0 {
		return nil
	}
	const most = 20
	return errors.New(strings.Join(wrong[:min(len(wrong), most)], "\n"))
}
