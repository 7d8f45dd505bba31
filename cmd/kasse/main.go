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
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), stopSignals()...)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	var wrong *usageError
	switch {
	case errors.Is(err, flag.ErrHelp): // it has been printed
	case errors.As(err, &wrong):
		fmt.Fprintln(os.Stderr, "kasse:", err)
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "kasse:", err)
		os.Exit(1)
	}
}

// stopSignals are the signals that end a command; a server drains first. Under nohup SIGHUP stays ignored.
func stopSignals() []os.Signal {
	signals := []os.Signal{syscall.SIGINT, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	return signals
}

// usageError is a mistake in the arguments; the exit code is 2.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

// run finds the command of the arguments and runs it. Without arguments it serves. Help is printed to out and
// returns flag.ErrHelp. An unknown command returns a usageError with its name.
func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 0 {
		return serve(ctx, nil, out)
	}
	name, rest := args[0], args[1:]
	switch name {
	case "help":
		if len(rest) > 0 {
			return run(ctx, append(rest, "-help"), out)
		}
		return printUsage(out)
	case "-h", "-help", "--help":
		return printUsage(out)
	case "-version", "--version":
		name = "version"
	case "events":
		if len(rest) == 0 {
			return &usageError{"events needs one of: " + strings.Join(eventCommands(), ", ") +
				"; kasse --help lists all commands"}
		}
		if !strings.HasPrefix(rest[0], "-") {
			name, rest = name+" "+rest[0], rest[1:]
		} else {
			return printUsage(out)
		}
	}
	for _, c := range commands() {
		if c.name == name {
			return c.run(ctx, rest, out)
		}
	}
	return &usageError{fmt.Sprintf("unknown command %q: kasse --help lists all commands", name)}
}

// printUsage lists the commands.
func printUsage(out io.Writer) error {
	var text strings.Builder
	text.WriteString("usage: kasse [command] [flags]\n\n")
	for _, c := range commands() {
		fmt.Fprintf(&text, "  %-17s %s\n", c.name, c.summary)
	}
	text.WriteString("\nkasse COMMAND --help lists the flags of a command.\n" +
		"The configuration comes from the environment; docs/configuration.md lists it.\n")
	if _, err := io.WriteString(out, text.String()); err != nil {
		return err
	}
	return flag.ErrHelp
}

// newFlags returns the flags of a command with these named arguments, such as "ID".
func newFlags(name, arguments string, out io.Writer) *flag.FlagSet {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(io.Discard) // main prints errors to standard error
	flags.Usage = func() {
		flags.SetOutput(out)
		defer flags.SetOutput(io.Discard)
		text := ""
		for _, c := range commands() {
			if c.name == name {
				text = c.summary
				if c.page != "" {
					text += "; see " + c.page
				}
			}
		}
		line := "usage: kasse " + name
		flags.VisitAll(func(*flag.Flag) { line = "usage: kasse " + name + " [flags]" })
		_, _ = fmt.Fprintf(out, "%s\n\n%s\n\n", strings.TrimSpace(line+" "+arguments), text)
		flags.PrintDefaults()
	}
	return flags
}

// parse parses a command's flags and requires the wanted number of arguments. Help returns flag.ErrHelp;
// every other mistake is a usageError with the command's name.
func parse(flags *flag.FlagSet, args []string, wanted int) error {
	usage := flags.Usage
	flags.Usage = func() {} // flag also calls it after mistakes
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		usage()
		return err
	case err != nil:
		return &usageError{fmt.Sprintf("%s: %v; kasse %s --help lists the flags", flags.Name(), err, flags.Name())}
	case flags.NArg() > wanted:
		return &usageError{fmt.Sprintf("%s: unexpected argument %q; kasse %s --help shows the usage",
			flags.Name(), flags.Arg(wanted), flags.Name())}
	case flags.NArg() < wanted:
		return &usageError{
			fmt.Sprintf("%s: an argument is missing; kasse %s --help shows the usage", flags.Name(), flags.Name()),
		}
	}
	return nil
}
