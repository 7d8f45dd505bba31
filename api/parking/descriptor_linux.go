package parking

import (
	"errors"
	"net"
	"syscall"
)

// detach removes a connection's descriptor from the runtime's poller, which needs memory for each
// descriptor.
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

// arrival is the state of the socket's input.
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

// write writes as much as the socket accepts; EAGAIN means that it did not accept everything.
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
