package process_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// backend takes pushed events. A closed one answers 503.
type backend struct {
	address string

	mu     sync.Mutex
	opened bool
	ids    map[string]bool
}

func newBackend(t *testing.T) *backend {
	t.Helper()
	r := &backend{opened: true, ids: map[string]bool{}}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	r.address = server.URL
	return r
}

func (r *backend) open(open bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.opened = open
}

func (r *backend) has(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ids[id]
}

// ServeHTTP takes one event.
func (r *backend) ServeHTTP(answer http.ResponseWriter, request *http.Request) {
	_, _ = io.Copy(io.Discard, request.Body)
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.opened {
		answer.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	r.ids[request.Header.Get("Webhook-Id")] = true
}
