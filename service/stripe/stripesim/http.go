package stripesim

import (
	"context"
	"net/http"
	"strconv"
	"time"
)

// ServeHTTP serves the Stripe API under /v1 and the bank pages under /authorize.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// answering handles every request: it logs the request, applies a fault or executes it, and sends the
// response.
func (s *Server) answering(ep endpoint) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := readBody(w, r)
		if err != nil {
			http.Error(w, "request too large", http.StatusRequestEntityTooLarge)
			return
		}
		began := s.opts.Now()
		entry, work := s.admit(ep, r, body)
		if work.lost(r.Context(), s.done) {
			s.record(entry, r, body, began, answer{})
			panic(http.ErrAbortHandler)
		}
		done := s.answer(r.Context(), ep, r, entry.ID, body, work)
		s.note(entry, done)
		s.record(entry, r, body, began, done)
		if work.lostAfter(r.Context(), s.done) {
			panic(http.ErrAbortHandler)
		}
		s.writeHeader(w, r, entry.ID, done)
		work.write(r.Context(), w, done)
	})
}

func (s *Server) answer(ctx context.Context, ep endpoint, r *http.Request, reqID string, body []byte,
	work faultPlan,
) answer {
	switch {
	case ep.do == nil:
		return refuse(unrecognized(r), reqID)
	case work.refusal != nil && work.refusal.status == http.StatusTooManyRequests:
		return refuse(work.refusal, reqID)
	}
	return s.serve(ctx, ep, r, reqID, body, work)
}

func unrecognized(r *http.Request) *failure {
	return invalid("", "", textUnknownURL, r.Method, r.URL.Path).withStatus(http.StatusNotFound)
}

// writeHeader sends Stripe's headers. Date is the simulator's clock, since clients derive the age of a read
// from it.
func (s *Server) writeHeader(w http.ResponseWriter, r *http.Request, reqID string, done answer) {
	s.mu.Lock()
	now := s.account.now()
	s.mu.Unlock()
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Expose-Headers", "Request-Id, Stripe-Manage-Version, Stripe-Should-Retry")
	h.Set("Cache-Control", "no-cache, no-store")
	h.Set("Content-Type", "application/json")
	h.Set("Date", now.UTC().Format(http.TimeFormat))
	h.Set("Request-Id", reqID)
	h.Set("Stripe-Version", either(r.Header.Get("Stripe-Version"), nativeVersion))
	if key := r.Header.Get("Idempotency-Key"); key != "" && r.Method == http.MethodPost {
		h.Set("Idempotency-Key", key)
		h.Set("Original-Request", done.origin)
	}
	if done.replay {
		h.Set("Idempotent-Replayed", "true")
	}
	if done.status == http.StatusUnauthorized {
		h.Set("Www-Authenticate", `Basic realm="Stripe"`)
	}
}

// allowOrigins handles the preflight request of a browser.
func allowOrigins(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Allow-Methods", "GET, HEAD, PUT, PATCH, POST, DELETE")
	h.Set("Access-Control-Allow-Headers", r.Header.Get("Access-Control-Request-Headers"))
	h.Set("Access-Control-Max-Age", strconv.Itoa(int((5*time.Minute)/time.Second)))
	w.WriteHeader(http.StatusNoContent)
}
