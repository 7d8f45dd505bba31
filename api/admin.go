package api

import (
	"log/slog"
	"net/http"

	"github.com/labstack/echo/v4"
)

// Dependency is what was last heard of something outside that the server needs.
type Dependency struct {
	Name   string
	OK     bool
	Detail string // why it is not, for the operator's eyes
}

// Admin returns the probes. /livez touches nothing, so that an orchestrator never restarts us for somebody else's
// outage; /readyz asks what app knows by itself, and calls nobody either.
func Admin(ready func() (ready bool, deps []Dependency)) http.Handler {
	e := newEcho(slog.New(slog.DiscardHandler))
	e.GET("/livez", func(c echo.Context) error {
		return answerJSON(c, http.StatusOK, map[string]string{"status": "alive"})
	})
	e.GET("/readyz", func(c echo.Context) error {
		ok, dependencies := ready()
		body := newReadiness(ok, dependencies)
		if !ok {
			return answerJSON(c, http.StatusServiceUnavailable, body)
		}
		return answerJSON(c, http.StatusOK, body)
	})
	return e
}

type readiness struct {
	Status       string            `json:"status"`
	Dependencies map[string]string `json:"dependencies"`
}

// newReadiness words it for the answer. A server that is not ready although all it needs is there is draining.
func newReadiness(ready bool, dependencies []Dependency) readiness {
	r := readiness{"draining", map[string]string{}}
	for _, d := range dependencies {
		r.Dependencies[d.Name] = "ok"
		if !d.OK {
			r.Dependencies[d.Name] = "unreachable"
			r.Status = "starting"
		}
	}
	if ready {
		r.Status = "ready"
	}
	return r
}
