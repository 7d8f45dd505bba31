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

// TestResponsesEqualNetHTTP: the Parker sends the same bytes as http.Server.
func TestResponsesEqualNetHTTP(t *testing.T) {
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
					t.Fatalf("the request is parked: %t, want %t", w.parked, i == 1)
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

// TestKeepAlive: a connection serves many waiting requests, with other requests in between.
func TestKeepAlive(t *testing.T) {
	s := start(t, parking.Options{WriteTimeout: time.Minute, IdleTimeout: time.Minute})
	c := s.dial()
	for range rounds {
		c.send(c.waiting)
		s.next(c).answer(answer{http.StatusNotModified, nil, ""})
		if status, _ := c.read(); status != http.StatusNotModified {
			t.Fatalf("got status %d", status)
		}
		c.send("GET /now HTTP/1.1\r\nHost: x\r\n\r\n")
		if status, body := c.read(); status != http.StatusOK || body != "GET /now" {
			t.Fatalf("got response %d %q", status, body)
		}
	}
}

// TestPipelinedBytesAreKept: two pipelined requests are split at each byte of the second. A part arrives with the first
// request, and the rest while that one waits.
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
			t.Fatalf("cut at %d: got response %d %q", cut, status, body)
		}
		if status, body := c.read(); status != http.StatusOK || body != "POST /next" {
			t.Fatalf("cut at %d: got response %d %q", cut, status, body)
		}
		select {
		case <-w.gone:
			t.Fatalf("cut at %d: the bytes count as the end of the connection", cut)
		default:
		}
	}
}

// TestManyWaitInOneConnection: a client sends many waiting requests at once, and each is answered.
func TestManyWaitInOneConnection(t *testing.T) {
	s := start(t, parking.Options{})
	c := s.dial()
	const count = 20
	c.send(strings.Repeat(c.waiting, count))
	for range count {
		s.next(c).answer(answer{http.StatusOK, nil, "one"})
		if status, body := c.read(); status != http.StatusOK || body != "one" {
			t.Fatalf("got response %d %q", status, body)
		}
	}
}

// TestHalfClosedClientIsAnswered: a client that has closed its sending side still gets its response.
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
		t.Errorf("got response %d %q", status, body)
	}
	c.ended()
}

func awaitGone(t *testing.T, w *wait) {
	t.Helper()
	select {
	case <-w.gone:
	case <-time.After(waitLimit):
		t.Fatal("the end of the connection was not detected")
	}
}

// TestResetIsDetected: the client resets connections that wait, and connections that are idle.
func TestResetIsDetected(t *testing.T) {
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

// TestClientMayCloseAtEachByte: the client may close the connection at each byte that it sends or reads.
func TestClientMayCloseAtEachByte(t *testing.T) {
	s := start(t, parking.Options{})
	for cut, end := 1, 2; cut <= end; cut++ {
		c := s.dial()
		end = 2 * len(c.waiting)
		c.send((c.waiting + c.waiting)[:cut])
		if cut >= len(c.waiting) && cut%2 == 0 {
			s.next(c).answer(answer{http.StatusOK, nil, "one"})
		}
		if cut%3 > 0 {
			_ = c.SetLinger(0) // so that Close resets the connection
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

// stillServes fails the test unless another client gets a response.
func (s *server) stillServes() {
	s.t.Helper()
	c := s.dial()
	c.send(c.waiting)
	s.next(c).answer(answer{http.StatusOK, nil, "mine"})
	if status, body := c.read(); status != http.StatusOK || body != "mine" {
		s.t.Errorf("got response %d %q", status, body)
	}
	_ = c.Close()
}

// TestSlowReaderDelaysNoOther: a response larger than a socket's buffers delays no other connection.
func TestSlowReaderDelaysNoOther(t *testing.T) {
	s := start(t, parking.Options{WriteTimeout: time.Minute})
	slow := s.dial()
	slow.send(slow.waiting)
	body := strings.Repeat("kasse", 4<<20)
	s.next(slow).answer(answer{http.StatusOK, nil, body})
	for range 100 {
		s.stillServes()
	}
	if status, got := slow.read(); status != http.StatusOK || got != body {
		t.Errorf("got status %d, %d bytes", status, len(got))
	}
	slow.send("GET /next HTTP/1.1\r\nHost: x\r\n\r\n")
	if status, body := slow.read(); status != http.StatusOK || body != "GET /next" {
		t.Errorf("got response %d %q", status, body)
	}
}

// TestReaderThatStopsIsCutOff: a client that reads nothing is cut off at the write timeout.
func TestReaderThatStopsIsCutOff(t *testing.T) {
	s := start(t, parking.Options{WriteTimeout: 200 * time.Millisecond})
	c := s.dial()
	c.send(c.waiting)
	s.next(c).answer(answer{http.StatusOK, nil, strings.Repeat("kasse", 4<<20)})
	ctx, cancel := context.WithTimeout(t.Context(), waitLimit)
	defer cancel()
	if err := s.parker.Drain(ctx); err != nil {
		t.Error(err)
	}
}

// TestIdleConnectionIsClosed: an idle connection is closed at the idle timeout, and when the listener closes.
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

// TestShutdownAnswersAll: the listener closes while requests wait. Drain waits for them, and each is answered.
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
		t.Error("Drain did not wait for the waiting requests")
	}
	var all sync.WaitGroup
	for _, w := range waits {
		all.Go(func() { w.answer(answer{http.StatusOK, nil, "last"}) })
	}
	all.Wait()
	if err := s.parker.Drain(t.Context()); err != nil {
		t.Error(err)
	}
	for _, c := range clients {
		if status, body := c.read(); status != http.StatusOK || body != "last" {
			t.Errorf("got response %d %q", status, body)
		}
		c.ended()
	}
}
