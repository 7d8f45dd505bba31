package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"kasse/cmd/internal/app"
	"kasse/cmd/internal/app/traces"
)

// command is a subcommand.
type command struct {
	name    string
	summary string
	page    string // the document that explains it; empty: the summary is enough
	run     func(ctx context.Context, args []string, out io.Writer) error
}

// commands are the subcommands in the order of the help.
func commands() []command {
	return []command{
		{"serve", "answer requests (the default)", "docs/configuration.md", serve},
		{"init", "initialise an empty Redis", "docs/stripe.md", initialise},
		{
			"check", "report problems of the configuration, Redis and Stripe, and how to fix them",
			"docs/configuration.md", check,
		},
		{"rebuild", "restore lost data from Stripe", "docs/upgrade.md", rebuild},
		{"reconcile", "read once from Stripe what no webhook has delivered", "docs/runbook.md", reconcile},
		{"show", "show the stored data of an order, a PaymentIntent or a customer, for support", "docs/show.md", show},
		{"forget", "remove the personal data of a finished order", "docs/personal-data.md", forget},
		{"keygen", "create a service key", "docs/rotation.md", keygen},
		{"events replay", "push past events again", "docs/events.md", replayEvents},
		{"events endpoints", "show the progress of the deliveries to each endpoint", "docs/events.md", listEndpoints},
		{"events enable", "enable a disabled endpoint", "docs/events.md", enableEndpoint},
		{"events disable", "stop the deliveries to an endpoint; its events wait", "docs/events.md", disableEndpoint},
		{"events dead", "list the dead letters", "docs/events.md", listDead},
		{"events redrive", "send waiting and dead events to one endpoint now", "docs/events.md", redrive},
		{"events log", "show the last deliveries to one endpoint with status and time", "docs/events.md", printLog},
		{"healthcheck", "exit 0 if the server on this machine runs", "", healthcheck},
		{"version", "show the version, the commit and Go's version", "", version},
	}
}

func serve(ctx context.Context, args []string, out io.Writer) error {
	if err := parse(newFlags("serve", "", out), args, 0); err != nil {
		return err
	}
	config, err := loadConfig()
	if err != nil {
		return err
	}
	return app.Run(ctx, config, app.NewLogger(config))
}

// loadConfig reads the environment and sets the OTLP exporter.
func loadConfig() (app.Config, error) {
	config, err := app.LoadConfig()
	config.TraceID = traces.ID
	config.NewTracing = func(service string, log *slog.Logger) (app.Tracing, error) {
		return traces.New(service, log)
	}
	return config, err
}

func initialise(ctx context.Context, args []string, out io.Writer) error {
	if err := parse(newFlags("init", "", out), args, 0); err != nil {
		return err
	}
	return withApp(func(a *app.App) error {
		already, err := a.Init(ctx)
		if err != nil {
			return err
		}
		text := "This Redis is now initialised. Start kasse."
		if already {
			text = "This Redis was initialised before."
		}
		_, err = fmt.Fprintln(out, text)
		return err
	})
}

func check(ctx context.Context, args []string, out io.Writer) error {
	if err := parse(newFlags("check", "", out), args, 0); err != nil {
		return err
	}
	return app.Check(ctx, out)
}

func rebuild(ctx context.Context, args []string, out io.Writer) error {
	flags := newFlags("rebuild", "", out)
	discard := flags.Bool("discard", false, "first remove Kasse's keys of another layout")
	return lookBack(ctx, flags, args, out, 0, func(
		a *app.App, ctx context.Context, since time.Duration, out io.Writer,
	) error {
		return a.Rebuild(ctx, since, *discard, out)
	})
}

func reconcile(ctx context.Context, args []string, out io.Writer) error {
	flags := newFlags("reconcile", "", out)
	verify := flags.Bool(
		"verify", false, "also read every payment that has succeeded since then, for example after a webhook secret "+
			"leaked",
	)
	return lookBack(ctx, flags, args, out, app.ReconcileSince,
		func(a *app.App, ctx context.Context, since time.Duration, out io.Writer) error {
			return a.Reconcile(ctx, since, *verify, out)
		})
}

func show(ctx context.Context, args []string, out io.Writer) error {
	flags := newFlags("show", "ID", out)
	var o app.ShowOptions
	flags.BoolVar(&o.JSON, "json", false, "print JSON, for programs; docs/show.md lists its members")
	flags.BoolVar(&o.Stripe, "stripe", false, "also read the payment once at Stripe, and list the differences")
	// Flags may follow the id; none of them has a value.
	args = slices.Clone(args)
	slices.SortStableFunc(args, func(a, b string) int {
		return cmp.Compare(rank(a), rank(b))
	})
	if err := parse(flags, args, 1); err != nil {
		return err
	}
	if err := app.CheckShowID(flags.Arg(0)); err != nil {
		return &usageError{"show: " + err.Error()}
	}
	return withApp(func(a *app.App) error { return a.Show(ctx, flags.Arg(0), o, out) })
}

// rank returns 0 for a flag and 1 for an argument.
func rank(arg string) int {
	if strings.HasPrefix(arg, "-") {
		return 0
	}
	return 1
}

func forget(ctx context.Context, args []string, out io.Writer) error {
	flags := newFlags("forget", "ORDER", out)
	if err := parse(flags, args, 1); err != nil {
		return err
	}
	return withApp(func(a *app.App) error { return a.Forget(ctx, flags.Arg(0), out) })
}

// lookBack runs a long command with a flag for its period.
func lookBack(
	ctx context.Context, flags *flag.FlagSet, args []string, out io.Writer, since time.Duration,
	run func(*app.App, context.Context, time.Duration, io.Writer) error,
) error {
	flags.DurationVar(&since, "since", since, "how far to look back, such as 72h; 0: PAYMENT_RETENTION")
	if err := parse(flags, args, 0); err != nil {
		return err
	}
	if since < 0 {
		return &usageError{flags.Name() + ": -since must not be negative"}
	}
	return withApp(func(a *app.App) error { return run(a, ctx, since, out) })
}

// withApp wires the program for one command and closes it.
func withApp(run func(*app.App) error) error {
	config, err := loadConfig()
	if err != nil {
		return err
	}
	a, err := app.New(config, app.NewLogger(config))
	if err != nil {
		return err
	}
	defer a.Close() //nolint:errcheck // the process ends
	return app.Advise(run(a))
}

func keygen(_ context.Context, args []string, out io.Writer) error {
	flags := newFlags("keygen", "", out)
	name := flags.String("name", "default",
		"`name` of the key, for logs and limits; two keys may share a name during a rotation")
	scopes := flags.String("scopes", "read+write", "one or more `scopes` of "+app.Scopes())
	if err := parse(flags, args, 0); err != nil {
		return err
	}
	key, entry, err := app.Keygen(*name, *scopes)
	if err == nil {
		_, err = fmt.Fprintf(out, "Key, for the backend:    %s\nEntry for SERVICE_KEYS:  %s\n", key, entry)
	}
	return err
}

func healthcheck(ctx context.Context, args []string, out io.Writer) error {
	if err := parse(newFlags("healthcheck", "", out), args, 0); err != nil {
		return err
	}
	config, err := app.LoadConfig()
	if err != nil {
		return err
	}
	return app.Healthcheck(ctx, config.AdminAddr)
}

func version(_ context.Context, args []string, out io.Writer) error {
	if err := parse(newFlags("version", "", out), args, 0); err != nil {
		return err
	}
	_, err := fmt.Fprintln(out, app.Version())
	return err
}
