package app

import (
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// writes notes what is written at once.
type writes struct {
	mu  sync.Mutex
	all []string
}

func (w *writes) Write(text []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = append(w.all, string(text))
	return len(text), nil
}

func (w *writes) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.all)
}

// TestLinesOfRequestsAreWrittenTogether: after a pause, once there are many, before any other line, and at the end.
func TestLinesOfRequestsAreWrittenTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &writes{}
		batch := &lineBatch{out: out}
		log := slog.New(correlated{slog.NewTextHandler(batch, nil), &outage{}, nil, batch}).With("a", 1)
		request := func() { log.Info("request", "n", strings.Repeat("x", 100)) }
		expect := func(written int, when string) {
			t.Helper()
			if n := out.count(); n != written {
				t.Errorf("%s: written %d times, not %d", when, n, written)
			}
		}
		request()
		request()
		expect(0, "at once")
		time.Sleep(linesWait + time.Millisecond)
		expect(1, "after the pause")
		request()
		log.Warn("request")
		expect(2, "a warning")
		request()
		log.Info("transition")
		expect(3, "another line")
		for range mostLines/100 + 1 {
			request()
		}
		expect(4, "many lines")
		flushLog(log)
		if lines := strings.Count(strings.Join(out.all, ""), "\n"); lines != mostLines/100+1+6 {
			t.Errorf("%d lines are there", lines)
		}
		if !strings.HasSuffix(out.all[2], "msg=transition a=1\n") || strings.Count(out.all[2], "\n") != 2 {
			t.Errorf("the order is lost: %s", out.all[2])
		}
	})
}
