package main

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
)

// books counts every request, and keeps what must not be.
type books struct {
	asked, answered, hungUp, failed atomic.Int64

	mu    sync.Mutex
	wrong []string
}

// note books one request. Who asked has hung up where gone is set.
func (b *books) note(what string, status int, err error, gone bool) {
	b.asked.Add(1)
	switch {
	case err != nil && gone:
		b.hungUp.Add(1)
	case err != nil:
		b.failed.Add(1)
		b.complain("%s was not answered: %v", what, err)
	case status >= 500:
		b.failed.Add(1)
		b.complain("%s was answered %d", what, status)
	default:
		b.answered.Add(1)
	}
}

func (b *books) complain(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wrong = append(b.wrong, fmt.Sprintf(format, args...))
}

func (b *books) complaints() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.wrong)
}
