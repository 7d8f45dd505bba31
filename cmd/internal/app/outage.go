package app

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"kasse/service/payment"
)

// outageQuiet is how long no command of a worker may have failed before the outage is over.
const outageQuiet = 2 * time.Second

// outage is a period in which Redis does not execute the commands of background workers. Each worker retries
// several times a second. The log gets one line at the start and one at the end.
type outage struct {
	log  *slog.Logger
	away atomic.Bool

	mu         sync.Mutex
	began      time.Time
	last       time.Time // time of the last failed command
	suppressed int       // lines that were not logged
}

// failed records a line about a failed command. It reports whether it is the first one of an outage.
func (o *outage) failed() (first bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	o.last = now
	if o.away.Swap(true) {
		o.suppressed++
		return false
	}
	o.began, o.suppressed = now, 0
	return true
}

// succeeded records a command that did not fail. It ends the outage if no command has failed for outageQuiet. A
// command whose context has ended did not fail either, but Redis need not have answered it.
func (o *outage) succeeded(ctx context.Context) {
	if !o.away.Load() || ctx.Err() != nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.away.Load() || time.Since(o.last) < outageQuiet {
		return
	}
	o.away.Store(false)
	o.log.WarnContext(ctx, "background tasks: Redis answers again",
		"after", o.last.Sub(o.began).Round(time.Millisecond), "lines_left_out", o.suppressed)
}

// outageHandler logs the first line about an outage and turns the others into debug lines.
type outageHandler struct {
	slog.Handler
	outage *outage
}

// logOutages returns the log of the background workers, which repeat their lines about an unreachable Redis
// several times a second.
func logOutages(log *slog.Logger) (*slog.Logger, *outage) {
	o := &outage{}
	if ours, ok := log.Handler().(correlated); ok {
		o = ours.outage
	}
	o.log = log
	return slog.New(outageHandler{log.Handler(), o}), o
}

// Handle logs the line, unless it repeats the outage.
func (h outageHandler) Handle(ctx context.Context, r slog.Record) error {
	if r.Level != slog.LevelWarn || !aboutOutage(r) {
		return h.Handler.Handle(ctx, r)
	}
	if h.outage.failed() {
		line := slog.NewRecord(r.Time, r.Level, "background tasks: Redis does not answer, retrying", r.PC)
		line.AddAttrs(slog.String("first", r.Message))
		r.Attrs(func(a slog.Attr) bool { line.AddAttrs(a); return true })
		return h.Handler.Handle(ctx, line)
	}
	if !h.Enabled(ctx, slog.LevelDebug) {
		return nil
	}
	r.Level = slog.LevelDebug
	return h.Handler.Handle(ctx, r)
}

// aboutOutage reports whether a line is about a Redis that is unreachable or refuses commands.
func aboutOutage(r slog.Record) (is bool) {
	r.Attrs(func(a slog.Attr) bool {
		var e *payment.Error
		if err, ok := a.Value.Any().(error); ok {
			is = errors.As(err, &e) && e.Code == payment.CodeStoreUnavailable
		}
		if a.Key == "message" { // a line of go-redis
			is = strings.Contains(a.Value.String(), "dial")
		}
		return !is
	})
	return is
}

// WithAttrs keeps the wrapper.
func (h outageHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return outageHandler{h.Handler.WithAttrs(attrs), h.outage}
}

// WithGroup keeps the wrapper.
func (h outageHandler) WithGroup(name string) slog.Handler {
	return outageHandler{h.Handler.WithGroup(name), h.outage}
}

// outageWatch is the store's observer. It notices the end of an outage.
type outageWatch struct {
	*metrics
	outage *outage
}

// CommandRun records a command's result.
func (w outageWatch) CommandRun(ctx context.Context, command string, began time.Time, took time.Duration, failed bool) {
	w.metrics.CommandRun(ctx, command, began, took, failed)
	if !failed {
		w.outage.succeeded(ctx)
	}
}
