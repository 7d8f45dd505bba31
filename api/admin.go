package api

import (
	"log/slog"
	"net/http"

	"github.com/labstack/echo/v4"
)

// ReadyState is whether the server should be sent requests, and why not.
type ReadyState string

// The states of readiness.
const (
	Ready       ReadyState = "ready"
	Starting    ReadyState = "starting"    // Redis has not been reached yet, or is not ours yet
	Draining    ReadyState = "draining"    // the process has been asked to stop
	Unavailable ReadyState = "unavailable" // it was ready, and a dependency's state rules out every answer
)

// Dependency is the last known state of something outside that the server needs.
type Dependency struct {
	Name  string
	State DependencyState
}

// DependencyState is the state of a dependency, as /readyz names it.
type DependencyState string

// The states of Redis.
const (
	DependencyOK          DependencyState = "ok"
	DependencyUnreachable DependencyState = "unreachable"
	DependencyReplica     DependencyState = "replica"    // it accepts no writes, and its data may be old
	DependencyUnmarked    DependencyState = "unmarked"   // it was wiped, or it is new
	DependencyRebuilding  DependencyState = "rebuilding" // kasse rebuild has started and not finished
	DependencyForeign     DependencyState = "foreign"    // it holds the payments of another service, account or layout
)

// Admin returns the probes and the metrics. /livez touches nothing, so that an outage elsewhere never causes a
// restart. /readyz calls ready and answers 503 unless it returns Ready.
func Admin(ready func() (ReadyState, []Dependency), metrics http.Handler) http.Handler {
	e := newEcho(slog.New(slog.DiscardHandler), nil) // probes come every second
	for path, handle := range map[string]echo.HandlerFunc{
		"/livez": getLiveness, "/readyz": readinessBy(ready), "/metrics": echo.WrapHandler(metrics),
	} {
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
	Status       ReadyState                 `json:"status"`
	Dependencies map[string]DependencyState `json:"dependencies"`
}

// readinessBy renders the function's result.
func readinessBy(ready func() (ReadyState, []Dependency)) echo.HandlerFunc {
	return func(c echo.Context) error {
		state, dependencies := ready()
		body, status := readiness{state, map[string]DependencyState{}}, http.StatusOK
		if state != Ready {
			status = http.StatusServiceUnavailable
		}
		for _, d := range dependencies {
			body.Dependencies[d.Name] = d.State
		}
		return answerJSON(c, status, body)
	}
}
