// Package logbuffer keeps what a program under test prints.
package logbuffer

import (
	"strings"
	"sync"
)

// Buffer is a log that may be written and read at once.
type Buffer struct {
	mu   sync.Mutex
	text strings.Builder
}

// Write appends to the log.
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

// String is all that was written.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
