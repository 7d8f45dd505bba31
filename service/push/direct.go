package push

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/textproto"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	idleLook = 15 * time.Second // between two looks for connections that the endpoint has closed
	most1xx  = 5                // informational responses before one response
)

// directClient posts over HTTP/1.1 connections of its own. The goroutine that makes a delivery writes the request and
// reads the response itself. net/http's Transport has two more goroutines for each connection, and hands the request
// and the response over between them: a delivery takes twice the processor time.
type directClient struct {
	head    []byte // the beginning of every request
	address string // host and port
	dialer  *net.Dialer
	tls     *tls.Config // nil: without TLS

	mu     sync.Mutex
	idle   []*directConn // the last one was used last
	closed bool
	look   *time.Timer // calls closeIdle while there are idle connections; nil: there were none yet
}

// directConn is one connection. One goroutine uses it at a time.
type directConn struct {
	net.Conn
	raw    syscall.RawConn // of the socket below TLS
	reader *bufio.Reader
	limit  limitedReader
	since  time.Time // it is idle
}

// limitedReader ends a response that is too long.
type limitedReader struct {
	net.Conn
	left int // bytes
}

var errTooLong = errors.New("the response is too long")

// Read reads at most what is left.
func (l *limitedReader) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, errTooLong
	}
	n, err := l.Conn.Read(p[:min(len(p), l.left)])
	l.left -= n
	return n, err
}

// newDirectClient returns a client for the endpoint of the request.
func newDirectClient(r *http.Request, dialer *net.Dialer) (*directClient, error) {
	head, err := newHead(r)
	if err != nil {
		return nil, err
	}
	d := &directClient{head: head, dialer: dialer}
	host, port := r.URL.Hostname(), r.URL.Port()
	if _, err := netip.ParseAddr(host); err != nil { // a name may have letters that net/http has encoded
		_, rest, _ := strings.Cut(string(head), "\r\nHost: ")
		host, _, _ = strings.Cut(rest, "\r\n")
		host = strings.TrimSuffix(host, ":"+port)
	}
	switch {
	case port != "":
	case r.URL.Scheme == "https":
		port = "443"
	default:
		port = "80"
	}
	d.address = net.JoinHostPort(host, port)
	if r.URL.Scheme == "https" {
		d.tls = &tls.Config{ServerName: host, NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS12}
	}
	return d, nil
}

// post sends a message and reads the response, until the deadline.
func (d *directClient) post(ctx context.Context, m message, deadline time.Time) (answer, error) {
	c, err := d.connection(ctx, deadline)
	if err != nil {
		return answer{}, err
	}
	a, again, err := c.exchange(ctx, d.head, m)
	if again {
		d.keep(c)
	} else {
		_ = c.Close()
	}
	return a, err
}

// connection returns an idle connection or a new one.
func (d *directClient) connection(ctx context.Context, deadline time.Time) (*directConn, error) {
	for c := d.takeIdle(); c != nil; c = d.takeIdle() {
		if !c.lost() && c.SetDeadline(deadline) == nil {
			return c, nil
		}
		_ = c.Close()
	}
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	socket, err := d.dialer.DialContext(ctx, "tcp", d.address)
	if err != nil {
		return nil, err
	}
	c := &directConn{Conn: socket}
	if s, ok := socket.(syscall.Conn); ok {
		c.raw, _ = s.SyscallConn()
	}
	if d.tls != nil {
		secure := tls.Client(socket, d.tls)
		if err := secure.HandshakeContext(ctx); err != nil {
			_ = socket.Close()
			return nil, err
		}
		c.Conn = secure
	}
	c.limit.Conn = c.Conn
	c.reader = bufio.NewReader(&c.limit)
	return c, c.SetDeadline(deadline)
}

func (d *directClient) takeIdle() *directConn {
	d.mu.Lock()
	defer d.mu.Unlock()
	last := len(d.idle) - 1
	if last < 0 {
		return nil
	}
	c := d.idle[last]
	d.idle[last], d.idle = nil, d.idle[:last]
	return c
}

// keep makes a connection idle.
func (d *directClient) keep(c *directConn) {
	c.since = time.Now() //nolint:forbidigo // it measures how long the connection is idle
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed || len(d.idle) >= connections {
		_ = c.Close()
		return
	}
	d.idle = append(d.idle, c)
	switch {
	case d.look == nil:
		d.look = time.AfterFunc(idleLook, d.closeIdle)
	case len(d.idle) == 1:
		d.look.Reset(idleLook)
	}
}

// closeIdle closes connections that are idle for too long, and those that the endpoint has closed.
func (d *directClient) closeIdle() {
	d.mu.Lock()
	defer d.mu.Unlock()
	kept := d.idle[:0]
	for _, c := range d.idle {
		//nolint:forbidigo // as above
		if d.closed || time.Since(c.since) > keepIdle || c.lost() {
			_ = c.Close()
		} else {
			kept = append(kept, c)
		}
	}
	clear(d.idle[len(kept):])
	if d.idle = kept; len(kept) > 0 {
		d.look.Reset(idleLook)
	}
}

// close closes the idle connections. Those in use are closed after their response.
func (d *directClient) close() {
	d.mu.Lock()
	d.closed = true
	if d.look != nil {
		d.look.Stop()
	}
	d.mu.Unlock()
	d.closeIdle()
}

// requests are buffers for requests.
var requests = sync.Pool{New: func() any { return new([]byte) }}

// longAgo is a deadline that has passed.
var longAgo = time.Unix(1, 0)

// exchange sends a message and reads the response. It reports whether the connection can be used again.
func (c *directConn) exchange(ctx context.Context, head []byte, m message) (a answer, again bool, err error) {
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(longAgo) })
	defer func() { again = stop() && again }()
	buffer := requests.Get().(*[]byte) //nolint:forcetypeassert // New returns it
	defer requests.Put(buffer)
	*buffer = m.appendTo(append((*buffer)[:0], head...))
	if _, err := c.Write(*buffer); err != nil {
		return a, false, err
	}
	response, err := c.readHeader()
	if err != nil {
		return a, false, err
	}
	a = answer{status: response.StatusCode, major: 1, retryAfter: response.Header.Get("Retry-After")}
	if response.StatusCode == http.StatusSwitchingProtocols || response.Close && response.Body == http.NoBody {
		return a, false, nil
	}
	c.limit.left = maxAnswer
	n, err := io.Copy(io.Discard, io.LimitReader(response.Body, maxAnswer))
	_ = response.Body.Close() // it closes nothing
	return a, err == nil && n < maxAnswer && !response.Close && c.reader.Buffered() == 0, nil
}

// posted is the request that responses belong to.
var posted = &http.Request{Method: http.MethodPost}

// readHeader reads responses up to the first that is not informational.
func (c *directConn) readHeader() (*http.Response, error) {
	c.limit.left = answerHeader
	for range most1xx + 1 {
		response, err := http.ReadResponse(c.reader, posted)
		if err != nil {
			return nil, err
		}
		if s := response.StatusCode; s >= 200 || s == http.StatusSwitchingProtocols {
			return response, nil
		}
	}
	return nil, textproto.ProtocolError("sent too many informational responses")
}
