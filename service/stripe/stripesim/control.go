package stripesim

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Control is the control surface: JSON over HTTP. GET / lists its routes. It needs a listener of
// its own, since every caller can change any object.
func (s *Server) Control() http.Handler {
	mux := http.NewServeMux()
	controlRoutes := s.controlRoutes()
	for _, l := range controlRoutes {
		mux.Handle(l.Route, l)
	}
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusOK, document{"routes": controlRoutes})
	})
	return mux
}

// controlRoute is one route of the control surface.
type controlRoute struct {
	Route  string `json:"route"`
	Takes  any    `json:"takes,omitempty"` // an example of its body
	Does   string `json:"does"`
	handle func(*http.Request) (any, error)
}

// routeWithBody makes a route whose body is an In: strict JSON, or nothing where every member is
// optional.
func routeWithBody[In any](route, does string, example In, handle func(*http.Request, In) (any, error)) controlRoute {
	return controlRoute{Route: route, Takes: example, Does: does, handle: func(r *http.Request) (any, error) {
		var in In
		dec := json.NewDecoder(r.Body)
		dec.DisallowUnknownFields()
		if err := dec.Decode(&in); err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("body: %w", err)
		}
		return handle(r, in)
	}}
}

// plainRoute makes a route without a body.
func plainRoute(route, does string, handle func() (any, error)) controlRoute {
	return controlRoute{Route: route, Does: does, handle: func(*http.Request) (any, error) { return handle() }}
}

// ServeHTTP runs the handler: 404 for an unknown id, 400 for an action that is not possible.
func (l controlRoute) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	result, err := l.handle(r)
	if err == nil {
		reply(w, http.StatusOK, result)
		return
	}
	status := http.StatusBadRequest
	var f *failure
	if errors.As(err, &f) && f.Code == "resource_missing" {
		status = http.StatusNotFound
	}
	reply(w, status, document{"error": err.Error()})
}

func reply(w http.ResponseWriter, status int, value any) {
	body, err := render(value)
	if err != nil {
		status, body = http.StatusInternalServerError, []byte("{}")
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// span is a duration in Go's notation, such as 200ms or 24h.
type span time.Duration

// MarshalText writes the duration as UnmarshalText reads it.
func (s span) MarshalText() ([]byte, error) { return []byte(time.Duration(s).String()), nil }

// UnmarshalText reads a duration.
func (s *span) UnmarshalText(text []byte) error {
	d, err := time.ParseDuration(string(text))
	*s = span(d)
	return err
}
