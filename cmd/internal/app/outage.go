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

// outageQuiet is how long no worker has had trouble with Redis before it counts as back.
const outageQuiet = 2 * time.Second

// outage is one time during which Redis does not do what background workers ask of it. Each worker tries again several
// times a second; one line says that Redis is away, and one that it is back.
type outage struct {
	log  *slog.Logger
	away atomic.Bool

	mu         sync.Mutex
	began      time.Time
	last       time.Time // trouble
	suppressed int       // lines
}

// trouble notes a line about Redis. It reports whether that is the first one of an outage.
func (o *outage) trouble() (first bool) {
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

// answered notes that Redis has carried out a command. Where no command has failed for a while, the outage is over.
func (o *outage) answered(ctx context.Context) {
	if !o.away.Load() {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.away.Load() || time.Since(o.last) < outageQuiet {
		return
	}
	o.away.Store(false)
	o.log.WarnContext(ctx, "Redis answers again; the background work goes on",
		"after", o.last.Sub(o.began).Round(time.Millisecond), "lines_left_out", o.suppressed)
}

// outageHandler is a log in which an outage of Redis has one line at its begin. The others about it are debug lines.
type outageHandler struct {
	slog.Handler
	outage *outage
}

// logOutages returns the log for what runs by itself, whose lines about a Redis that is away repeat several times a
// second.
func logOutages(log *slog.Logger) (*slog.Logger, *outage) {
	o := &outage{}
	if ours, ok := log.Handler().(correlated); ok {
		o = ours.outage
	}
	o.log = log
	return slog.New(outageHandler{log.Handler(), o}), o
}

// Handle writes the line, unless it repeats that Redis is away.
func (h outageHandler) Handle(ctx context.Context, r slog.Record) error {
	if r.Level != slog.LevelWarn || !aboutOutage(r) {
		return h.Handler.Handle(ctx, r)
	}
	if h.outage.trouble() {
		line := slog.NewRecord(r.Time, r.Level, "Redis does not do what background workers ask of it; they try again", r.PC)
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

// aboutOutage reports whether a line is about a Redis that does not answer, or refuses.
func aboutOutage(r slog.Record) (is bool) {
	r.Attrs(func(a slog.Attr) bool {
		var e *payment.Error
		if err, ok := a.Value.Any().(error); ok {
			is = errors.As(err, &e) && e.Code == payment.CodeStoreUnavailable
		}
		if a.Key == "message" { // the Redis client's
			is = strings.Contains(a.Value.String(), "dial")
		}
		return !is
	})
	return is
}

// WithAttrs keeps the outage.
func (h outageHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return outageHandler{h.Handler.WithAttrs(attrs), h.outage}
}

// WithGroup keeps the outage.
func (h outageHandler) WithGroup(name string) slog.Handler {
	return outageHandler{h.Handler.WithGroup(name), h.outage}
}

// outageWatch is the observer of the store that knows when an outage is over.
type outageWatch struct {
	*metrics
	outage *outage
}

// Exchanged notes an exchange with Redis.
func (w outageWatch) Exchanged(ctx context.Context, command string, began time.Time, took time.Duration, failed bool) {
	w.metrics.Exchanged(ctx, command, began, took, failed)
	if !failed {
		w.outage.answered(ctx)
	}
}
