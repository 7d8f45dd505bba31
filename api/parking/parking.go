// Package parking lets HTTP requests wait without a goroutine and without buffers.
//
// A Parker takes over the connection of a request that has to wait, and keeps its file descriptor in one epoll set. It
// writes the answer directly to the descriptor. Then the connection waits in the same set for its next request, and
// returns to http.Server with the first byte of it. So keep-alive works as usual, and the client gets the same bytes as
// from http.Server.
//
// Only HTTP/1.1 without TLS, on Linux, can be parked. Park refuses every other connection, and its caller then waits as
// usual.
package parking

import "time"

// Options configure a Parker.
type Options struct {
	// WriteTimeout limits the time from the takeover to the end of the response; zero: no limit. It must
	// equal the http.Server's.
	WriteTimeout time.Duration
	// IdleTimeout limits the time from a response to the first byte of the next request; zero: no limit. It
	// must equal the http.Server's.
	IdleTimeout time.Duration
}
