package app

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"go.opentelemetry.io/otel/trace"

	"kasse/store"
)

// NewLogger returns the logger that the configuration asks for, on standard error. The Redis client writes to it
// too, in the whole process.
func NewLogger(c Config) *slog.Logger {
	options := &slog.HandlerOptions{Level: c.LogLevel}
	var handler slog.Handler = slog.NewJSONHandler(os.Stderr, options)
	if c.LogFormat == "text" {
		handler = slog.NewTextHandler(os.Stderr, options)
	}
	log := slog.New(correlated{handler, &outage{}})
	background, _ := logOutages(log)
	store.LogTo(background)
	return log
}

// correlated writes into every line of a traced request which trace it belongs to.
type correlated struct {
	slog.Handler
	outage *outage // of this process
}

// Handle writes the line.
func (c correlated) Handle(ctx context.Context, r slog.Record) error {
	if span := trace.SpanContextFromContext(ctx); span.HasTraceID() {
		r.AddAttrs(slog.String("trace_id", span.TraceID().String()))
	}
	return c.Handler.Handle(ctx, r)
}

// WithAttrs keeps the trace.
func (c correlated) WithAttrs(attrs []slog.Attr) slog.Handler {
	return correlated{c.Handler.WithAttrs(attrs), c.outage}
}

// WithGroup keeps the trace.
func (c correlated) WithGroup(name string) slog.Handler {
	return correlated{c.Handler.WithGroup(name), c.outage}
}

// switchable handles SIGUSR1 from now on, which would end the process otherwise. What it returns switches the log
// between LOG_LEVEL and debug at each, until the context ends.
func (a *App) switchable() func(context.Context) {
	if a.LogLevel == nil { // its logger is not ours
		return func(context.Context) {}
	}
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGUSR1)
	return func(ctx context.Context) {
		defer signal.Stop(asked)
		configured := a.LogLevel.Level()
		for {
			select {
			case <-ctx.Done():
				return
			case <-asked:
			}
			level := slog.LevelDebug
			if a.LogLevel.Level() == level {
				level = configured
			}
			a.LogLevel.Set(level)
			a.log.Log(ctx, max(level, slog.LevelInfo), "the log level has been switched", "now", level)
		}
	}
}
