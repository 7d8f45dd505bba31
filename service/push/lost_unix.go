//go:build unix

package push

import "syscall"

// lost reports whether an idle connection is unusable: the endpoint has closed it, or has sent unexpected
// data.
func (c *directConn) lost() bool {
	if c.raw == nil {
		return true
	}
	quiet := false
	err := c.raw.Control(func(fd uintptr) {
		var first [1]byte
		_, _, err := syscall.Recvfrom(int(fd), first[:], syscall.MSG_PEEK)
		quiet = err == syscall.EAGAIN || err == syscall.EINTR
	})
	return err != nil || !quiet
}
