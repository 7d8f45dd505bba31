package main

import (
	"context"
	"flag"
	"io"

	"kasse/cmd/internal/app"
)

// eventsCommand is one command about what is pushed, with the flags and the argument it takes.
type eventsCommand struct {
	after, kind, endpoint, id bool   // flags
	argument                  string // what the one argument is; empty: it takes none
	run                       func(ctx context.Context, a *app.App, in eventsInput, out io.Writer) error
}

// eventsInput are the values of flags and argument.
type eventsInput struct{ after, kind, endpoint, id, argument string }

var eventsCommands = map[string]eventsCommand{
	"replay": {after: true, kind: true, run: func(ctx context.Context, a *app.App, in eventsInput, out io.Writer) error {
		return a.Replay(ctx, in.after, in.kind, out)
	}},
	"endpoints": {run: func(ctx context.Context, a *app.App, _ eventsInput, out io.Writer) error {
		return a.ListEndpoints(ctx, out)
	}},
	"enable": {argument: "ID", run: func(ctx context.Context, a *app.App, in eventsInput, out io.Writer) error {
		return a.EnableEndpoint(ctx, in.argument, out)
	}},
	"disable": {argument: "ID", run: func(ctx context.Context, a *app.App, in eventsInput, out io.Writer) error {
		return a.DisableEndpoint(ctx, in.argument, out)
	}},
	"dead": {endpoint: true, run: func(ctx context.Context, a *app.App, in eventsInput, out io.Writer) error {
		return a.ListDead(ctx, in.endpoint, out)
	}},
	"redrive": {endpoint: true, id: true, run: func(ctx context.Context, a *app.App, in eventsInput, out io.Writer) error {
		return a.Redrive(ctx, in.endpoint, in.id, out)
	}},
	"log": {endpoint: true, run: func(ctx context.Context, a *app.App, in eventsInput, out io.Writer) error {
		return a.PrintPushLog(ctx, in.endpoint, out)
	}},
}

// events runs a command about what is pushed.
func events(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 0 {
		return flag.ErrHelp
	}
	command, known := eventsCommands[args[0]]
	if !known {
		return flag.ErrHelp
	}
	in, err := command.parse(args)
	if err != nil {
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
	return command.run(ctx, a, in, out)
}

func (c eventsCommand) parse(args []string) (in eventsInput, err error) {
	flags := flag.NewFlagSet("kasse events "+args[0], flag.ContinueOnError)
	if c.after {
		flags.StringVar(&in.after, "after", "", "a `cursor` of the feed; without it from the oldest event kept")
	}
	if c.kind {
		flags.StringVar(&in.kind, "type", "", "only events of this `type`, such as order.paid")
	}
	if c.endpoint {
		flags.StringVar(&in.endpoint, "endpoint", "", "the `id` or name of an endpoint, as kasse events endpoints shows it")
	}
	if c.id {
		flags.StringVar(&in.id, "id", "", "only the event with this `id`")
	}
	if err := flags.Parse(args[1:]); err != nil {
		return in, err
	}
	wanted := 0
	if c.argument != "" {
		wanted = 1
	}
	if flags.NArg() != wanted {
		return in, flag.ErrHelp
	}
	in.argument = flags.Arg(0)
	return in, nil
}
