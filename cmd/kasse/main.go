// Kasse is a payments service between shops and Stripe.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"kasse/cmd/internal/app"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "kasse:", err)
		os.Exit(1)
	}
}

const usage = `usage: kasse [command]

  serve        answer requests (the default)
  init         mark an empty Redis as ours
  check        say what is wrong with the configuration, Redis and Stripe, and how to mend it
  rebuild      restore what Redis has lost from Stripe   [-since PAYMENT_RETENTION]
  reconcile    look at Stripe for what no webhook has told, once   [-since 72h]
  keygen       make a service key   [-name default] [-scopes read+write]
  events replay     push past events again   [-after cursor] [-type order.paid]
  events endpoints  how far the deliveries to each endpoint are
  events enable ID  let a disabled endpoint go on
  events disable ID stop the deliveries to an endpoint; its events wait
  events dead       list the deliveries that were given up   [-endpoint ID]
  events redrive    send waiting and dead events to one endpoint now   [-endpoint ID] [-id EVENT]
  events log        the last deliveries to one endpoint with status and time   [-endpoint ID]
  healthcheck  exit 0 when the server on this machine lives

The configuration comes from the environment; README.md has the table.
`

func run(ctx context.Context, args []string, out io.Writer) error {
	command := "serve"
	if len(args) > 0 {
		command, args = args[0], args[1:]
	}
	switch command {
	case "serve":
		return serve(ctx)
	case "init":
		return initialise(ctx, out)
	case "check":
		return app.Check(ctx, out)
	case "reconcile":
		return long(ctx, args, out, app.ReconcileSince, (*app.App).Reconcile)
	case "rebuild":
		return long(ctx, args, out, 0, (*app.App).Rebuild)
	case "keygen":
		return keygen(args, out)
	case "events":
		err := events(ctx, args, out)
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprint(os.Stderr, usage)
		}
		return err
	case "healthcheck":
		return healthcheck(ctx)
	}
	fmt.Fprint(os.Stderr, usage)
	return flag.ErrHelp
}

func serve(ctx context.Context) error {
	config, err := app.LoadConfig()
	if err != nil {
		return err
	}
	return app.Run(ctx, config, app.NewLogger(config))
}

func initialise(ctx context.Context, out io.Writer) error {
	config, err := app.LoadConfig()
	if err != nil {
		return err
	}
	a, err := app.New(config, app.NewLogger(config))
	if err != nil {
		return err
	}
	defer a.Close() //nolint:errcheck // the process ends
	already, err := a.Init(ctx)
	if err == nil && already {
		_, err = fmt.Fprintln(out, "This Redis is marked as ours already.")
	} else if err == nil {
		_, err = fmt.Fprintln(out, "This Redis is now marked as ours. Start kasse.")
	}
	return err
}

// long runs a command that may take long, and that looks back so far.
func long(ctx context.Context, args []string, out io.Writer, since time.Duration, command func(*app.App, context.Context, time.Duration, io.Writer) error) error {
	flags := flag.NewFlagSet("kasse", flag.ContinueOnError)
	flags.DurationVar(&since, "since", since, "how far to look back, such as 72h; 0: PAYMENT_RETENTION")
	if err := flags.Parse(args); err != nil || flags.NArg() > 0 || since < 0 {
		return flag.ErrHelp
	}
	config, err := app.LoadConfig()
	if err != nil {
		return err
	}
	a, err := app.New(config, app.NewLogger(config))
	if err != nil {
		return err
	}
	defer a.Close() //nolint:errcheck // the process ends
	return command(a, ctx, since, out)
}

func keygen(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("keygen", flag.ContinueOnError)
	name := flags.String("name", "default", "of the key, for logs and limits")
	scopes := flags.String("scopes", "read+write", "of read, write, manage and events")
	if err := flags.Parse(args); err != nil {
		return flag.ErrHelp
	}
	key, entry, err := app.Keygen(*name, *scopes)
	if err == nil {
		_, err = fmt.Fprintf(out, "%s\n%s\n", key, entry)
	}
	return err
}

func healthcheck(ctx context.Context) error {
	config, err := app.LoadConfig()
	if err != nil {
		return err
	}
	return app.Healthcheck(ctx, config.AdminAddr)
}
