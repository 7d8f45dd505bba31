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
		tries := 0
		err := wait.For(t.Context(), func() error {
			if tries++; tries < 3 {
				return wait.ErrNotYet
			}
			return nil
		})
		if err != nil || tries != 3 {
			t.Errorf("got %v after %d tries, want nil after 3", err, tries)
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

// TestForKeepsTheReasonBeforeTheDeadline: the error of a try that the deadline interrupts does not replace the reason
// of the try before.
func TestForKeepsTheReasonBeforeTheDeadline(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	reason := errors.New("the reason")
	err := wait.For(ctx, func() error {
		if ctx.Err() != nil {
			return errors.New("interrupted")
		}
		defer cancel()
		return reason
	})
	if !errors.Is(err, reason) {
		t.Errorf("got %v, want the reason", err)
	}
}

func TestForGivesUpEarly(t *testing.T) {
	tries := 0
	err := wait.For(t.Context(), func() error {
		tries++
		return fmt.Errorf("the process ended: %w", wait.ErrGaveUp)
	})
	if !errors.Is(err, wait.ErrGaveUp) || tries != 1 {
		t.Errorf("got %v after %d tries, want ErrGaveUp after one", err, tries)
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
