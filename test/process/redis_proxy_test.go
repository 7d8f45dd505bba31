package process_test

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// redisProxy forwards the connections of one process to Redis. It counts the requests that concern
// one order or the pointer of any payment, and blocks all connections at the request with a given
// number. The test can then kill the process exactly at this request.
type redisProxy struct {
	listener net.Listener
	target   string // host:port of Redis
	number   int    // of the request that blocks, from 1
	after    bool   // Redis still receives this request; the proxy withholds only the reply
	order    string

	mu      sync.Mutex
	counted int
	blocked chan struct{} // closed when the proxy blocks
	once    sync.Once
	running sync.WaitGroup
	open    []net.Conn
}

// newRedisProxy starts a proxy in front of a Redis. It ends with the test.
func newRedisProxy(t *testing.T, redisURL, order string, number int, after bool) *redisProxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &redisProxy{
		listener: listener, target: strings.TrimSuffix(strings.TrimPrefix(redisURL, "redis://"), "/0"),
		number: number, after: after, order: order, blocked: make(chan struct{}),
	}
	p.running.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

func (p *redisProxy) url() string { return "redis://" + p.listener.Addr().String() + "/0" }

func (p *redisProxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			client.Close()
			continue
		}
		p.mu.Lock()
		p.open = append(p.open, client, server)
		p.mu.Unlock()
		c := &proxyConn{redisProxy: p, client: client, server: server}
		p.running.Go(c.forwardRequests)
		p.running.Go(c.forwardReplies)
	}
}

func (p *redisProxy) close() {
	p.listener.Close()
	p.mu.Lock()
	for _, conn := range p.open {
		conn.Close()
	}
	p.mu.Unlock()
	p.running.Wait()
}

// isLast counts a request, and reports whether it is the one that blocks.
func (p *redisProxy) isLast(request string) bool {
	if !strings.Contains(request, ":order:"+p.order+"\r\n") && !strings.Contains(request, ":pi:pi_") {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counted++
	return p.counted == p.number
}

func (p *redisProxy) block() { p.once.Do(func() { close(p.blocked) }) }

func (p *redisProxy) isBlocked() bool {
	select {
	case <-p.blocked:
		return true
	default:
		return false
	}
}

// proxyConn is one connection through the proxy.
type proxyConn struct {
	*redisProxy
	client, server net.Conn
	mu             sync.Mutex
	withhold       bool // the next reply is that of the last request
}

func (c *proxyConn) forwardRequests() {
	defer c.server.Close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := c.client.Read(buffer)
		if err != nil {
			return
		}
		if c.isLast(string(buffer[:n])) {
			if !c.after {
				c.block()
			}
			c.mu.Lock()
			c.withhold = true
			c.mu.Unlock()
		}
		if c.isBlocked() {
			_, _ = io.Copy(io.Discard, c.client) // until the process ends
			return
		}
		if _, err := c.server.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func (c *proxyConn) forwardReplies() {
	defer c.client.Close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := c.server.Read(buffer)
		if err != nil {
			return
		}
		c.mu.Lock()
		if c.withhold {
			c.block()
		}
		c.mu.Unlock()
		if c.isBlocked() {
			_, _ = io.Copy(io.Discard, c.server)
			return
		}
		if _, err := c.client.Write(buffer[:n]); err != nil {
			return
		}
	}
}
