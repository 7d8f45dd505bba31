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

	writing sync.Mutex // held while lines are written, so that they stay in order
	spare   []byte     // the buffer that was written last

	mu    sync.Mutex
	lines []byte
	due   *time.Timer // calls Flush while lines wait; nil: it was never needed
}

// Write takes one or more whole lines. It does not fail: slog ignores errors of its output too.
func (b *lineBatch) Write(lines []byte) (int, error) {
	if b.add(lines) > mostLines {
		b.Flush()
	}
	return len(lines), nil
}

// add appends lines to those that wait, and returns how many bytes wait now.
func (b *lineBatch) add(lines []byte) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case len(b.lines) > 0:
	case b.due == nil:
		b.due = time.AfterFunc(linesWait, b.Flush)
	default:
		b.due.Reset(linesWait)
	}
	b.lines = append(b.lines, lines...)
	return len(b.lines)
}

// Flush writes all lines that wait. Requests that end meanwhile add theirs to another buffer.
func (b *lineBatch) Flush() {
	b.writing.Lock()
	defer b.writing.Unlock()
	b.mu.Lock()
	lines := b.lines
	b.lines = b.spare[:0]
	b.mu.Unlock()
	if len(lines) > 0 {
		_, _ = b.out.Write(lines) // there is nowhere to report it
	}
	b.spare = lines[:0]
}

// mayWait reports whether a record is the line of a request that was answered.
func mayWait(r slog.Record) bool { return r.Level == slog.LevelInfo && r.Message == "request" }

// flushLog writes what waits of a log that NewLogger has made.
func flushLog(log *slog.Logger) {
	if c, ours := log.Handler().(correlated); ours && c.batch != nil {
		c.batch.Flush()
	}
}
