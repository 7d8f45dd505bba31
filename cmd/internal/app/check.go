package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"kasse/store"
)

// checkBound limits a whole check.
const checkBound = 40 * time.Second

// checkup writes its findings, one line each, as it goes.
type checkup struct {
	Config
	out   io.Writer
	wrong int
}

// Check examines the configuration, Redis and Stripe, and writes one line for each finding: ok, warning or
// wrong, and how to fix it. It changes nothing. It returns an error if a finding is wrong.
func Check(ctx context.Context, out io.Writer) error {
	store.LogTo(slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithTimeout(ctx, checkBound)
	defer cancel()
	config, err := LoadConfig()
	c := &checkup{Config: config, out: out}
	if c.configuration(err) {
		a, err := New(config, slog.New(slog.DiscardHandler))
		if err != nil {
			return err
		}
		defer a.Close() //nolint:errcheck // the process ends
		account := c.stripe(ctx, a)
		c.redis(ctx, a, account)
	}
	if c.wrong > 0 {
		return fmt.Errorf("%s found", quantity(c.wrong, "problem"))
	}
	return nil
}

func (c *checkup) report(level, about, format string, args ...any) {
	if level == levelWrong {
		c.wrong++
	}
	_, _ = fmt.Fprintf(
		c.out, "%-8s %s: %s\n", level, about, fmt.Sprintf(format, args...),
	) // nothing else can report the error
}

const (
	levelOK      = "ok"
	levelWarning = "warning"
	levelWrong   = "wrong"
)

// configuration reports the configuration's mistakes. It returns false if Redis and Stripe cannot be checked.
func (c *checkup) configuration(err error) bool {
	const about = "configuration"
	for _, hint := range c.Unread {
		c.report(levelWarning, about, "%s", hint)
	}
	if err == nil {
		mode := map[bool]string{true: "live", false: "test"}[c.Livemode()]
		c.report(levelOK, about, "complete; service %q, %s keys, %d partitions", c.ServiceName, mode, c.RedisPartitions)
		return true
	}
	for _, mistake := range each(err) {
		c.report(levelWrong, about, "%v", mistake)
	}
	c.report(levelWarning, about, "Redis and Stripe are checked once the configuration is valid")
	return false
}

// each splits joined errors.
func each(err error) []error {
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		return joined.Unwrap()
	}
	return []error{err}
}
