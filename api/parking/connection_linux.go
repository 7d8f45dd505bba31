package parking

import (
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
	waiting   state = iota // its answer
	answering              // client of the answer
	idle                   // its next request
	left                   // nothing: it is closed, or http.Server's again
)

// reported are the events that epoll reports: once for each arrival of bytes, since the bytes are left
// unread.
const (
	reported      = syscall.EPOLLIN | syscall.EPOLLRDHUP | edgeTriggered
	edgeTriggered = 1 << 31 // syscall.EPOLLET, which is negative there
)

// connection is one that is parked. The one that changes the state from waiting or idle owns the descriptor.
type connection struct {
	parker        *Parker
	local, remote net.Addr
	fd            int
	serial        int32
	closes        bool      // after the answer
	watched       bool      // by epoll
	conn          net.Conn  // nil unless no descriptor was free
	early         []byte    // of the next request, that came with this one
	writeBy       time.Time // zero: no bound

	mu      sync.Mutex
	state   state
	came    bool   // bytes of the next request have come, or the end
	gone    func() // nil: it was called, or is not to be
	expires *time.Timer
}

// detach removes a connection's descriptor from the runtime's poller, which keeps some state for each.
func detach(c net.Conn) (int, error) {
	socket, ok := c.(syscall.Conn)
	if !ok {
		return -1, errors.ErrUnsupported
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return -1, err
	}
	fd, failed := -1, syscall.Errno(0)
	err = raw.Control(func(old uintptr) {
		var copied uintptr
		copied, _, failed = syscall.Syscall(syscall.SYS_FCNTL, old, syscall.F_DUPFD_CLOEXEC, 0)
		fd = int(copied)
	})
	switch {
	case err != nil:
		return -1, err
	case failed != 0:
		return -1, failed
	}
	_ = c.Close() // the socket lives on in the copy
	return fd, nil
}

// control changes what epoll reports.
func (c *connection) control(op int, events uint32) error {
	e := syscall.EpollEvent{Events: events, Fd: int32(c.fd), Pad: c.serial} //nolint:gosec // as above
	return syscall.EpollCtl(c.parker.poller, op, c.fd, &e)
}

// arrival is what the socket has to read.
type arrival uint8

const (
	nothing arrival = iota
	bytesCame
	theEnd // the client has closed, or ended what it sends, or the connection is broken
)

// look peeks at the readable bytes without consuming them. The caller holds the lock.
func (c *connection) look() arrival {
	for {
		n, _, err := syscall.Recvfrom(c.fd, make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		switch {
		case errors.Is(err, syscall.EINTR):
		case errors.Is(err, syscall.EAGAIN):
			return nothing
		case err != nil || n == 0:
			return theEnd
		default:
			return bytesCame
		}
	}
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
			go c.gone() // it sends and logs the response, for which other connections must not wait
			c.gone = nil
		case came == bytesCame: // of the next request: http.Server does not look on either
			c.gone = nil
		}
	case idle:
		c.next()
	case answering, left:
	}
}

// answer sends the response. If the client does not read at once, a goroutine continues.
func (c *connection) answer(status int, header http.Header, body []byte) {
	text := render(status, header, body, c.closes || c.conn != nil, now())
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state, c.gone = answering, nil
	c.parker.sent.Add(1)
	if c.conn != nil {
		go c.finish(c.conn, text)
		return
	}
	n, err := c.write(text)
	switch {
	case errors.Is(err, syscall.EAGAIN):
		c.leave()
		go c.finish(newConn(c.fd, c.early, c.local, c.remote), text[n:])
		return
	case err != nil || c.closes:
		c.close()
	default:
		c.await()
	}
	c.parker.answered()
}

// write writes as much as the socket accepts; EAGAIN means that a rest remains.
func (c *connection) write(text []byte) (n int, err error) {
	for n < len(text) {
		m, err := syscall.Write(c.fd, text[n:])
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return n, err
		default:
			n += m
		}
	}
	return n, nil
}

// finish writes to a client that is slow.
func (c *connection) finish(to net.Conn, rest []byte) {
	defer c.parker.answered()
	_ = to.SetWriteDeadline(c.writeBy) // a closed one fails at the next line
	if _, err := to.Write(rest); err != nil || c.closes || c.conn != nil {
		_ = to.Close() // nothing more comes of it
		return
	}
	_ = to.SetWriteDeadline(time.Time{}) // as above
	c.parker.serve(to)
}

// next handles what has arrived on an idle connection. The caller holds the lock.
func (c *connection) next() {
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
	c.state = idle
	if c.parker.IdleTimeout > 0 {
		c.expires = time.AfterFunc(c.parker.IdleTimeout, c.closeIdle)
	}
	if c.came {
		c.next()
	}
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
	_ = syscall.Close(c.fd) // nothing more comes of it
}

// giveBack returns the connection to http.Server for the next request. The caller holds the lock.
func (c *connection) giveBack() {
	c.leave()
	go c.parker.serve(newConn(c.fd, c.early, c.local, c.remote))
}

// serve hands a connection to the listener. One that comes after its end is closed.
func (p *Parker) serve(c net.Conn) {
	select {
	case p.back <- c:
	case <-p.done:
		_ = c.Close() // http.Server serves nothing any more
	}
}
