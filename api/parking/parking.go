// Package parking holds HTTP requests open without a goroutine and without buffers.
//
// A Parker takes over the connection of a request that has to wait, and keeps its file descriptor in one epoll set.
// The answer is written straight to the descriptor. The connection then waits in the same set for its next request,
// and goes back to http.Server with the first byte of it. So keep-alive goes on, and the client sees the same bytes as
// from http.Server.
//
// Only HTTP/1.1 without TLS, on Linux, can be parked. Park refuses everything else, and the caller waits as usual.
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
