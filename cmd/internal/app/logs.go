package app

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"kasse/store"
)

// NewLogger returns a logger to standard error with the configured level and format. It also becomes the
// logger of go-redis, for the whole process. Lines of requests are written together: see lineBatch.
func NewLogger(c Config) *slog.Logger {
	options := &slog.HandlerOptions{Level: c.LogLevel}
	batch := &lineBatch{out: os.Stderr}
	var handler slog.Handler = slog.NewJSONHandler(batch, options)
	if c.LogFormat == "text" {
		handler = slog.NewTextHandler(batch, options)
	}
	log := slog.New(correlated{handler, &outage{}, c.TraceID, batch})
	background, _ := logOutages(log)
	store.LogTo(background)
	return log
}

// correlated adds the trace id to every line of a traced request.
type correlated struct {
	slog.Handler
	outage  *outage                      // shared by the process
	traceID func(context.Context) string // nil: no traces
	batch   *lineBatch                   // gets the handler's lines; nil: the handler writes them itself
}

func (c correlated) Handle(ctx context.Context, r slog.Record) error {
	if c.traceID != nil {
		if id := c.traceID(ctx); id != "" {
			r.AddAttrs(slog.String("trace_id", id))
		}
	}
	err := c.Handler.Handle(ctx, r)
	if c.batch != nil && !mayWait(r) {
		c.batch.Flush()
	}
	return err
}

// WithAttrs keeps the wrapper.
func (c correlated) WithAttrs(attrs []slog.Attr) slog.Handler {
	return correlated{c.Handler.WithAttrs(attrs), c.outage, c.traceID, c.batch}
}

// WithGroup keeps the wrapper.
func (c correlated) WithGroup(name string) slog.Handler {
	return correlated{c.Handler.WithGroup(name), c.outage, c.traceID, c.batch}
}

// switchable handles SIGUSR1, which would otherwise end the process. The returned function toggles the log
// between LOG_LEVEL and debug at each signal, until the context ends.
func (a *App) switchable() func(context.Context) {
	if a.LogLevel == nil { // the logger is the caller's
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
			a.log.Log(ctx, max(level, slog.LevelInfo), "the log level was changed", "now", level)
		}
	}
}
