// Package wait waits for conditions. Tests use it instead of a sleep of a fixed time. Only a broken run reaches the
// deadline, so no test depends on the machine's speed.
package wait

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Patience limits every wait. One minute was too short on a machine thirty times slower than an idle one, and Kasse
// repeats a failed request to Stripe after a minute.
const Patience = 3 * time.Minute

// interval is the pause between two checks of a condition.
const interval = 10 * time.Millisecond

// ErrGaveUp ends a wait early, when the condition can no longer be met.
var ErrGaveUp = errors.New("gave up")

// ErrNotYet is the reason of conditions that return no other.
var ErrNotYet = errors.New("not yet")

// T is a testing.TB, named here so that programs which wait do not link package testing.
type T interface {
	Helper()
	Fatalf(format string, args ...any)
	Context() context.Context
}

// For returns nil once met returns nil. Before that, met returns the reason, or ErrGaveUp to end the wait.
// The error of a failed wait wraps the last reason and the context's cause.
func For(ctx context.Context, met func() error) error {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	var err error
	for {
		now := met()
		if now == nil || errors.Is(now, ErrGaveUp) {
			return now
		}
		if err == nil || ctx.Err() == nil { // the deadline cut off this try, so its reason means nothing
			err = now
		}
		if !Pause(ctx, interval) {
			return fmt.Errorf("%w: %w", err, context.Cause(ctx))
		}
	}
}

// Until fails the test unless met returns nil in time.
func Until(t T, what string, met func() error) {
	t.Helper()
	if err := For(t.Context(), met); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// UntilTrue fails the test unless holds returns true in time.
func UntilTrue(t T, what string, holds func() bool) {
	t.Helper()
	Until(t, what, func() error {
		if holds() {
			return nil
		}
		return ErrNotYet
	})
}

// Pause waits for d. It returns false if the context ended first.
func Pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
