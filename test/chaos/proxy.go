package main

import (
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// weather is what the bytes of a link meet. Shares are of pieces, 0 to 1; the zero value is a calm day.
type weather struct {
	latency   time.Duration // every piece of a reply takes so long
	lost      float64       // replies that are swallowed; the connection ends with them
	resets    float64       // pieces at which the connection is reset
	halves    float64       // pieces after which this direction ends, while the other goes on
	stalls    float64       // pieces that take a second
	parted    bool          // nothing passes; what was on its way comes when this ends
	unplugged bool          // connections are cut, and new ones too
}

// proxy stands on one link, and passes on what comes, or does not.
type proxy struct {
	listener net.Listener
	seed     uint64
	pumps    sync.WaitGroup

	mu      sync.Mutex
	weather weather
	changed chan struct{} // closed at a change of the weather, and made anew
	targets []string
	turn    int
	links   map[net.Conn]struct{}
	opened  uint64
	closed  bool
}

// newProxy listens on a port of its own. The seed decides which pieces meet a share of the weather.
func newProxy(seed uint64) (*proxy, error) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{listener: listener, seed: seed, changed: make(chan struct{}), links: map[net.Conn]struct{}{}}
	p.pumps.Go(p.accept)
	return p, nil
}

func (p *proxy) address() string { return p.listener.Addr().String() }

// close ends every connection and waits for it.
func (p *proxy) close() {
	p.listener.Close()
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.change(weather{})
	p.cut()
	p.pumps.Wait()
}

// lead sends new connections to these addresses by turns; the first that answers gets it.
func (p *proxy) lead(targets ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.targets = targets
}

// change sets the weather. Connections that were parted go on with it.
func (p *proxy) change(w weather) {
	p.mu.Lock()
	p.weather = w
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
		p.pumps.Go(func() { p.serve(client) })
	}
}

// serve links a client with a target until either ends.
func (p *proxy) serve(client net.Conn) {
	number := p.keep(client)
	defer p.drop(client)
	if p.await().unplugged {
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
	both.Go(func() { p.pump(server, client, rand.New(rand.NewPCG(p.seed, 2*number)), false) })
	both.Go(func() { p.pump(client, server, rand.New(rand.NewPCG(p.seed, 2*number+1)), true) })
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

// await returns the weather once it lets something pass.
func (p *proxy) await() weather {
	for {
		p.mu.Lock()
		w, changed := p.weather, p.changed
		p.mu.Unlock()
		if !w.parted {
			return w
		}
		<-changed
	}
}

// pump carries one direction.
func (p *proxy) pump(to, from net.Conn, dice *rand.Rand, replies bool) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		w := p.await()
		switch {
		case n > 0 && (dice.Float64() < w.resets || replies && dice.Float64() < w.lost):
			reset(to)
			reset(from)
			return
		case n > 0:
			p.hold(w, dice, replies)
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

// hold delays a piece, at most until the weather changes.
func (p *proxy) hold(w weather, dice *rand.Rand, replies bool) {
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
