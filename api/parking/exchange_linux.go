package parking

import (
	"context"
	"errors"
	"net/http"
	"runtime/debug"
	"sync"
	"syscall"
)

// exchange is a request that the Parker has read, and the http.ResponseWriter of its response.
type exchange struct {
	c      *connection
	r      *http.Request
	end    context.CancelFunc // of the request's context
	header http.Header
	status int // zero: not set yet
	body   []byte
	parked bool
}

// Header returns the header of the answer.
func (x *exchange) Header() http.Header { return x.header }

// WriteHeader sets the status of the answer.
func (x *exchange) WriteHeader(status int) {
	if x.status == 0 && status >= http.StatusOK { // no handler of ours sends informational responses
		x.status = status
	}
}

// Write adds to the body of the answer.
func (x *exchange) Write(text []byte) (int, error) {
	x.WriteHeader(http.StatusOK)
	x.body = append(x.body, text...)
	return len(text), nil
}

// requestBuffers are the buffers that requests are read into.
var requestBuffers = sync.Pool{New: func() any { return new([largestRequest + 1]byte) }}

// read reads the bytes that have arrived on an idle connection. It dispatches the request, or returns the connection to
// http.Server. The caller holds the lock.
func (c *connection) read() {
	buffer := requestBuffers.Get().(*[largestRequest + 1]byte)
	defer requestBuffers.Put(buffer)
	n, err := syscall.Read(c.fd, buffer[:])
	for errors.Is(err, syscall.EINTR) {
		n, err = syscall.Read(c.fd, buffer[:])
	}
	switch {
	case errors.Is(err, syscall.EAGAIN):
		if c.over {
			c.close()
		}
		return
	case err != nil || n == 0:
		c.close()
		return
	}
	var r *http.Request
	if n <= largestRequest {
		r = parseRequest(string(buffer[:n]), c.parker.Reads)
	}
	if r == nil {
		c.early = append([]byte(nil), buffer[:n]...)
		c.giveBack()
		return
	}
	c.serve(r)
}

// serve passes a request to a worker. The caller holds the lock.
func (c *connection) serve(r *http.Request) {
	if c.from == "" {
		c.from = c.remote.String()
	}
	r.RemoteAddr = c.from
	ctx, end := context.WithCancel(context.Background())
	x := &exchange{c: c, r: r.WithContext(ctx), end: end, header: make(http.Header, 12)}
	c.state, c.gone, c.came = waiting, end, c.over
	if c.parker.WriteTimeout > 0 {
		c.writeBy = now().Add(c.parker.WriteTimeout)
	}
	c.parker.begin()
	c.parker.dispatch(x)
}

// dispatch passes an exchange to an idle worker, or to a new one.
func (p *Parker) dispatch(x *exchange) {
	select {
	case p.work <- x:
	default:
		go p.worker(x)
	}
}

// worker answers requests until the listener is closed. Its stack has already grown to the needed
// size.
func (p *Parker) worker(x *exchange) {
	if p.workers.Add(1) > mostWorkers {
		defer p.workers.Add(-1)
		x.answer()
		return
	}
	defer p.workers.Add(-1)
	for {
		x.answer()
		select {
		case x = <-p.work:
		case <-p.done:
			return
		}
	}
}

// mostWorkers is how many goroutines stay for the next requests, with some 10 KB each.
const mostWorkers = 64

// answer answers the request, unless its handler parks it.
func (x *exchange) answer() {
	defer x.end()
	if !x.handle() {
		x.c.abort()
		return
	}
	if !x.parked {
		x.WriteHeader(http.StatusOK)
		x.c.respond(x.status, x.header, x.body)
	}
}

// handle calls the handler. It returns false if the handler panics: like http.Server, the caller then closes the
// connection.
func (x *exchange) handle() (answered bool) {
	defer func() {
		value := recover()
		if log := x.c.parker.ErrorLog; value != nil && log != nil &&
			value != http.ErrAbortHandler { //nolint:errorlint // net/http compares it so
			log.Printf("http: panic serving %s: %v\n%s", x.c.from, value, debug.Stack())
		}
	}()
	x.c.parker.Handler.ServeHTTP(x, x.r)
	return true
}

// abort closes the connection without an answer.
func (c *connection) abort() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.close()
	c.parker.countAnswer()
}

// park keeps the connection until the request is answered.
func (x *exchange) park(gone func()) (answer func(status int, header http.Header, body []byte)) {
	x.parked = true
	c := x.c
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.over:
		go gone() // it may have been before the handler began
		c.gone = nil
	case !c.came: // http.Server does not watch for the client's end either once bytes have arrived
		c.gone = gone
	default:
		c.gone = nil
	}
	return c.answer
}
