package process_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// backend receives pushed events. While it is unavailable, it answers 503.
type backend struct {
	url string

	mu        sync.Mutex
	available bool
	accepted  map[string]bool // event ids
}

func newBackend(t *testing.T) *backend {
	t.Helper()
	b := &backend{available: true, accepted: map[string]bool{}}
	server := httptest.NewServer(b)
	t.Cleanup(server.Close)
	b.url = server.URL
	return b
}

func (b *backend) setAvailable(available bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.available = available
}

// has reports whether the backend has accepted an event.
func (b *backend) has(id string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.accepted[id]
}

// ServeHTTP receives one event.
func (b *backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.available {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	b.accepted[r.Header.Get("Webhook-Id")] = true
}
