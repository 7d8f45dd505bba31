package app

import (
	"io"
	"log/slog"
	"sync"
	"time"
)

const (
	// linesWait is how long the line of a request may wait for others to be written with. A process that is killed
	// loses the lines of so long a time.
	linesWait = 10 * time.Millisecond
	// mostLines is how many bytes wait at most.
	mostLines = 32 << 10
)

// lineBatch writes the lines of many requests at once: one system call for each line costs more than the line. The
// order of lines stays. Every line that is not one of a request is written at once, and so is what came before it.
type lineBatch struct {
	out io.Writer

	mu    sync.Mutex
	lines []byte
	due   *time.Timer // calls Flush while lines wait; nil: it was never needed
}

// Write takes one or more whole lines. It does not fail: slog ignores errors of its output too.
func (b *lineBatch) Write(lines []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case len(b.lines) > 0:
	case b.due == nil:
		b.due = time.AfterFunc(linesWait, b.Flush)
	default:
		b.due.Reset(linesWait)
	}
	if b.lines = append(b.lines, lines...); len(b.lines) > mostLines {
		b.flush()
	}
	return len(lines), nil
}

// Flush writes all that waits.
func (b *lineBatch) Flush() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.flush()
}

// flush is Flush for a caller that holds the lock.
func (b *lineBatch) flush() {
	if len(b.lines) > 0 {
		_, _ = b.out.Write(b.lines) // there is nowhere to report it
		b.lines = b.lines[:0]
	}
}

// mayWait reports whether a record is the line of a request that was answered.
func mayWait(r slog.Record) bool { return r.Level == slog.LevelInfo && r.Message == "request" }

// flushLog writes what waits of a log that NewLogger has made.
func flushLog(log *slog.Logger) {
	if c, ours := log.Handler().(correlated); ours && c.batch != nil {
		c.batch.Flush()
	}
}
