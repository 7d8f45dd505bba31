package store_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"kasse/service"
	"kasse/store"
	"kasse/store/storetest"
)

// proxy stands before a server and can swallow the reply to a script: the server has run it, and the client sees its
// connection end.
type proxy struct {
	server   string
	swallow  atomic.Bool // the reply to the next script
	swallows atomic.Int32
}

// throughProxy returns a client that reaches the server by a proxy.
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
	var mute atomic.Bool
	go func() {
		defer server.Close()
		_, _ = io.Copy(watching{server, func(sent []byte) {
			if bytes.Contains(bytes.ToLower(sent), []byte("\r\neval")) && p.swallow.CompareAndSwap(true, false) {
				mute.Store(true)
			}
		}}, client)
	}()
	buffer := make([]byte, 64<<10)
	for {
		n, err := server.Read(buffer)
		if mute.Load() {
			p.swallows.Add(1)
			return
		}
		if _, writeErr := client.Write(buffer[:n]); err != nil || writeErr != nil {
			return
		}
	}
}

// watching looks at what is written before it is.
type watching struct {
	io.Writer
	look func([]byte)
}

func (w watching) Write(b []byte) (int, error) {
	w.look(b)
	return w.Writer.Write(b)
}

// TestLostReply has writes whose reply is lost on the way, and that go-redis sends again by itself.
func TestLostReply(t *testing.T) {
	url := storetest.RedisServer(t)
	direct := connect(t, url)
	p, client := throughProxy(t, url)
	s := store.New(client, options)
	ctx := t.Context()
	lose := func(t *testing.T, write func() error) error {
		t.Helper()
		before := p.swallows.Load()
		p.swallow.Store(true)
		err := write()
		if p.swallows.Load() != before+1 {
			t.Fatalf("%d replies were lost, want 1", p.swallows.Load()-before)
		}
		return err
	}
	lengths := func(t *testing.T, key string) int64 {
		t.Helper()
		n, err := direct.XLen(ctx, key).Result()
		if err != nil {
			t.Fatal(err)
		}
		return n
	}

	t.Run("of a mark", func(t *testing.T) {
		if err := lose(t, func() error { return s.Mark(ctx, store.Identity{Service: "kasse"}) }); err != nil {
			t.Error(err)
		}
		if _, err := s.Check(ctx, store.Identity{Service: "kasse"}); err != nil {
			t.Error(err)
		}
	})
	// Redis knows the scripts from here on, so that what is lost is the reply to a write.
	for _, err := range []error{
		s.SavePayment(ctx, service.PaymentWrite{Payment: service.Payment{ID: "pi_0"}}), s.SaveOrder(ctx, service.Order{ID: "o-0"}),
		s.Quarantine(ctx, service.Notice{ID: "evt_0"}, nil),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Run("of a payment", func(t *testing.T) {
		for revision := range int64(3) {
			loaded, now, err := s.LoadPayment(ctx, "pi_1")
			if err != nil || loaded.Revision != revision {
				t.Fatalf("revision %d, want %d; %v", loaded.Revision, revision, err)
			}
			loaded.View = []byte(`{}`)
			err = lose(t, func() error {
				return s.SavePayment(ctx, service.PaymentWrite{
					Payment: loaded, Version: revision + 1, Now: now, History: []byte(`{}`), Event: &service.Announced{ID: "pi_1.1", Type: "order.paid"},
				})
			})
			if !errors.Is(err, service.ErrConflict) {
				t.Errorf("got %v: whoever repeats a write has to look at the record again", err)
			}
		}
		keys, _ := direct.Keys(ctx, "kasse:*:events").Result()
		if len(keys) != 1 || lengths(t, keys[0]) != 3 {
			t.Errorf("streams %v; want one with 3 entries", keys)
		}
	})
	t.Run("of an order", func(t *testing.T) {
		err := lose(t, func() error { return s.SaveOrder(ctx, service.Order{ID: "o-1"}) })
		if o, _, loadErr := s.LoadOrder(ctx, "o-1"); !errors.Is(err, service.ErrConflict) || o.Revision != 1 || loadErr != nil {
			t.Errorf("got %v; revision %d, %v", err, o.Revision, loadErr)
		}
	})
	t.Run("of a quarantined event", func(t *testing.T) {
		if err := lose(t, func() error { return s.Quarantine(ctx, service.Notice{ID: "evt_1"}, nil) }); err != nil {
			t.Error(err)
		}
		if n := lengths(t, "kasse:{p0}:quarantine"); n != 2 {
			t.Errorf("%d entries, want 2", n)
		}
	})
	t.Run("of reads that were taken", func(t *testing.T) {
		loaded, now, err := s.LoadPayment(ctx, "pi_read")
		if err == nil {
			err = s.SavePayment(ctx, service.PaymentWrite{Payment: loaded, Now: now, ReadAt: now})
		}
		if err != nil {
			t.Fatal(err)
		}
		err = lose(t, func() error {
			ids, err := s.TakeReads(ctx, 10, 200*time.Millisecond)
			if len(ids) > 0 {
				t.Errorf("got %v twice", ids)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
		eventually(ctx, t, "the read to come back", func(ctx context.Context) bool {
			ids, err := s.TakeReads(ctx, 10, time.Minute)
			return err == nil && len(ids) == 1
		})
	})
}

// eventually tries again until the condition holds.
func eventually(ctx context.Context, t testing.TB, what string, holds func(context.Context) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds(ctx) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited in vain: %s", what)
		}
	}
}
