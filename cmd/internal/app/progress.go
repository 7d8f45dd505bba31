package app

import (
	"fmt"
	"io"
	"os"
	"time"
)

// progress shows how far a long command is: on a terminal in one line that changes, elsewhere in a line now and then.
type progress struct {
	out      io.Writer
	terminal bool
	last     time.Time
}

// Between two looks at the progress, for a person and for a log.
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

// show prints the line if it is time to.
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
	_, _ = fmt.Fprintf(p.out, format, args...) // nothing depends on it
}

// end prints the last line.
func (p *progress) end(format string, args ...any) {
	if p.terminal {
		format = "\r\x1b[K" + format
	}
	_, _ = fmt.Fprintf(p.out, format+"\n", args...)
}
