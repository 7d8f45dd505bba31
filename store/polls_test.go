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

// lines is a proxy of a server that notes what each connection is used for.
type lines struct {
	server string

	mu  sync.Mutex
	all []*line
}

// line is one connection.
type line struct{ polled, wrote bool }

// newLines returns the lines to a server, and their URL. They end with the test.
func newLines(t *testing.T, url string) (*lines, string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	l := &lines{server: strings.TrimSuffix(strings.TrimPrefix(url, "redis://"), "/0")}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go l.serve(conn)
		}
	}()
	return l, "redis://" + listener.Addr().String() + "/0"
}

func (l *lines) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", l.server)
	if err != nil {
		return
	}
	defer server.Close()
	one := &line{}
	l.mu.Lock()
	l.all = append(l.all, one)
	l.mu.Unlock()
	go func() {
		defer server.Close()
		_, _ = io.Copy(watching{server, func(sent []byte) { l.note(one, bytes.ToLower(sent)) }}, client)
	}()
	_, _ = io.Copy(client, server)
}

// note classifies a command: views, histories and the feed, or scripts that write, with their reads.
func (l *lines) note(one *line, sent []byte) {
	has := func(text string) bool { return bytes.Contains(sent, []byte(text)) }
	l.mu.Lock()
	defer l.mu.Unlock()
	polls := []string{"\r\nhmget\r\n", "\r\nhget\r\n", "\r\nget\r\n", "reads one partition's"}
	one.polled = one.polled || slices.ContainsFunc(polls, has)
	one.wrote = one.wrote || has("\r\nevalsha\r\n") || has("\r\nzrem\r\n")
}

// TestPollsHaveTheirOwnConnections: pages and backends poll on connections without writes, even if pools of
// two would soon be shared.
func TestPollsHaveTheirOwnConnections(t *testing.T) {
	server := storetest.RedisServer(t)
	for name, test := range optimizations {
		t.Run(name, func(t *testing.T) {
			l, url := newLines(t, server)
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
				if err := s.DropRead(
					t.Context(), id,
				); err != nil { // in a pipeline, which go-redis sends on other connections
					t.Fatal(err)
				}
				poll(t, s, id)
			}
			l.mu.Lock()
			defer l.mu.Unlock()
			polled, wrote := 0, 0
			for _, one := range l.all {
				switch {
				case one.polled && one.wrote:
					t.Error("a connection was polled and written on")
				case one.polled:
					polled++
				case one.wrote:
					wrote++
				}
			}
			if polled == 0 || wrote == 0 {
				t.Errorf("%d connections were polled on, and %d written", polled, wrote)
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
