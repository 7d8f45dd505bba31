package stripesim

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"
)

// FaultKind names a fault of a response.
type FaultKind string

// The kinds of faults.
const (
	RateLimited FaultKind = "rate_limited" // 429 before any processing; no idempotency key stores it
	LockTimeout FaultKind = "lock_timeout" // 429 of the kind that SDKs repeat
	ServerError FaultKind = "server_error" // 500, which the idempotency key stores and replays
	Timeout     FaultKind = "timeout"      // no response until the caller closes the connection
	Dropped     FaultKind = "dropped"      // the connection closes without a response
	Slow        FaultKind = "slow"         // the response is delayed by Delay; the idempotency key is in use meanwhile
	Endless     FaultKind = "endless"      // a body that never ends
	Truncated   FaultKind = "truncated"    // a body that stops half-way
)

// Fault is a fault of some of the next requests.
type Fault struct {
	Endpoint string        `json:"endpoint,omitempty"` // a route as Endpoints names it; empty: any
	Kind     FaultKind     `json:"kind"`
	After    bool          `json:"after,omitempty"` // the request is executed and its response lost
	Skip     int           `json:"skip,omitempty"`  // requests without the fault before the first one with it
	Times    int           `json:"times,omitempty"` // requests that fail; 0 means 1, negative means all
	Delay    time.Duration `json:"delay,omitempty"` // of Slow, in nanoseconds
}

var faultKinds = []FaultKind{RateLimited, LockTimeout, ServerError, Timeout, Dropped, Slow, Endless, Truncated}

// AddFault adds a fault after the present ones; a request gets the first that matches. An unknown kind or
// endpoint is an error, since such a fault would never occur and its test would prove nothing.
func (s *Server) AddFault(f Fault) error {
	if !slices.Contains(faultKinds, f.Kind) {
		return fmt.Errorf("unknown kind of fault %q; there are %v", f.Kind, faultKinds)
	}
	if err := checkEndpoint(f.Endpoint); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.Times == 0 {
		f.Times = 1
	}
	s.faults = append(s.faults, &f)
	return nil
}

// ClearFaults ends all faults and latencies.
func (s *Server) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
	clear(s.latency)
}

// Faults returns the faults that still wait for a request.
func (s *Server) Faults() []Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []Fault{}
	for _, f := range s.faults {
		if f.Times != 0 {
			out = append(out, *f)
		}
	}
	return out
}

// SetLatency sets the least duration of an endpoint, or of all endpoints without their own if the
// name is empty. Zero ends it.
func (s *Server) SetLatency(endpoint string, d time.Duration) error {
	if err := checkEndpoint(endpoint); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.latency[endpoint] = d
	return nil
}

func checkEndpoint(endpoint string) error {
	if endpoint != "" && !slices.Contains(Endpoints(), endpoint) {
		return fmt.Errorf("unknown endpoint %q", endpoint)
	}
	return nil
}

// faultPlan is the fault and the latency of one request.
type faultPlan struct {
	fault   Fault
	delay   time.Duration
	refusal *failure
	first   bool // execute the request, then fail
}

// faultPlan draws the fault for a request. The caller holds the lock.
func (s *Server) faultPlan(ep endpoint) faultPlan {
	delay, own := s.latency[ep.pattern]
	if !own {
		delay = s.latency[""]
	}
	work := faultPlan{fault: s.drawFault(ep), delay: delay}
	work.first = work.fault.After
	switch work.fault.Kind {
	case RateLimited:
		work.refusal = rateLimited()
	case LockTimeout:
		work.refusal = lockTimeout()
	case ServerError:
		work.refusal = serverError()
	case Slow:
		work.delay += work.fault.Delay
	case Timeout, Dropped, Endless, Truncated:
	}
	return work
}

func (s *Server) drawFault(ep endpoint) Fault {
	for _, f := range s.faults {
		if f.Times == 0 || f.Endpoint != "" && f.Endpoint != ep.pattern {
			continue
		}
		if f.Skip > 0 {
			f.Skip--
			continue
		}
		if f.Times > 0 {
			f.Times--
		}
		return *f
	}
	return Fault{}
}

// pause waits for the latency.
func (o faultPlan) pause(ctx, server context.Context) {
	if o.delay <= 0 {
		return
	}
	timer := time.NewTimer(o.delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	case <-server.Done():
	}
}

// lost reports whether the request is never executed. A timeout lasts until the caller or the server ends.
func (o faultPlan) lost(ctx, server context.Context) bool {
	return !o.fault.After && o.unanswered(ctx, server)
}

// lostAfter reports whether the request was executed and its response lost.
func (o faultPlan) lostAfter(ctx, server context.Context) bool {
	return o.fault.After && o.unanswered(ctx, server)
}

func (o faultPlan) unanswered(ctx, server context.Context) bool {
	if o.fault.Kind == Timeout {
		select {
		case <-ctx.Done():
		case <-server.Done():
		}
	}
	return o.fault.Kind == Timeout || o.fault.Kind == Dropped
}

// write sends the body, damaged if the fault is of that kind.
func (o faultPlan) write(ctx context.Context, w http.ResponseWriter, done answer) {
	switch o.fault.Kind {
	case Endless:
		w.WriteHeader(done.status)
		for ctx.Err() == nil {
			if _, err := io.WriteString(
				w, "                                                                ",
			); err != nil {
				return
			}
		}
	case Truncated:
		w.WriteHeader(done.status)
		_, _ = w.Write(done.body[:len(done.body)/2])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	default:
		w.WriteHeader(done.status)
		_, _ = w.Write(done.body)
	}
}
