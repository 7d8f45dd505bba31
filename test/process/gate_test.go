package process_test

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// gate stands between one process and Redis. At the process's so-manieth question about one order or any payment it
// shuts, and nothing more passes: the process can then be killed exactly there.
type gate struct {
	listener net.Listener
	target   string
	at       int  // of the questions that count, from 1
	done     bool // Redis gets the question, and only its reply is held back
	order    string

	mu      sync.Mutex
	asked   int
	shut    chan struct{} // closed once the moment has come
	reached sync.Once
	links   sync.WaitGroup
	open    []net.Conn
}

// newGate opens a gate in front of a Redis.
func newGate(t *testing.T, redisURL, order string, at int, done bool) *gate {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	target := strings.TrimSuffix(strings.TrimPrefix(redisURL, "redis://"), "/0")
	g := &gate{listener: listener, target: target, at: at, done: done, order: order, shut: make(chan struct{})}
	g.links.Go(g.accept)
	t.Cleanup(g.close)
	return g
}

func (g *gate) url() string { return "redis://" + g.listener.Addr().String() + "/0" }

func (g *gate) accept() {
	for {
		client, err := g.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", g.target)
		if err != nil {
			client.Close()
			continue
		}
		g.mu.Lock()
		g.open = append(g.open, client, server)
		g.mu.Unlock()
		l := &link{gate: g, client: client, server: server}
		g.links.Go(l.ask)
		g.links.Go(l.reply)
	}
}

func (g *gate) close() {
	g.listener.Close()
	g.mu.Lock()
	for _, conn := range g.open {
		conn.Close()
	}
	g.mu.Unlock()
	g.links.Wait()
}

// comes reports whether this question is the one, and counts it.
func (g *gate) comes(question string) bool {
	if !strings.Contains(question, ":order:"+g.order+"\r\n") && !strings.Contains(question, ":payment:pi_") {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asked++
	return g.asked == g.at
}

func (g *gate) shutNow() { g.reached.Do(func() { close(g.shut) }) }

func (g *gate) isShut() bool {
	select {
	case <-g.shut:
		return true
	default:
		return false
	}
}

// link is one connection through the gate.
type link struct {
	*gate
	client, server net.Conn
	mu             sync.Mutex
	last           bool // the next reply is the one to be held back
}

func (l *link) ask() {
	defer l.server.Close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := l.client.Read(buffer)
		if err != nil {
			return
		}
		if l.comes(string(buffer[:n])) {
			if !l.done {
				l.shutNow()
			}
			l.mu.Lock()
			l.last = true
			l.mu.Unlock()
		}
		if l.isShut() {
			_, _ = io.Copy(io.Discard, l.client) // until the process is gone
			return
		}
		if _, err := l.server.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func (l *link) reply() {
	defer l.client.Close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := l.server.Read(buffer)
		if err != nil {
			return
		}
		l.mu.Lock()
		if l.last {
			l.shutNow()
		}
		l.mu.Unlock()
		if l.isShut() {
			_, _ = io.Copy(io.Discard, l.server)
			return
		}
		if _, err := l.client.Write(buffer[:n]); err != nil {
			return
		}
	}
}
