// Package logbuffer stores the log of a program under test.
package logbuffer

import (
	"strings"
	"sync"
)

// Buffer is a log that several goroutines may write and read.
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

// String returns the whole log.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
