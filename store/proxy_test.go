package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"kasse/service/payment"
	"kasse/store"
	"kasse/store/storetest"
	"kasse/test/wait"
)

// proxy forwards to a server and can drop the reply to a script: the server has run the script, and the
// client's connection is closed.
type proxy struct {
	server  string
	drop    atomic.Bool  // the reply to the next script
	after   atomic.Value // func(): called once, after a reply was dropped and before the connection is closed
	dropped atomic.Int32 // replies
}

// throughProxy returns a proxy of the server, and a client that is connected to it.
func throughProxy(t testing.TB, url string) (*proxy, redis.UniversalClient) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{server: strings.TrimSuffix(strings.TrimPrefix(url, "redis://"), "/0")}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go p.serve(conn)
		}
	}()
	client := connect(t, "redis://"+listener.Addr().String())
	t.Cleanup(func() { listener.Close() })
	return p, client
}

func (p *proxy) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", p.server)
	if err != nil {
		return
	}
	defer server.Close()
	var dropping atomic.Bool
	go func() {
		defer server.Close()
		_, _ = io.Copy(watching{server, func(sent []byte) {
			if bytes.Contains(bytes.ToLower(sent), []byte("\r\neval")) && p.drop.CompareAndSwap(true, false) {
				dropping.Store(true)
			}
		}}, client)
	}()
	buffer := make([]byte, 64<<10)
	for {
		n, err := server.Read(buffer)
		if dropping.Load() {
			p.dropped.Add(1)
			if after, is := p.after.Swap(func() {}).(func()); is {
				after()
			}
			return
		}
		if _, writeErr := client.Write(buffer[:n]); err != nil || writeErr != nil {
			return
		}
	}
}

// watching is a writer that calls look with the data before it writes them.
type watching struct {
	io.Writer
	look func([]byte)
}

func (w watching) Write(b []byte) (int, error) {
	w.look(b)
	return w.Writer.Write(b)
}

// lostReplies is a store behind a proxy that can lose the reply to a write, after which go-redis sends the write again.
type lostReplies struct {
	*store.Store
	proxy  *proxy
	direct redis.UniversalClient // not through the proxy
}

// lose runs a write, and drops its first reply.
func (l lostReplies) lose(t *testing.T, write func() error) error {
	t.Helper()
	before := l.proxy.dropped.Load()
	l.proxy.drop.Store(true)
	err := write()
	if l.proxy.dropped.Load() != before+1 {
		t.Fatalf("%d replies were lost, want 1", l.proxy.dropped.Load()-before)
	}
	return err
}

// length returns the number of entries of a stream.
func (l lostReplies) length(t *testing.T, key string) int64 {
	t.Helper()
	n, err := l.direct.XLen(t.Context(), key).Result()
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (l lostReplies) queueRead(ctx context.Context, id payment.ID) error {
	_, err := l.QueueRead(ctx, id)
	return err
}

// TestLostReply: go-redis repeats a write whose reply was lost. The write takes effect once.
func TestLostReply(t *testing.T) {
	url := storetest.RedisServer(t)
	p, client := throughProxy(t, url)
	l := lostReplies{Store: store.New(client, options), proxy: p, direct: connect(t, url)}
	t.Run("of a mark", l.ofMark)
	// From here on Redis has the scripts, so that the dropped reply is that of a write and not a NOSCRIPT error.
	mustWrite(t, l.Store, "pi_0")
	must(t, l.Quarantine(t.Context(), payment.StripeEvent{ID: "evt_0"}, nil))
	must(t, l.queueRead(t.Context(), "pi_0"))
	t.Run("of an order", l.ofOrder)
	t.Run("of an order that another process wrote next", l.ofOrderWithConflict)
	t.Run("of a pointer", l.ofPointer)
	t.Run("of a queued read", l.ofQueuedRead)
	t.Run("of a quarantined event", l.ofQuarantinedEvent)
	t.Run("of claimed reads", l.ofClaimedReads)
}

func (l lostReplies) ofMark(t *testing.T) {
	ctx := t.Context()
	if err := l.lose(t, func() error { return l.Mark(ctx, store.Identity{Service: "kasse"}) }); err != nil {
		t.Error(err)
	}
	if _, err := l.Check(ctx, store.Identity{Service: "kasse"}); err != nil {
		t.Error(err)
	}
}

func (l lostReplies) ofOrder(t *testing.T) {
	ctx := t.Context()
	must(t, l.SavePointer(ctx, "pi_1", "o_1", time.Now().Add(time.Hour)))
	for round := range 3 {
		o, now, err := l.LoadOrder(ctx, payment.Ref{Order: "o_1"}, "pi_1")
		if err != nil || (round > 0 && counter(o) != strconv.Itoa(round)) {
			t.Fatalf("revision %q, want %d; %v", o.Revision, round, err)
		}
		o, c := storetest.Transition(o, "pi_1", now)
		var saved payment.Saved
		err = l.lose(t, func() (err error) { saved, err = l.SaveOrder(ctx, o, c); return err })
		if err != nil || !saved.Written || counter(saved.Order) != strconv.Itoa(round+1) || saved.Now.Before(now) {
			t.Errorf("got %+v, %v: the stored revision is that of this write, so it was saved", saved, err)
		}
		stored, _, err := l.LoadOrder(ctx, payment.Ref{Order: "o_1"}, "pi_1")
		if err != nil || stored.Revision != saved.Order.Revision || len(stored.Loaded["pi_1"].History) != round+1 {
			t.Errorf("revision %q, want %q; %v", stored.Revision, saved.Order.Revision, err)
		}
	}
	stream := fmt.Sprintf("kasse:{p%d}:events", storetest.Partition("o_1"))
	if n := l.length(t, stream); n != 3 {
		t.Errorf("%d entries in the stream, want 3", n)
	}
}

func (l lostReplies) ofOrderWithConflict(t *testing.T) {
	ctx := t.Context()
	o, now, err := l.LoadOrder(ctx, payment.Ref{Order: "o_2"}, "pi_2")
	must(t, err)
	o, c := storetest.Transition(o, "pi_2", now)
	other := func() { mustWrite(t, store.New(l.direct, options), "pi_2") }
	l.proxy.after.Store(other)
	var saved payment.Saved
	err = l.lose(t, func() (err error) { saved, err = l.SaveOrder(ctx, o, c, "pi_2"); return err })
	latest := saved.Order
	if !errors.Is(err, payment.ErrConflict) || counter(latest) != "2" || len(latest.Loaded["pi_2"].History) != 2 {
		t.Errorf("got %+v, %v", saved, err)
	}
	stored, _, err := l.LoadOrder(ctx, payment.Ref{Order: "o_2"})
	if err != nil || stored.Revision != latest.Revision {
		t.Errorf("revision %q, the conflict returned %q; %v", stored.Revision, latest.Revision, err)
	}
}

func (l lostReplies) ofPointer(t *testing.T) {
	ctx := t.Context()
	err := l.lose(t, func() error { return l.SavePointer(ctx, "pi_3", "o_3", time.Now().Add(time.Hour)) })
	order, found, findErr := l.FindOrder(ctx, "pi_3")
	if err != nil || !found || order != "o_3" || findErr != nil {
		t.Errorf("got %v; the pointer leads to %q, found %t, %v", err, order, found, findErr)
	}
}

func (l lostReplies) ofQueuedRead(t *testing.T) {
	ctx := t.Context()
	must(t, l.lose(t, func() error { return l.queueRead(ctx, "pi_3") }))
	reads := fmt.Sprintf("kasse:{p%d}:reads", storetest.Partition("pi_3"))
	if n := l.direct.ZCard(ctx, reads).Val(); n != 1 {
		t.Errorf("%d reads, want 1", n)
	}
	must(t, l.DropRead(ctx, "pi_3"))
	must(t, l.DropRead(ctx, "pi_0"))
}

func (l lostReplies) ofQuarantinedEvent(t *testing.T) {
	err := l.lose(t, func() error { return l.Quarantine(t.Context(), payment.StripeEvent{ID: "evt_1"}, nil) })
	if err != nil {
		t.Error(err)
	}
	if n := l.length(t, "kasse:{p0}:quarantine"); n != 2 {
		t.Errorf("%d entries, want 2", n)
	}
}

func (l lostReplies) ofClaimedReads(t *testing.T) {
	ctx := t.Context()
	must(t, l.queueRead(ctx, "pi_read"))
	err := l.lose(t, func() error {
		ids, err := l.ClaimReads(ctx, 10, 3*time.Second)
		if len(ids) > 0 {
			t.Errorf("got %v twice", ids)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	wait.UntilTrue(t, "the claimed read to be due again", func() bool {
		ids, err := l.ClaimReads(ctx, 10, time.Minute)
		return err == nil && len(ids) == 1
	})
}
