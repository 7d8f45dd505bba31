//go:build linux

package parking_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"kasse/api/parking"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what has to come, also on a busy machine.
const patience = 30 * time.Second

// answer is what a test answers with.
type answer struct {
	status int
	header http.Header
	body   string
}

// answer answers, once.
func (w *wait) answer(a answer) { w.once.Do(func() { w.write(a) }) }

// server is an http.Server with a Parker. GET /wait waits for the test, parked or not; everything else is answered at
// once.
type server struct {
	t      *testing.T
	http   *httptest.Server
	parker *parking.Parker

	mu    sync.Mutex
	waits map[string]chan *wait // by X-Request-Id
	all   []*wait
}

// wait is a request that waits.
type wait struct {
	parked bool
	once   sync.Once
	write  func(answer)
	gone   chan struct{} // closed when the client has gone
}

func start(t *testing.T, o parking.Options, wrap ...func(net.Listener) net.Listener) *server {
	t.Helper()
	s := &server{t: t, parker: parking.New(o), waits: map[string]chan *wait{}}
	s.http = httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	for _, w := range wrap {
		s.http.Listener = w(s.http.Listener)
	}
	listener, err := s.parker.Listen(s.http.Listener)
	if err != nil {
		t.Fatal(err)
	}
	s.http.Listener = listener
	s.http.Start()
	t.Cleanup(func() {
		for _, w := range s.all {
			w.answer(answer{http.StatusOK, nil, ""})
		}
		s.http.Close()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.parker.Drain(ctx); err != nil {
			t.Errorf("something is parked still: %v", err)
		}
	})
	return s
}

func (s *server) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Request-Id", r.Header.Get("X-Request-Id"))
	if !strings.HasPrefix(r.URL.Path, "/wait") {
		_, _ = io.WriteString(w, r.Method+" "+r.URL.Path)
		return
	}
	waits := &wait{parked: true, gone: make(chan struct{})}
	if r.URL.Query().Get("here") == "" {
		header := w.Header()
		write, ok := s.parker.Park(w, r, func() { close(waits.gone) })
		if ok {
			waits.write = func(a answer) {
				maps.Copy(header, a.header)
				write(a.status, header, []byte(a.body))
			}
			s.came(r, waits)
			return
		}
	}
	answers := make(chan answer, 1)
	waits.parked, waits.write = false, func(a answer) { answers <- a }
	s.came(r, waits)
	a := <-answers
	maps.Copy(w.Header(), a.header)
	w.WriteHeader(a.status)
	if a.status != http.StatusNotModified {
		_, _ = w.Write([]byte(a.body))
	}
}

// came notes a request that waits.
func (s *server) came(r *http.Request, w *wait) {
	s.mu.Lock()
	s.all = append(s.all, w)
	s.mu.Unlock()
	s.named(r.Header.Get("X-Request-Id")) <- w
}

func (s *server) named(id string) chan *wait {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waits[id] == nil {
		s.waits[id] = make(chan *wait, 1000)
	}
	return s.waits[id]
}

// next is the next request of the client's that waits.
func (s *server) next(c *client) *wait {
	s.t.Helper()
	select {
	case w := <-s.named(c.id):
		return w
	case <-time.After(patience):
		s.t.Fatal("no request came")
		return nil
	}
}

// client is one connection.
type client struct {
	t *testing.T
	*net.TCPConn
	reader  *bufio.Reader
	id      string // of its requests
	waiting string // a request that waits
}

func (s *server) dial() *client {
	s.t.Helper()
	c, err := new(net.Dialer).DialContext(s.t.Context(), "tcp", strings.TrimPrefix(s.http.URL, "http://"))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(2 * patience))
	id := strings.ReplaceAll(c.LocalAddr().String(), ":", "-")
	return &client{
		s.t, c.(*net.TCPConn), bufio.NewReader(c), id, waiting(id),
	}
}

func (c *client) send(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		c.t.Fatal(err)
	}
}

// read reads one answer.
func (c *client) read() (int, string) {
	c.t.Helper()
	response, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

// ended fails where the server has not closed the connection.
func (c *client) ended() {
	c.t.Helper()
	if n, err := c.reader.ReadByte(); err == nil {
		c.t.Errorf("there is more: %q", n)
	}
}

func waiting(id string) string {
	return "GET /wait HTTP/1.1\r\nHost: x\r\nX-Request-Id: " + id + "\r\n\r\n"
}

var dated = regexp.MustCompile(`Date: [^\r]*`)

// TestAnswersAreThoseOfNetHTTP compares the bytes of answers with those of http.Server.
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

// TestPipelinedBytesAreKept cuts two requests that come one after the other at each byte: what is there with the first
// request, and what comes while it waits.
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
			w.answer(answer{http.StatusOK, nil, "nobody reads it"})
		}
	}
}

// TestPeerMayVanishAtEachByte of what it sends, and of what it reads.
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

// stillServes fails where another client gets no answer.
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

// TestSlowReaderHoldsNobodyUp has an answer that no socket's buffer takes.
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

// plain hides what its connections are.
type plain struct{ net.Listener }

func (p plain) Accept() (net.Conn, error) {
	c, err := p.Listener.Accept()
	return struct{ net.Conn }{c}, err
}

// TestConnectionWithoutDescriptorIsAnswered: as one for which no descriptor is free.
func TestConnectionWithoutDescriptorIsAnswered(t *testing.T) {
	s := start(t, parking.Options{}, func(l net.Listener) net.Listener { return plain{l} })
	c := s.dial()
	c.send(c.waiting)
	w := s.next(c)
	if !w.parked {
		t.Error("not parked")
	}
	w.answer(answer{http.StatusOK, nil, "one"})
	all, err := io.ReadAll(c.reader)
	if err != nil || !bytes.Contains(all, []byte("\r\nConnection: close\r\n")) || !bytes.HasSuffix(all, []byte("one")) {
		t.Errorf("%v %s", err, all)
	}
}

// TestNotEveryRequestIsParked: others keep their goroutine.
func TestNotEveryRequestIsParked(t *testing.T) {
	s := start(t, parking.Options{})
	for _, text := range []string{
		"GET /wait HTTP/1.0\r\n\r\n", "POST /wait HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx",
	} {
		c := s.dial()
		c.id = ""
		c.send(text)
		w := s.next(c)
		if w.parked {
			t.Errorf("parked: %s", text)
		}
		w.answer(answer{http.StatusOK, nil, "one"})
		c.read()
	}
}
