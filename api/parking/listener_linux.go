package parking

import (
	"errors"
	"net"
	"sync"
)

// listener accepts new connections, and parked ones whose next request has begun.
type listener struct {
	net.Listener
	parker *Parker
	start  sync.Once
	stop   sync.Once
	fresh  chan accepted
}

// accepted is the result of the wrapped listener's Accept.
type accepted struct {
	conn net.Conn
	err  error
}

// Accept waits for a connection.
func (l *listener) Accept() (net.Conn, error) {
	l.start.Do(func() { go l.accept() })
	select {
	case c := <-l.parker.back:
		return c, nil
	case a := <-l.fresh:
		return a.conn, a.err
	case <-l.parker.done:
		return nil, net.ErrClosed
	}
}

// accept adds accepted connections to the epoll set, or passes them on, until the listener is
// closed.
func (l *listener) accept() {
	for {
		c, err := l.Listener.Accept()
		if err == nil && l.parker.admit(c) {
			continue
		}
		select {
		case l.fresh <- accepted{c, err}:
		case <-l.parker.done:
			if err == nil {
				_ = c.Close() // nothing was read of it
			}
			return
		}
		if errors.Is(err, net.ErrClosed) {
			return
		}
	}
}

// Close stops accepting, and closes idle connections.
func (l *listener) Close() error {
	err := l.Listener.Close()
	l.stop.Do(l.parker.close)
	return err
}
