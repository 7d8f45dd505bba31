package main

import (
	"context"
	"flag"
	"io"
	"strings"

	"kasse/cmd/internal/app"
)

// eventCommands lists the words after "events".
func eventCommands() (names []string) {
	for _, c := range commands() {
		if name, found := strings.CutPrefix(c.name, "events "); found {
			names = append(names, name)
		}
	}
	return names
}

func replayEvents(ctx context.Context, args []string, out io.Writer) error {
	flags := newFlags("events replay", "", out)
	after := flags.String("after", "", "a `cursor` of the feed; without it from the oldest event kept")
	kind := flags.String("type", "", "only events of this `type`, such as order.paid")
	if err := parse(flags, args, 0); err != nil {
		return err
	}
	if *kind != "" && !app.KnownEventType(*kind) {
		return &usageError{"events replay: -type " + *kind + " is not an event type; the types are " +
			strings.Join(app.EventTypes(), ", ")}
	}
	return withApp(func(a *app.App) error { return a.Replay(ctx, *after, *kind, out) })
}

func listEndpoints(ctx context.Context, args []string, out io.Writer) error {
	if err := parse(newFlags("events endpoints", "", out), args, 0); err != nil {
		return err
	}
	return withApp(func(a *app.App) error { return a.ListEndpoints(ctx, out) })
}

func enableEndpoint(ctx context.Context, args []string, out io.Writer) error {
	flags := newFlags("events enable", "ID", out)
	if err := parse(flags, args, 1); err != nil {
		return err
	}
	return withApp(func(a *app.App) error { return a.EnableEndpoint(ctx, flags.Arg(0), out) })
}

func disableEndpoint(ctx context.Context, args []string, out io.Writer) error {
	flags := newFlags("events disable", "ID", out)
	if err := parse(flags, args, 1); err != nil {
		return err
	}
	return withApp(func(a *app.App) error { return a.DisableEndpoint(ctx, flags.Arg(0), out) })
}

// endpointFlag defines the flag that selects an endpoint.
func endpointFlag(flags *flag.FlagSet) *string {
	return flags.String("endpoint", "", "the `id` or name of an endpoint, as kasse events endpoints shows it")
}

func listDead(ctx context.Context, args []string, out io.Writer) error {
	flags := newFlags("events dead", "", out)
	endpoint := endpointFlag(flags)
	if err := parse(flags, args, 0); err != nil {
		return err
	}
	return withApp(func(a *app.App) error { return a.ListDead(ctx, *endpoint, out) })
}

func redrive(ctx context.Context, args []string, out io.Writer) error {
	flags := newFlags("events redrive", "", out)
	endpoint := endpointFlag(flags)
	id := flags.String("id", "", "only the event with this `id`")
	if err := parse(flags, args, 0); err != nil {
		return err
	}
	return withApp(func(a *app.App) error { return a.Redrive(ctx, *endpoint, *id, out) })
}

func printLog(ctx context.Context, args []string, out io.Writer) error {
	flags := newFlags("events log", "", out)
	endpoint := endpointFlag(flags)
	if err := parse(flags, args, 0); err != nil {
		return err
	}
	return withApp(func(a *app.App) error { return a.PrintPushLog(ctx, *endpoint, out) })
}
