package app

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"time"
)

// progress shows the progress of a long command: on a terminal in one changing line, elsewhere in a line now
// and then.
type progress struct {
	out      io.Writer
	terminal bool
	last     time.Time
}

// Intervals between two lines, on a terminal and in a log.
const (
	progressTerminal = 200 * time.Millisecond
	progressLog      = 10 * time.Second
)

func newProgress(out io.Writer) *progress {
	p := &progress{out: out, last: time.Now()}
	if file, ok := out.(*os.File); ok {
		info, err := file.Stat()
		p.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return p
}

// show prints the line if the interval is over.
func (p *progress) show(format string, args ...any) {
	every := progressLog
	if p.terminal {
		every = progressTerminal
	}
	if time.Since(p.last) < every {
		return
	}
	p.last = time.Now()
	if p.terminal {
		format = "\r\x1b[K" + format
	} else {
		format += "\n"
	}
	_, _ = fmt.Fprintf(p.out, format, args...) // progress output is optional
}

// end prints the last line.
func (p *progress) end(format string, args ...any) {
	if p.terminal {
		format = "\r\x1b[K" + format
	}
	_, _ = fmt.Fprintf(p.out, format+"\n", args...)
}

// quantity returns a number with its noun: "1 event", "2 events".
func quantity(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}
