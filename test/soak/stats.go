package main

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
)

// stats counts requests by result, and collects the problems that fail the run.
type stats struct {
	requests, responses, canceled, failed atomic.Int64

	mu    sync.Mutex
	wrong []string
}

// record counts one request. canceled is true if the client closed the connection itself; an error is then
// expected.
func (b *stats) record(what string, status int, err error, canceled bool) {
	b.requests.Add(1)
	switch {
	case err != nil && canceled:
		b.canceled.Add(1)
	case err != nil:
		b.failed.Add(1)
		b.addProblem("%s was not answered: %v", what, err)
	case status >= 500:
		b.failed.Add(1)
		b.addProblem("%s was answered with %d", what, status)
	default:
		b.responses.Add(1)
	}
}

func (b *stats) addProblem(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wrong = append(b.wrong, fmt.Sprintf(format, args...))
}

func (b *stats) problems() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.wrong)
}
