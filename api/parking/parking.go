// Package parking lets HTTP requests wait without a goroutine and without buffers. It also answers plain requests
// without http.Server.
//
// A Parker takes over the connection of a request that has to wait, and keeps its file descriptor in one epoll set. It
// writes the answer directly to the descriptor. Then the connection waits in the same set for its next request.
//
// A new connection waits in that set, too. A complete request that Options.Reads accepts is answered by
// Options.Handler: with two system calls, and without a goroutine or buffers for each connection. For any other
// request the connection goes to http.Server. So keep-alive works as usual, and the client gets the same bytes as
// from http.Server.
//
// Only HTTP/1.1 without TLS, on Linux, can be parked. Park refuses every other connection, and its caller then waits as
// usual.
package parking

import (
	"log"
	"net/http"
	"time"
)

// Options configure a Parker. Timeouts must equal those of the http.Server.
type Options struct {
	// WriteTimeout bounds the time from Park to the end of the answer; zero: no bound.
	WriteTimeout time.Duration
	// IdleTimeout bounds the time from an answer to the first byte of the next request; zero: no bound.
	IdleTimeout time.Duration
	// ReadHeaderTimeout bounds the time from the beginning of a connection to its first byte; zero: no bound.
	ReadHeaderTimeout time.Duration

	// Handler answers the requests that Reads takes; nil: http.Server answers all.
	Handler http.Handler
	// Reads reports whether a plain GET of the path is answered by Handler.
	Reads func(path string) bool
	// ErrorLog logs panics; nil: they are not logged.
	ErrorLog *log.Logger
}
