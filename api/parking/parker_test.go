//go:build linux

package parking_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"kasse/api/parking"
)

// TestAnswersAreThoseOfNetHTTP: responses are the same bytes as http.Server's.
func TestAnswersAreThoseOfNetHTTP(t *testing.T) {
	s := start(t, parking.Options{})
	headers := http.Header{
		"Etag": {`"1"`}, "Content-Type": {"application/json"}, "Vary": {"Authorization, Origin"},
		"Access-Control-Allow-Origin": {"https://shop.example"}, "X-Content-Type-Options": {"nosniff"},
	}
	for _, a := range []answer{
		{http.StatusOK, headers, `{"state":"paid"}`},
		{http.StatusOK, headers, strings.Repeat("x", 2048)},
		{http.StatusOK, headers, strings.Repeat("x", 2049)},
		{http.StatusOK, headers, strings.Repeat("x", 1<<20)},
		{http.StatusNotModified, headers, ""},
		{http.StatusServiceUnavailable, http.Header{"Retry-After": {"1"}, "Content-Type": {"a/b"}}, `{}`},
	} {
		for _, more := range []string{"", "Connection: close\r\n", "Connection: Keep-Alive, Close\r\n"} {
			var texts [2]string
			for i, query := range []string{"?here=1", ""} {
				c := s.dial()
				c.send("GET /wait" + query + " HTTP/1.1\r\nHost: x\r\nX-Request-Id: " + c.id + "\r\n" + more + "\r\n")
				w := s.next(c)
				if w.parked != (i == 1) {
					t.Fatalf("parked: %t", w.parked)
				}
				w.answer(a)
				if more == "" {
					c.send("GET /last HTTP/1.1\r\nHost: x\r\nX-Request-Id: two\r\nConnection: close\r\n\r\n")
				}
				all, err := io.ReadAll(c.reader)
				if err != nil {
					t.Fatal(err)
				}
				texts[i] = dated.ReplaceAllString(string(all), "Date: now")
				texts[i] = strings.ReplaceAll(texts[i], c.id, "one")
			}
			if texts[0] != texts[1] {
				t.Errorf("net/http: %.600q\nparked:   %.600q", texts[0], texts[1])
			}
		}
	}
}

// TestKeepAliveGoesOn waits many times on one connection, with other requests between.
func TestKeepAliveGoesOn(t *testing.T) {
	s := start(t, parking.Options{WriteTimeout: time.Minute, IdleTimeout: time.Minute})
	c := s.dial()
	for range rounds {
		c.send(c.waiting)
		s.next(c).answer(answer{http.StatusNotModified, nil, ""})
		if status, _ := c.read(); status != http.StatusNotModified {
			t.Fatalf("%d", status)
		}
		c.send("GET /now HTTP/1.1\r\nHost: x\r\n\r\n")
		if status, body := c.read(); status != http.StatusOK || body != "GET /now" {
			t.Fatalf("%d %s", status, body)
		}
	}
}

// TestPipelinedBytesAreKept splits two pipelined requests at each byte: a part arrives with the first
// request, the rest while it waits.
func TestPipelinedBytesAreKept(t *testing.T) {
	s := start(t, parking.Options{})
	c := s.dial()
	both := c.waiting + "POST /next HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody"
	for cut := len(c.waiting); cut <= len(both); cut++ {
		c.send(both[:cut])
		w := s.next(c)
		c.send(both[cut:])
		w.answer(answer{http.StatusOK, nil, "first"})
		if status, body := c.read(); status != http.StatusOK || body != "first" {
			t.Fatalf("cut at %d: %d %s", cut, status, body)
		}
		if status, body := c.read(); status != http.StatusOK || body != "POST /next" {
			t.Fatalf("cut at %d: %d %s", cut, status, body)
		}
		select {
		case <-w.gone:
			t.Fatalf("cut at %d: taken for the end", cut)
		default:
		}
	}
}

// TestManyWaitInOneConnection sends all its requests at once.
func TestManyWaitInOneConnection(t *testing.T) {
	s := start(t, parking.Options{})
	c := s.dial()
	const count = 20
	c.send(strings.Repeat(c.waiting, count))
	for range count {
		s.next(c).answer(answer{http.StatusOK, nil, "one"})
		if status, body := c.read(); status != http.StatusOK || body != "one" {
			t.Fatalf("%d %s", status, body)
		}
	}
}

// TestHalfClosedClientIsAnswered: a client may end what it sends, and still read.
func TestHalfClosedClientIsAnswered(t *testing.T) {
	s := start(t, parking.Options{})
	c := s.dial()
	c.send(c.waiting)
	w := s.next(c)
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	awaitGone(t, w)
	w.answer(answer{http.StatusOK, nil, "still here"})
	if status, body := c.read(); status != http.StatusOK || body != "still here" {
		t.Errorf("%d %s", status, body)
	}
	c.ended()
}

func awaitGone(t *testing.T, w *wait) {
	t.Helper()
	select {
	case <-w.gone:
	case <-time.After(patience):
		t.Fatal("the end was not noticed")
	}
}

// TestVanishedPeerIsNoticed resets connections that wait, and ones that are idle.
func TestVanishedPeerIsNoticed(t *testing.T) {
	s := start(t, parking.Options{})
	for _, answered := range []bool{false, true} {
		c := s.dial()
		c.send(c.waiting)
		w := s.next(c)
		if answered {
			w.answer(answer{http.StatusOK, nil, "one"})
			c.read()
		}
		_ = c.SetLinger(0)
		_ = c.Close()
		if !answered {
			awaitGone(t, w)
			w.answer(answer{http.StatusOK, nil, "not read by any client"})
		}
	}
}

// TestPeerMayVanishAtEachByte: the client may close the connection at each byte that it sends or reads.
func TestPeerMayVanishAtEachByte(t *testing.T) {
	s := start(t, parking.Options{})
	for cut, end := 1, 2; cut <= end; cut++ {
		c := s.dial()
		end = 2 * len(c.waiting)
		c.send((c.waiting + c.waiting)[:cut])
		if cut >= len(c.waiting) && cut%2 == 0 {
			s.next(c).answer(answer{http.StatusOK, nil, "one"})
		}
		if cut%3 > 0 {
			_ = c.SetLinger(0) // it is reset
		}
		_ = c.Close()
	}
	const body = "the answer"
	for count, whole := 0, 1; count <= whole; count++ {
		c := s.dial()
		c.send(c.waiting)
		s.next(c).answer(answer{http.StatusOK, nil, body})
		_, _ = c.reader.Peek(1)
		whole = c.reader.Buffered()
		c = s.dial()
		c.send(c.waiting)
		s.next(c).answer(answer{http.StatusOK, nil, body})
		_, _ = io.ReadFull(c.TCPConn, make([]byte, min(count, whole)))
		_ = c.SetLinger(0)
		_ = c.Close()
	}
	s.stillServes()
}

// stillServes fails unless another client gets a response.
func (s *server) stillServes() {
	s.t.Helper()
	c := s.dial()
	c.send(c.waiting)
	s.next(c).answer(answer{http.StatusOK, nil, "mine"})
	if status, body := c.read(); status != http.StatusOK || body != "mine" {
		s.t.Errorf("%d %s", status, body)
	}
	_ = c.Close()
}

// TestSlowReaderHoldsNobodyUp: a response larger than a socket's buffers delays no other connection.
func TestSlowReaderHoldsNobodyUp(t *testing.T) {
	s := start(t, parking.Options{WriteTimeout: time.Minute})
	slow := s.dial()
	slow.send(slow.waiting)
	body := strings.Repeat("kasse", 4<<20)
	s.next(slow).answer(answer{http.StatusOK, nil, body})
	for range 100 {
		s.stillServes()
	}
	if status, got := slow.read(); status != http.StatusOK || got != body {
		t.Errorf("%d, %d bytes", status, len(got))
	}
	slow.send("GET /next HTTP/1.1\r\nHost: x\r\n\r\n")
	if status, body := slow.read(); status != http.StatusOK || body != "GET /next" {
		t.Errorf("%d %s", status, body)
	}
}

// TestReaderThatTakesNothingIsCutOff at the write timeout.
func TestReaderThatTakesNothingIsCutOff(t *testing.T) {
	s := start(t, parking.Options{WriteTimeout: 200 * time.Millisecond})
	c := s.dial()
	c.send(c.waiting)
	s.next(c).answer(answer{http.StatusOK, nil, strings.Repeat("kasse", 4<<20)})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := s.parker.Drain(ctx); err != nil {
		t.Error(err)
	}
}

// TestIdleConnectionIsClosed at its time, and with the listener.
func TestIdleConnectionIsClosed(t *testing.T) {
	s := start(t, parking.Options{IdleTimeout: 100 * time.Millisecond})
	c := s.dial()
	c.send(c.waiting)
	s.next(c).answer(answer{http.StatusOK, nil, "one"})
	c.read()
	c.ended()

	s = start(t, parking.Options{})
	c = s.dial()
	c.send(c.waiting)
	s.next(c).answer(answer{http.StatusOK, nil, "one"})
	c.read()
	_ = s.http.Listener.Close()
	c.ended()
}

// TestShutdownAnswersAll closes the listener while requests wait.
func TestShutdownAnswersAll(t *testing.T) {
	s := start(t, parking.Options{})
	clients := make([]*client, 50)
	waits := make([]*wait, len(clients))
	for i := range clients {
		clients[i] = s.dial()
		clients[i].send(clients[i].waiting)
		waits[i] = s.next(clients[i])
	}
	_ = s.http.Listener.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if s.parker.Drain(ctx) == nil {
		t.Error("nothing waits")
	}
	var all sync.WaitGroup
	for _, w := range waits {
		all.Go(func() { w.answer(answer{http.StatusOK, nil, "the last"}) })
	}
	all.Wait()
	if err := s.parker.Drain(t.Context()); err != nil {
		t.Error(err)
	}
	for _, c := range clients {
		if status, body := c.read(); status != http.StatusOK || body != "the last" {
			t.Errorf("%d %s", status, body)
		}
		c.ended()
	}
}
