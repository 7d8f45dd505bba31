package parking

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Parker parks the connections of one listener. Its methods may be called from many goroutines.
type Parker struct {
	Options
	back    chan net.Conn  // connections whose next request has begun
	done    chan struct{}  // closed with the listener
	sent    atomic.Uint64  // answers to parked requests so far
	work    chan *exchange // for idle workers
	workers atomic.Int64   // that are there

	mu     sync.Mutex
	epoll  *os.File // nil: not listening, or closed and empty
	poller int      // its descriptor
	parked map[int32]*connection
	serial int32         // of the last connection: descriptors are used again
	busy   int           // connections with a request that is not answered yet
	rest   chan struct{} // closed when busy becomes zero; nil: no caller waits
	closed bool
}

// New returns a Parker that parks nothing until it listens.
func New(o Options) *Parker {
	return &Parker{
		Options: o, back: make(chan net.Conn), done: make(chan struct{}), work: make(chan *exchange),
		parked: map[int32]*connection{},
	}
}

// Listen wraps the listener that the http.Server accepts from. A Parker listens once.
func (p *Parker) Listen(inner net.Listener) (net.Listener, error) {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := syscall.SetNonblock(fd, true); err != nil { // the runtime's poller accepts only non-blocking descriptors
		_ = syscall.Close(fd) // nothing is in it
		return nil, os.NewSyscallError("fcntl", err)
	}
	p.mu.Lock()
	p.epoll, p.poller = os.NewFile(uintptr(fd), "epoll"), fd
	p.mu.Unlock()
	go p.poll(p.epoll)
	return &listener{Listener: inner, parker: p, fresh: make(chan accepted)}, nil
}

// Park takes over the connection of a request without a body, and reports whether it did. The request must
// then be answered once, by answer, which never blocks. The header must be the handler's own. gone is called
// at most once, possibly after the answer: the client has closed the connection or its sending side, and must
// be answered at once.
func (p *Parker) Park(
	w http.ResponseWriter, r *http.Request, gone func(),
) (answer func(status int, header http.Header, body []byte), ok bool) {
	if r.ProtoMajor != 1 || r.ProtoMinor != 1 || r.TLS != nil || r.Body != http.NoBody || !p.listening() {
		return nil, false
	}
	if x, ok := w.(*exchange); ok {
		return x.park(gone), true
	}
	hijacked, buffers, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, false
	}
	c := &connection{
		parker: p, closes: r.Close, gone: gone, local: hijacked.LocalAddr(), remote: hijacked.RemoteAddr(),
		watched: true,
	}
	if p.WriteTimeout > 0 {
		c.writeBy = now().Add(p.WriteTimeout)
	}
	if n := buffers.Reader.Buffered(); n > 0 {
		begun, _ := buffers.Peek(n) // they are there
		c.early = append([]byte(nil), begun...)
	}
	if c.fd, err = detach(hijacked); err != nil {
		c.fd, c.conn = -1, hijacked // no descriptor is free: it stays as it is, without the watch for its end
	}
	p.begin()
	p.add(c)
	return c.answer, true
}

// admit takes a new connection into the set, and reports whether it did.
func (p *Parker) admit(conn net.Conn) bool {
	if p.Handler == nil || !p.listening() {
		return false
	}
	c := &connection{
		parker: p, state: idle, local: conn.LocalAddr(), remote: conn.RemoteAddr(), watched: true,
	}
	var err error
	if c.fd, err = detach(conn); err != nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rest(p.ReadHeaderTimeout)
	p.add(c)
	switch {
	case !c.watched:
		c.giveBack()
	case !p.listening(): // it was closed meanwhile
		c.close()
	}
	return true
}

func (p *Parker) listening() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.epoll != nil && !p.closed
}

// begin counts a request that is to be answered.
func (p *Parker) begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy++
}

// add begins to watch a connection.
func (p *Parker) add(c *connection) {
	if c.conn != nil {
		c.watched = false
		return
	}
	p.mu.Lock()
	open := p.epoll != nil
	if open {
		p.serial++
		c.serial = p.serial
		p.parked[int32(c.fd)] = c //nolint:gosec // a descriptor is an int32 for the kernel
	}
	p.mu.Unlock()
	if !open || c.control(syscall.EPOLL_CTL_ADD, reported) != nil {
		c.watched = false
	}
}

// remove ends the watch of a connection. The descriptor must be closed, or taken out of the epoll set, after it.
func (p *Parker) remove(c *connection) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.serial > 0 {
		delete(p.parked, int32(c.fd)) //nolint:gosec // as above
	}
	p.end()
}

// end closes the epoll set once the listener is closed and nothing is parked.
func (p *Parker) end() {
	if p.closed && len(p.parked) == 0 && p.epoll != nil {
		_ = p.epoll.Close() // nothing is in it
		p.epoll = nil
	}
}

// countAnswer counts a response that was fully written, or that cannot be written.
func (p *Parker) countAnswer() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.busy--; p.busy == 0 && p.rest != nil {
		close(p.rest)
		p.rest = nil
	}
}

// Drain waits until every parked request has been answered. It returns the context's error if that ends
// before.
func (p *Parker) Drain(ctx context.Context) error {
	p.mu.Lock()
	if p.busy == 0 {
		p.mu.Unlock()
		return nil
	}
	if p.rest == nil {
		p.rest = make(chan struct{})
	}
	rest := p.rest
	p.mu.Unlock()
	select {
	case <-rest:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// close closes the connections that wait for a next request. Those that wait for an answer still get it.
func (p *Parker) close() {
	p.mu.Lock()
	p.closed = true
	close(p.done)
	all := make([]*connection, 0, len(p.parked))
	for _, c := range p.parked {
		all = append(all, c)
	}
	p.end()
	p.mu.Unlock()
	for _, c := range all {
		c.closeIdle()
	}
}

// poll hands events on until the epoll set is closed. Its goroutine waits in the runtime's poller, as for a socket, and
// holds no thread.
func (p *Parker) poll(epoll *os.File) {
	raw, err := epoll.SyscallConn()
	if err != nil {
		return // it is closed
	}
	events := make([]syscall.EpollEvent, 256)
	var paused time.Time
	for sent := uint64(0); ; sent = p.sent.Load() {
		n := 0
		err := raw.Read(func(fd uintptr) bool {
			for {
				var failed error
				if n, failed = syscall.EpollWait(int(fd), events, 0); !errors.Is(failed, syscall.EINTR) {
					return n > 0
				}
			}
		})
		if err != nil {
			return
		}
		paused = p.backOff(sent, paused)
		for _, e := range events[:n] {
			if c := p.find(e.Fd, e.Pad); c != nil {
				c.event(e.Events)
			}
		}
	}
}

// When one change answers thousands of requests, their next requests arrive at once. Handling these before
// the last response is sent would use up the processors.
const (
	burst       = 64 // answers since the last events
	burstGoesOn = 8  // responses since the last check
	burstLook   = time.Millisecond
	burstLooks  = 100
	burstPause  = time.Second // until next requests may be delayed again: a steady flow of responses is no burst
)

// backOff waits until a burst of responses is over, for a tenth of a second at most. sent is the count of
// responses at the last events, and pausedUntil the time after which it may wait again.
func (p *Parker) backOff(sent uint64, pausedUntil time.Time) time.Time {
	if p.sent.Load()-sent < burst || now().Before(pausedUntil) {
		return pausedUntil
	}
	for range burstLooks {
		before := p.sent.Load()
		time.Sleep(burstLook)
		if p.sent.Load()-before < burstGoesOn {
			break
		}
	}
	return now().Add(burstPause)
}

// find returns the connection of an event; nil if it has been removed.
func (p *Parker) find(fd, serial int32) *connection {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c := p.parked[fd]; c != nil && c.serial == serial {
		return c
	}
	return nil
}

// now is the clock of deadlines and of the Date header.
func now() time.Time {
	return time.Now() //nolint:forbidigo // net/http, whose part it plays, asks the same clock
}
