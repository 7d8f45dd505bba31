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

// Main runs a program until it ends, or until SIGINT or SIGTERM cancels its context. If run returns an error,
// Main prints it and exits with status 1.
func Main(run func(ctx context.Context, args []string, out io.Writer) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// InDir calls work with a new directory that carries the program's name, and removes the directory. It
// returns the error "interrupted" if the context was canceled.
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
