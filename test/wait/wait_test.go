package wait_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"kasse/test/wait"
)

func TestForReturnsOnceMet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		looks := 0
		err := wait.For(t.Context(), func() error {
			if looks++; looks < 3 {
				return wait.ErrNotYet
			}
			return nil
		})
		if err != nil || looks != 3 {
			t.Errorf("got %v after %d looks, want nil after 3", err, looks)
		}
	})
}

func TestForFailsWithTheLastReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, reason := time.Now(), errors.New("the reason")
		err := wait.For(t.Context(), func() error { return reason })
		if !errors.Is(err, reason) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the reason and the deadline", err)
		}
		if took := time.Since(began); took != wait.Patience {
			t.Errorf("it took %s, want %s", took, wait.Patience)
		}
	})
}

// TestForKeepsTheReasonBeforeTheDeadline: a request that the deadline cuts off does not replace the reason of
// the try before.
func TestForKeepsTheReasonBeforeTheDeadline(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	reason := errors.New("the reason")
	err := wait.For(ctx, func() error {
		if ctx.Err() != nil {
			return errors.New("cut off")
		}
		defer cancel()
		return reason
	})
	if !errors.Is(err, reason) {
		t.Errorf("got %v, want the reason", err)
	}
}

func TestForGivesUpEarly(t *testing.T) {
	looks := 0
	err := wait.For(t.Context(), func() error {
		looks++
		return fmt.Errorf("the process ended: %w", wait.ErrGaveUp)
	})
	if !errors.Is(err, wait.ErrGaveUp) || looks != 1 {
		t.Errorf("got %v after %d looks, want ErrGaveUp after one", err, looks)
	}
}

func TestUntilFailsTheTest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &failing{TB: t}
		wait.UntilTrue(f, "the condition", func() bool { return false })
		if want := "the condition: not yet: context deadline exceeded"; f.text != want {
			t.Errorf("got %q, want %q", f.text, want)
		}
	})
}

// failing records the text of a failure.
type failing struct {
	testing.TB
	text string
}

// Fatalf records the text instead of ending the test.
func (f *failing) Fatalf(format string, args ...any) { f.text = fmt.Sprintf(format, args...) }
