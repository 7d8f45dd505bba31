package stripesim

import (
	"net/http"
	"slices"
	"time"
)

// Request is one request that the API received, as Requests returns it.
type Request struct {
	ID             string    `json:"id"`                        // the Request-Id it was answered with
	At             time.Time `json:"at"`                        // on the simulator's clock
	Endpoint       string    `json:"endpoint"`                  // a route, such as "POST /v1/refunds"
	Path           string    `json:"path"`                      // with its query
	IdempotencyKey string    `json:"idempotency_key,omitempty"` // as received
	// Byte for byte as received; it may contain client secrets.
	Body     string `json:"body,omitempty"`
	Status   int    `json:"status"`             // zero before the response
	Replayed bool   `json:"replayed,omitempty"` // answered from its idempotency key
}

// requestLogSize is the number of requests that are kept; the counts go on.
const requestLogSize = 10000

// requestLog keeps the requests of the service under test.
type requestLog struct {
	entries []*Request
	counts  map[string]int
}

// admit assigns the request's id, logs the request, and draws its fault.
func (s *Server) admit(ep endpoint, r *http.Request, body []byte) (*Request, faultPlan) {
	s.mu.Lock()
	defer s.mu.Unlock()
	entry := &Request{
		ID: s.account.ids.short("req"), At: s.account.now(), Endpoint: ep.pattern, Path: r.URL.RequestURI(),
		Body:           string(body),
		IdempotencyKey: r.Header.Get("Idempotency-Key"),
	}
	s.requestLog.add(entry)
	return entry, s.faultPlan(ep)
}

func (j *requestLog) add(entry *Request) {
	if j.counts == nil {
		j.counts = map[string]int{}
	}
	j.counts[entry.Endpoint]++
	if len(j.entries) == requestLogSize {
		j.entries = slices.Delete(j.entries, 0, 1)
	}
	j.entries = append(j.entries, entry)
}

func (s *Server) note(entry *Request, done answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	entry.Status, entry.Replayed = done.status, done.replay
	s.log.Debug(
		"request", "id", entry.ID, "endpoint", entry.Endpoint, "status", entry.Status, "replayed", entry.Replayed,
	)
}

// Requests returns the requests that the API received, the oldest first, 10,000 at most.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Request, len(s.requestLog.entries))
	for i, entry := range s.requestLog.entries {
		out[i] = *entry
	}
	return out
}

// Count is the number of requests that an endpoint received since the start or the last Reset, with
// any outcome. endpoint is a route as Endpoints names it.
func (s *Server) Count(endpoint string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requestLog.counts[endpoint]
}

// Endpoints are the routes of the API, as faults, latency and counts name them.
func Endpoints() []string {
	var out []string
	for _, ep := range endpoints() {
		out = append(out, ep.pattern)
	}
	return out
}
