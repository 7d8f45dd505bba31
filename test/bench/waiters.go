package main

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// waiters holds many waiting requests, each on its own connection. A waiter repeats its request after each
// response.
type waiters struct {
	links    []*link
	work     sync.WaitGroup
	closed   atomic.Bool
	failed   atomic.Pointer[error]
	onChange func(n int, at time.Time) // called when the n-th waiter has seen a change
	opening  chan struct{}             // one element for each waiter whose first request is running
}

// maxOpening is the number of waiters that send their first request at the same time. With more, the burst of new
// requests would be measured instead of the waiting.
const maxOpening = 256

// noTag is the ETag of a waiter that has not read the status yet.
var noTag = []byte(`"0"`)

// waitRequest returns the request of the n-th waiter. tag is the last ETag that it has seen.
type waitRequest func(n int, tag []byte) []byte

// startWaiters starts the waiters.
func startWaiters(address string, count int, ask waitRequest, answered func(n int, at time.Time)) (*waiters, error) {
	r := &waiters{onChange: answered, opening: make(chan struct{}, maxOpening)}
	for n := range count {
		l, err := dial(address)
		if err != nil {
			r.close()
			return nil, err
		}
		r.links = append(r.links, l)
		r.opening <- struct{}{}
		r.work.Go(func() {
			if len(ask(n, nil)) == len(ask(n, noTag)) { // even the first request waits
				<-r.opening
			}
			if err := r.wait(l, n, ask); err != nil && !r.closed.Load() {
				r.failed.Store(&err)
			}
		})
	}
	return r, nil
}

func (r *waiters) wait(l *link, n int, ask waitRequest) error {
	for !r.closed.Load() {
		first := len(l.etag) == 0 && len(ask(n, nil)) != len(ask(n, noTag))
		status, err := l.roundTrip(ask(n, l.etag))
		if first {
			<-r.opening
		}
		switch {
		case err != nil:
			return err
		case status == http.StatusOK:
			r.onChange(n, time.Now())
		case status != http.StatusNotModified:
			return fmt.Errorf("a waiting request was answered with %d: %s", status, l.body)
		}
	}
	return nil
}

// close ends all connections.
func (r *waiters) close() {
	r.closed.Store(true)
	for _, l := range r.links {
		l.close()
	}
	r.work.Wait()
}

func (r *waiters) err() error {
	if err := r.failed.Load(); err != nil {
		return *err
	}
	return nil
}
