package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"kasse/service/payment"
	"kasse/store"
	"kasse/store/storetest"
)

// usageProxy is a proxy of a server that records what each connection is used for.
type usageProxy struct {
	server string

	mu  sync.Mutex
	all []*usage
}

// usage is what one connection is used for.
type usage struct{ polled, wrote bool }

// newUsageProxy returns a proxy of a server, and its URL. It ends with the test.
func newUsageProxy(t *testing.T, url string) (*usageProxy, string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	p := &usageProxy{server: strings.TrimSuffix(strings.TrimPrefix(url, "redis://"), "/0")}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go p.serve(conn)
		}
	}()
	return p, "redis://" + listener.Addr().String() + "/0"
}

func (p *usageProxy) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", p.server)
	if err != nil {
		return
	}
	defer server.Close()
	one := &usage{}
	p.mu.Lock()
	p.all = append(p.all, one)
	p.mu.Unlock()
	go func() {
		defer server.Close()
		_, _ = io.Copy(watching{server, func(sent []byte) { p.classify(one, bytes.ToLower(sent)) }}, client)
	}()
	_, _ = io.Copy(client, server)
}

// classify records which commands were sent: reads of views, histories and the feed, or scripts that write with the
// reads that belong to them.
func (p *usageProxy) classify(one *usage, sent []byte) {
	has := func(text string) bool { return bytes.Contains(sent, []byte(text)) }
	p.mu.Lock()
	defer p.mu.Unlock()
	// The last is text of load_events.lua, which is sent whole.
	polls := []string{"\r\nhmget\r\n", "\r\nhget\r\n", "\r\nget\r\n", "local wanted, most, look ="}
	one.polled = one.polled || slices.ContainsFunc(polls, has)
	one.wrote = one.wrote || has("\r\nevalsha\r\n") || has("\r\nzrem\r\n")
}

// TestPollsHaveTheirOwnConnections: pages and backends poll on connections on which nothing is written. The pools
// have two connections, so that a shared one would soon be found.
func TestPollsHaveTheirOwnConnections(t *testing.T) {
	server := storetest.RedisServer(t)
	for name, test := range optimizations {
		t.Run(name, func(t *testing.T) {
			p, url := newUsageProxy(t, server)
			o := options
			o.AutoPipeline = test.pipelined
			o.Readers = readers(t, "single", url+"?pool_size=2", test.keep)
			s := store.New(connect(t, url+"?pool_size=2"), o)
			if err := s.Mark(t.Context(), store.Identity{Service: "kasse"}); err != nil {
				t.Fatal(err)
			}
			for n := range 20 {
				id := payment.ID(fmt.Sprintf("pi_%s_%d", name, n))
				mustWrite(t, s, id)
				must(t, s.DropRead(t.Context(), id)) // a pipeline: go-redis has other connections for these
				poll(t, s, id)
			}
			p.mu.Lock()
			defer p.mu.Unlock()
			polled, wrote := 0, 0
			for _, one := range p.all {
				switch {
				case one.polled && one.wrote:
					t.Error("a connection was used for polls and writes")
				case one.polled:
					polled++
				case one.wrote:
					wrote++
				}
			}
			if polled == 0 || wrote == 0 {
				t.Errorf("%d connections were used for polls, and %d for writes", polled, wrote)
			}
		})
	}
}

// poll sends the polls of pages and backends.
func poll(t *testing.T, s *store.Store, id payment.ID) {
	t.Helper()
	_, view := s.LoadView(t.Context(), id)
	_, views := s.LoadViews(t.Context(), storetest.OrderOf(id), []payment.ID{id})
	_, history := s.LoadHistory(t.Context(), id)
	_, events := s.LoadEvents(t.Context(), payment.FeedQuery{Limit: 10})
	if err := errors.Join(view, views, history, events); err != nil {
		t.Error(err)
	}
}
