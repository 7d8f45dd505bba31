package parking

import (
	"bytes"
	"errors"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"
)

// state is what a parked connection waits for.
type state uint8

const (
	waiting   state = iota // its answer: the request is parked, or a handler answers it
	answering              // its client, until it can take more of the answer
	idle                   // its next request
	left                   // nothing: it is closed, or belongs to http.Server again
)

// reported are the events that epoll reports: once for each arrival of bytes, since the bytes are left
// unread.
const (
	reported      = syscall.EPOLLIN | syscall.EPOLLRDHUP | edgeTriggered
	edgeTriggered = 1 << 31 // syscall.EPOLLET, which is negative there
)

// connection is a connection in the epoll set. The goroutine that changes its state from waiting or idle owns the
// descriptor.
type connection struct {
	parker        *Parker
	local, remote net.Addr
	from          string // the client's address, for requests that the Parker reads; empty: not needed yet
	fd            int
	serial        int32
	closes        bool      // after the answer
	watched       bool      // by epoll
	conn          net.Conn  // nil unless no descriptor was free
	early         []byte    // of the next request, that came with this one
	writeBy       time.Time // zero: no bound

	mu        sync.Mutex
	state     state
	came      bool   // bytes of the next request have arrived, or the client has closed
	over      bool   // the client has closed, or ended what it sends
	gone      func() // nil: it was called, or must not be called
	idleUntil time.Time
	expires   *time.Timer // runs while timed; nil: it has never been needed
	timed     bool
}

// event handles an event of epoll.
func (c *connection) event(events uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch c.state {
	case waiting:
		c.came = true
		if c.gone == nil {
			return
		}
		broken := events&(syscall.EPOLLERR|syscall.EPOLLHUP) != 0
		switch came := c.look(); {
		case broken || came == theEnd:
			c.over = true
			go c.gone() // it writes and logs an answer: other connections must not wait for that
			c.gone = nil
		case came == bytesCame: // of the next request: http.Server does not watch for the client's end either
			c.gone = nil
		}
	case idle:
		if events&(syscall.EPOLLRDHUP|syscall.EPOLLHUP|syscall.EPOLLERR) != 0 {
			c.over = true // perhaps after a request
		}
		c.next()
	case answering:
		c.came = true
	case left:
	}
}

// buffers hold answers until they are written.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// largestBuffer is the size, in bytes, up to which a buffer is reused.
const largestBuffer = 16 << 10

// answer writes the answer to a request that was parked.
func (c *connection) answer(status int, header http.Header, body []byte) {
	c.parker.sent.Add(1)
	c.respond(status, header, body)
}

// respond writes the answer. If the client does not read it at once, a goroutine writes the rest.
func (c *connection) respond(status int, header http.Header, body []byte) {
	b := buffers.Get().(*bytes.Buffer)
	b.Reset()
	select {
	case <-c.parker.done:
		c.closes = true
	default:
	}
	render(b, status, header, body, c.closes || c.conn != nil, now())
	if !c.send(b.Bytes()) && b.Cap() <= largestBuffer {
		buffers.Put(b)
	}
}

// send writes an answer, and reports whether a goroutine goes on with the text.
func (c *connection) send(text []byte) (goesOn bool) {
	c.mu.Lock()
	c.state, c.gone = answering, nil
	c.mu.Unlock()
	if c.conn != nil {
		go c.finish(c.conn, text)
		return true
	}
	n, err := c.write(text)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case errors.Is(err, syscall.EAGAIN):
		c.leave()
		go c.finish(newNetConn(c.fd, c.early, c.local, c.remote), text[n:])
		return true
	case err != nil || c.closes:
		c.close()
	default:
		c.await()
	}
	c.parker.countAnswer()
	return false
}

// finish writes to a client that is slow.
func (c *connection) finish(to net.Conn, rest []byte) {
	defer c.parker.countAnswer()
	_ = to.SetWriteDeadline(c.writeBy) // a closed one fails at the next line
	if _, err := to.Write(rest); err != nil || c.closes || c.conn != nil {
		_ = to.Close() // its error has no consequence
		return
	}
	_ = to.SetWriteDeadline(time.Time{}) // as above
	c.parker.serve(to)
}

// next handles what has arrived on an idle connection. The caller holds the lock.
func (c *connection) next() {
	if c.parker.Handler != nil {
		c.read()
		return
	}
	switch c.look() {
	case nothing:
	case bytesCame:
		c.giveBack()
	case theEnd:
		c.close()
	}
}

// await waits for the next request. The caller holds the lock.
func (c *connection) await() {
	switch {
	case len(c.early) > 0 || !c.watched:
		c.giveBack()
		return
	case !c.parker.listening():
		c.close()
		return
	}
	c.rest(c.parker.IdleTimeout)
	if c.came {
		c.came = false
		c.next()
	}
}

// rest makes the connection idle for at most a time; zero: without a bound. The caller holds the
// lock.
func (c *connection) rest(bound time.Duration) {
	c.state = idle
	if bound == 0 {
		return
	}
	c.idleUntil = now().Add(bound)
	switch {
	case c.timed: // it looks at idleUntil when it is over
	case c.expires == nil:
		c.expires = time.AfterFunc(bound, c.expire)
	default:
		c.expires.Reset(bound)
	}
	c.timed = true
}

// expire closes the connection if it has been idle for its time.
func (c *connection) expire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timed = false
	if c.state != idle {
		return
	}
	if left := c.idleUntil.Sub(now()); left > 0 {
		c.timed = true
		c.expires.Reset(left)
		return
	}
	c.close()
}

// closeIdle closes the connection unless a request has begun on it.
func (c *connection) closeIdle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == idle {
		c.close()
	}
}

// leave removes the descriptor from epoll. The caller holds the lock.
func (c *connection) leave() {
	c.state = left
	if c.expires != nil {
		c.expires.Stop()
	}
	if c.watched {
		_ = c.control(syscall.EPOLL_CTL_DEL, 0) // it is there
	}
	c.parker.remove(c)
}

// close closes the connection. The caller holds the lock.
func (c *connection) close() {
	c.leave()
	_ = syscall.Close(c.fd) // its error has no consequence
}

// giveBack returns the connection to http.Server for the next request. The caller holds the lock.
func (c *connection) giveBack() {
	c.leave()
	go c.parker.serve(newNetConn(c.fd, c.early, c.local, c.remote))
}

// serve passes a connection to the listener, or closes it if the listener has ended.
func (p *Parker) serve(c net.Conn) {
	select {
	case p.back <- c:
	case <-p.done:
		_ = c.Close() // http.Server serves nothing any more
	}
}
