package main

import (
	"context"
	"flag"
	"io"

	"kasse/cmd/internal/app"
)

// events runs a command about what is pushed.
func events(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 0 {
		return flag.ErrHelp
	}
	flags := flag.NewFlagSet("events "+args[0], flag.ContinueOnError)
	after, kind := new(string), new(string)
	if args[0] == "replay" {
		after = flags.String("after", "", "a `cursor` of the feed; without it from the oldest event kept")
		kind = flags.String("type", "", "only events of this `type`, such as order.paid")
	}
	if err := flags.Parse(args[1:]); err != nil {
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
	switch {
	case args[0] == "replay" && flags.NArg() == 0:
		return a.Replay(ctx, *after, *kind, out)
	case args[0] == "endpoints" && flags.NArg() == 0:
		return a.ListEndpoints(ctx, out)
	case args[0] == "enable" && flags.NArg() == 1:
		return a.EnableEndpoint(ctx, flags.Arg(0), out)
	}
	return flag.ErrHelp
}
