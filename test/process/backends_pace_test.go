//go:build backends

package process_test

import (
	"fmt"
	"net/http"
	"sync"
	"time"

	"kasse/test/wait"
)

// pages answers the feed at once with empty pages, whose cursor moves at first, and measures the backend's
// pause between a response and its next request.
type pages struct {
	mu       sync.Mutex
	answered time.Time
	pauses   []time.Duration
}

// ServeHTTP answers as Kasse does where a filter leaves much out, and then as one that drains.
func (p *pages) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.answered.IsZero() {
		p.pauses = append(p.pauses, time.Since(p.answered))
	}
	_, _ = fmt.Fprintf(w, `{"events":[],"next":"k1.%d-0"}`, min(len(p.pauses), 3))
	p.answered = time.Now()
}

func (p *pages) seen() []time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]time.Duration(nil), p.pauses...)
}

// pausesAfterEmptyPages must be the last: the backend stores cursors that Kasse has not made.
func (s *shop) pausesAfterEmptyPages() {
	s.t.Helper()
	s.killBackend()
	pages := new(pages)
	s.pages.Store(pages)
	s.startBackend(nil)
	wait.Until(s.t, "four pauses", func() error { return yet(len(pages.seen()) >= 4) })
	for _, pause := range pages.seen()[1:] { // the first request may still be one of the killed backend
		if pause < 400*time.Millisecond {
			s.t.Errorf("after empty pages the backend waits %v", pages.seen())
		}
	}
}
