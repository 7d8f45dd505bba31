package testenv

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// Main runs a program with its arguments until it ends, or until SIGINT or SIGTERM cancels its context. An error is
// printed, and the exit status is 1.
func Main(run func(ctx context.Context, args []string, out io.Writer) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// InDir makes a directory for the program of that name, calls work with it, and removes it. Once the context is
// canceled, the error is that the program was interrupted.
func InDir(ctx context.Context, name string, work func(dir string) error) error {
	dir, err := os.MkdirTemp("", "kasse-"+name+"-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	err = work(dir)
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	return err
}
