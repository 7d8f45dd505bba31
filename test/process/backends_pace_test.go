//go:build backends

package process_test

import (
	"fmt"
	"net/http"
	"sync"
	"time"

	"kasse/test/wait"
)

// pages answers requests for the feed immediately with empty pages. It measures the backend's pause
// between a response and the next request.
type pages struct {
	mu       sync.Mutex
	answered time.Time
	pauses   []time.Duration
}

// ServeHTTP answers with an empty page. The cursor of the first pages advances, as Kasse's does
// when a filter omits many events. Then it stays the same, as that of a Kasse that drains does.
func (p *pages) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.answered.IsZero() {
		p.pauses = append(p.pauses, time.Since(p.answered))
	}
	_, _ = fmt.Fprintf(w, `{"events":[],"next":"k1.%d-0"}`, min(len(p.pauses), 3))
	p.answered = time.Now()
}

// measured returns the pauses so far.
func (p *pages) measured() []time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]time.Duration(nil), p.pauses...)
}

// checkPauses checks that the backend waits between empty pages. It must be the last check: the
// backend stores cursors that Kasse has not made.
func (s *shop) checkPauses() {
	s.t.Helper()
	s.killBackend()
	pages := new(pages)
	s.pages.Store(pages)
	s.startBackend(nil)
	wait.UntilTrue(s.t, "four pauses", func() bool { return len(pages.measured()) >= 4 })
	const shortest = 400 * time.Millisecond      // the backends wait half a second
	for _, pause := range pages.measured()[1:] { // the first request may still come from the killed backend
		if pause < shortest {
			s.t.Errorf("the backend's pauses after empty pages are %v, want at least %s", pages.measured(), shortest)
		}
	}
}
