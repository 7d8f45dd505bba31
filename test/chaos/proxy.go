package main

import (
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// linkFaults are the faults of a link. A share is the fraction of the forwarded pieces, 0 to 1. The zero value is a
// healthy link.
type linkFaults struct {
	latency   time.Duration // delay of every piece of a reply
	lost      float64       // share of replies that are dropped, with their connection
	resets    float64       // share of pieces at which the connection is reset
	halves    float64       // share of pieces after which this direction ends while the other continues
	stalls    float64       // share of pieces that are delayed by a second
	paused    bool          // no bytes are forwarded until the fault ends
	unplugged bool          // connections are reset, and new ones too
}

// proxy forwards the connections of one link and injects its faults.
type proxy struct {
	listener   net.Listener
	seed       uint64
	goroutines sync.WaitGroup

	mu      sync.Mutex
	faults  linkFaults
	changed chan struct{} // closed and replaced when the faults change
	targets []string
	turn    int
	links   map[net.Conn]struct{}
	opened  uint64
	closed  bool
}

// newProxy listens on a free port. The seed decides which pieces get a fault.
func newProxy(seed uint64) (*proxy, error) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{listener: listener, seed: seed, changed: make(chan struct{}), links: map[net.Conn]struct{}{}}
	p.goroutines.Go(p.accept)
	return p, nil
}

func (p *proxy) address() string { return p.listener.Addr().String() }

// close ends every connection and waits for it.
func (p *proxy) close() {
	p.listener.Close()
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.setFaults(linkFaults{})
	p.cut()
	p.goroutines.Wait()
}

// setTargets sends new connections to these addresses in turns. The first one that accepts is used.
func (p *proxy) setTargets(targets ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.targets = targets
}

// setFaults replaces the faults. Open connections get the new ones.
func (p *proxy) setFaults(w linkFaults) {
	p.mu.Lock()
	p.faults = w
	close(p.changed)
	p.changed = make(chan struct{})
	p.mu.Unlock()
	if w.unplugged {
		p.cut()
	}
}

// cut resets every connection.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.links {
		reset(conn)
	}
}

func reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	conn.Close()
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.goroutines.Go(func() { p.serve(client) })
	}
}

// serve connects a client with a target until either side ends.
func (p *proxy) serve(client net.Conn) {
	number := p.keep(client)
	defer p.drop(client)
	if p.waitPassable().unplugged {
		reset(client)
		return
	}
	server := p.dial()
	if server == nil {
		reset(client)
		return
	}
	p.keep(server)
	defer p.drop(server)
	var both sync.WaitGroup
	both.Go(func() { p.forward(server, client, rand.New(rand.NewPCG(p.seed, 2*number)), false) })
	both.Go(func() { p.forward(client, server, rand.New(rand.NewPCG(p.seed, 2*number+1)), true) })
	both.Wait()
}

func (p *proxy) keep(conn net.Conn) uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.links[conn] = struct{}{}
	p.opened++
	if p.closed {
		conn.Close()
	}
	return p.opened
}

func (p *proxy) drop(conn net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.links, conn)
	conn.Close()
}

func (p *proxy) dial() net.Conn {
	p.mu.Lock()
	targets, first := p.targets, p.turn
	p.turn++
	p.mu.Unlock()
	for i := range targets {
		if conn, err := net.DialTimeout("tcp4", targets[(first+i)%len(targets)], time.Second); err == nil {
			return conn
		}
	}
	return nil
}

// waitPassable waits until the link is not paused, and returns its faults.
func (p *proxy) waitPassable() linkFaults {
	for {
		p.mu.Lock()
		w, changed := p.faults, p.changed
		p.mu.Unlock()
		if !w.paused {
			return w
		}
		<-changed
	}
}

// forward copies one direction.
func (p *proxy) forward(to, from net.Conn, dice *rand.Rand, replies bool) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		w := p.waitPassable()
		switch {
		case n > 0 && (dice.Float64() < w.resets || replies && dice.Float64() < w.lost):
			reset(to)
			reset(from)
			return
		case n > 0:
			p.delay(w, dice, replies)
			if _, failed := to.Write(buffer[:n]); failed != nil {
				from.Close()
				return
			}
		}
		if err != nil || dice.Float64() < w.halves {
			if tcp, ok := to.(*net.TCPConn); ok {
				_ = tcp.CloseWrite()
			}
			return
		}
	}
}

// delay delays a piece, at most until the faults change.
func (p *proxy) delay(w linkFaults, dice *rand.Rand, replies bool) {
	delay := time.Duration(0)
	if replies {
		delay = w.latency
	}
	if dice.Float64() < w.stalls {
		delay += time.Second
	}
	if delay == 0 {
		return
	}
	p.mu.Lock()
	changed := p.changed
	p.mu.Unlock()
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-changed:
	}
}
