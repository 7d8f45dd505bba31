package main

import (
	"context"
	"net"
	"os"
	"strings"
	"time"

	"kasse/cmd/internal/app"
	"kasse/cmd/kasse-dev/console"
)

// endpoints returns EVENT_ENDPOINTS with the console's endpoint added.
func endpoints(console, others string) string {
	all := console + "/push=" + pushSecret
	if others != "" {
		all += "," + others
	}
	return all
}

// startConsole serves the console, which follows Kasse and the simulator until the stack stops.
func (w *stack) startConsole(ctx context.Context, config app.Config, listener net.Listener) error {
	c := console.New(console.Options{
		Kasse: w.kasse, Shop: w.shop, Control: w.control, Key: serviceKey, PushSecret: pushSecret,
		Service: config.ServiceName, Now: time.Now, //nolint:forbidigo // the clock is handed on here
		Logger: app.NewLogger(config),
	})
	handler, err := c.Handler()
	if err != nil {
		return err
	}
	w.serve(listener, handler)
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.Run(ctx)
	}()
	w.cleanups = append(w.cleanups, func() {
		cancel()
		<-done
	})
	return nil
}

// configured reads a variable of the environment, or the file that its _FILE variable names.
func configured(name string) (string, error) {
	file := os.Getenv(name + "_FILE")
	if file == "" {
		return os.Getenv(name), nil
	}
	content, err := os.ReadFile(file) //nolint:gosec // the developer names it
	return strings.TrimSpace(string(content)), err
}
