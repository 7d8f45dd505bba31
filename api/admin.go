package api

import (
	"log/slog"
	"net/http"
	"sync/atomic"

	"github.com/labstack/echo/v4"
)

// Dependency is the last known state of something outside that the server needs.
type Dependency struct {
	Name string
	OK   bool
}

// Admin returns the probes. /livez touches nothing, so that an orchestrator never restarts us for somebody else's outage;
// /readyz asks the function, and answers 503 unless it says ready.
func Admin(ready func() (ready bool, deps []Dependency)) http.Handler {
	e := newEcho(slog.New(slog.DiscardHandler), nil) // probes come every second
	for path, handle := range map[string]echo.HandlerFunc{"/livez": getLiveness, "/readyz": readinessBy(ready)} {
		e.GET(path, handle)
		e.HEAD(path, handle)
	}
	return e
}

func getLiveness(c echo.Context) error {
	return answerJSON(c, http.StatusOK, struct {
		Status string `json:"status"`
	}{"alive"})
}

// readiness is the answer of /readyz.
type readiness struct {
	Status       string            `json:"status"`
	Dependencies map[string]string `json:"dependencies"`
}

// readinessBy renders the function's result. A server that was ready and is no longer is draining.
func readinessBy(ready func() (bool, []Dependency)) echo.HandlerFunc {
	var wasReady atomic.Bool
	return func(c echo.Context) error {
		isReady, dependencies := ready()
		body, status := readiness{"ready", map[string]string{}}, http.StatusOK
		switch {
		case isReady:
			wasReady.Store(true)
		case wasReady.Load():
			body.Status, status = "draining", http.StatusServiceUnavailable
		default:
			body.Status, status = "starting", http.StatusServiceUnavailable
		}
		for _, d := range dependencies {
			body.Dependencies[d.Name] = "unreachable"
			if d.OK {
				body.Dependencies[d.Name] = "ok"
			}
		}
		return answerJSON(c, status, body)
	}
}
