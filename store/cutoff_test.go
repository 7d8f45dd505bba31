package store_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kasse/service/payment"
	"kasse/store"
	"kasse/store/storetest"
)

// blackhole is a proxy of a server that can discard all bytes in both directions. The connections stay open
// meanwhile, and new ones are accepted.
type blackhole struct {
	server string
	closed atomic.Bool // bytes are discarded
	mu     sync.Mutex
	open   []net.Conn
}

// newBlackhole returns a proxy of the server, and the URL that leads through it. It ends with the test.
func newBlackhole(t *testing.T, server *storetest.Server) (*blackhole, string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &blackhole{server: server.Addr()}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			b.keep(conn)
			all.Go(func() { b.serve(conn) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		b.mu.Lock()
		for _, conn := range b.open {
			conn.Close()
		}
		b.mu.Unlock()
		all.Wait()
	})
	return b, "redis://" + listener.Addr().String() + "/0"
}

func (b *blackhole) keep(conn net.Conn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open = append(b.open, conn)
}

func (b *blackhole) serve(client net.Conn) {
	server, err := net.Dial("tcp", b.server)
	if err != nil {
		client.Close()
		return
	}
	b.keep(server)
	var both sync.WaitGroup
	both.Go(func() { b.copy(server, client) })
	both.Go(func() { b.copy(client, server) })
	both.Wait()
}

func (b *blackhole) copy(to, from net.Conn) {
	defer to.Close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if !b.closed.Load() {
			_, _ = to.Write(buffer[:n])
		}
		if err != nil {
			return
		}
	}
}

// TestCutOffServesNothingFromMemory: a process is cut off from Redis while another one changes a payment. Two seconds
// later it no longer serves the old view, and once the connection is back it serves the new one.
func TestCutOffServesNothingFromMemory(t *testing.T) {
	server := storetest.NewServer(t)
	hole, url := newBlackhole(t, server)
	one, other := process(t, url), store.New(connect(t, server.URL()), options)
	next(t, other, cached)
	awaitKept(t, one)
	hole.closed.Store(true)
	written := next(t, other, cached)
	acknowledged := time.Now()
	var last time.Time // when the old view was served last
	for time.Since(acknowledged) < 3*time.Second {
		asked := time.Now()
		ctx, cancel := contextFor(t, 100*time.Millisecond)
		v, err := one.LoadView(ctx, cached)
		cancel()
		switch {
		case err == nil && v.Version == written:
			t.Fatal("the changed view was served while cut off")
		case err == nil:
			last = asked
		default:
			hasUnavailable(t, err)
		}
	}
	const most = 2 * time.Second
	if took := last.Sub(acknowledged); took > most {
		t.Errorf("the old view was served %s after the change was acknowledged, want %s at most", took, most)
	}
	hole.closed.Store(false)
	await(t, "the new view", func() bool {
		ctx, cancel := contextFor(t, time.Second)
		defer cancel()
		v, err := one.LoadView(ctx, cached)
		if err == nil && v.Version != written {
			t.Fatal("an old view was served again")
		}
		return err == nil
	})
	awaitKept(t, one)
}

func contextFor(t *testing.T, d time.Duration) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithTimeout(t.Context(), d)
}

func hasUnavailable(t *testing.T, err error) {
	t.Helper()
	var e *payment.Error
	if !errors.As(err, &e) || e.Code != payment.CodeStoreUnavailable {
		t.Fatalf("got %v", err)
	}
}
