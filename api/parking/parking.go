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
	// WriteTimeout bounds the time from the taking over to the end of the answer; zero: no bound. It is to be that of
	// the http.Server.
	WriteTimeout time.Duration
	// IdleTimeout bounds the time from an answer to the first byte of the next request; zero: no bound. It is to be
	// that of the http.Server.
	IdleTimeout time.Duration
}
