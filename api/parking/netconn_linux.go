package parking

import (
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"syscall"
	"time"
)

// netConn is a connection that is returned to http.Server. Creating it takes one system call. net.FileConn takes
// fifteen, most of which set options that the socket already has.
type netConn struct {
	file          *os.File // waits in the runtime's poller
	early         []byte   // was read before, and comes first
	local, remote net.Addr
}

func newNetConn(fd int, early []byte, local, remote net.Addr) *netConn {
	return &netConn{os.NewFile(uintptr(fd), ""), early, local, remote}
}

// Read reads what was read before, and then from the socket.
func (c *netConn) Read(p []byte) (int, error) {
	if len(c.early) > 0 {
		n := copy(p, c.early)
		if c.early = c.early[n:]; len(c.early) == 0 {
			c.early = nil
		}
		return n, nil
	}
	n, err := c.file.Read(p)
	return n, c.asNet("read", err)
}

// Write writes to the socket.
func (c *netConn) Write(p []byte) (int, error) {
	n, err := c.file.Write(p)
	return n, c.asNet("write", err)
}

// Close closes the socket.
func (c *netConn) Close() error { return c.asNet("close", c.file.Close()) }

// CloseWrite closes the sending side; reads go on.
func (c *netConn) CloseWrite() error {
	raw, err := c.file.SyscallConn()
	if err != nil {
		return c.asNet("close", err)
	}
	var failed error
	err = raw.Control(func(fd uintptr) { failed = syscall.Shutdown(int(fd), syscall.SHUT_WR) })
	return c.asNet("close", errors.Join(err, failed))
}

// LocalAddr returns our address.
func (c *netConn) LocalAddr() net.Addr { return c.local }

// RemoteAddr returns the client's address.
func (c *netConn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline bounds reads and writes.
func (c *netConn) SetDeadline(t time.Time) error { return c.asNet("set", c.file.SetDeadline(t)) }

// SetReadDeadline bounds reads.
func (c *netConn) SetReadDeadline(t time.Time) error {
	return c.asNet("set", c.file.SetReadDeadline(t))
}

// SetWriteDeadline bounds writes.
func (c *netConn) SetWriteDeadline(t time.Time) error {
	return c.asNet("set", c.file.SetWriteDeadline(t))
}

// SyscallConn gives access to the descriptor.
func (c *netConn) SyscallConn() (syscall.RawConn, error) { return c.file.SyscallConn() }

// asNet turns an error of os into one of net: http.Server distinguishes timeouts and broken connections by their types.
func (c *netConn) asNet(op string, err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		err = path.Err
	}
	if errors.Is(err, os.ErrClosed) {
		err = net.ErrClosed
	}
	return &net.OpError{Op: op, Net: "tcp", Source: c.local, Addr: c.remote, Err: err}
}
