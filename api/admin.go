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
	Detail string // what is wrong with it, for operators
}

// Admin returns the probes. /livez touches nothing, so that an orchestrator never restarts us for somebody else's outage;
// /readyz asks the function, and answers 503 unless it says ready.
func Admin(ready func() (ready bool, deps []Dependency)) http.Handler {
	e := newEcho(slog.New(slog.DiscardHandler)) // probes come every second
	routes := map[string]echo.HandlerFunc{"/livez": getLiveness, "/readyz": readinessBy(ready)}
	for path, handle := range routes {
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

// dependency is a Dependency as it is answered.
type dependency struct {
	Name   string  `json:"name"`
	OK     bool    `json:"ok"`
	Detail *string `json:"detail"`
}

func readinessBy(ready func() (bool, []Dependency)) echo.HandlerFunc {
	return func(c echo.Context) error {
		var body struct {
			Ready        bool         `json:"ready"`
			Dependencies []dependency `json:"dependencies"`
		}
		var heard []Dependency
		body.Ready, heard = ready()
		for _, d := range heard {
			shown := dependency{Name: d.Name, OK: d.OK}
			if d.Detail != "" {
				shown.Detail = &d.Detail
			}
			body.Dependencies = append(body.Dependencies, shown)
		}
		if !body.Ready {
			return answerJSON(c, http.StatusServiceUnavailable, body)
		}
		return answerJSON(c, http.StatusOK, body)
	}
}
