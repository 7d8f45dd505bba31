//go:build linux

package parking_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"kasse/api/parking"
)

// TestMain runs all tests twice: first http.Server reads all requests, then the Parker reads the plain ones.
func TestMain(m *testing.M) {
	for _, read := range []bool{false, true} {
		parkerReads = read
		if code := m.Run(); code != 0 {
			fmt.Fprintln(os.Stderr, "failed with parkerReads =", read)
			os.Exit(code)
		}
	}
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// parkerReads is true while the Parker reads plain requests, and false while http.Server reads all.
var parkerReads bool

// waitLimit bounds every wait. A test takes that long only if it fails.
const waitLimit = 30 * time.Second

// answer is a test's response.
type answer struct {
	status int
	header http.Header
	body   string
}

// answer sends the response, once.
func (w *wait) answer(a answer) { w.once.Do(func() { w.write(a) }) }

// server is an http.Server with a Parker. GET /wait waits until the test answers it, parked or not. All other requests
// are answered at once.
type server struct {
	t      *testing.T
	http   *httptest.Server
	parker *parking.Parker

	mu    sync.Mutex
	waits map[string]chan *wait // by X-Request-Id
	all   []*wait
}

// wait is a waiting request.
type wait struct {
	parked bool
	once   sync.Once
	write  func(answer)
	gone   chan struct{} // closed when the client's end of the connection has closed
}

func start(t *testing.T, o parking.Options, wrap ...func(net.Listener) net.Listener) *server {
	t.Helper()
	s := &server{t: t, waits: map[string]chan *wait{}}
	if parkerReads {
		o.Handler = http.HandlerFunc(s.serve)
		o.Reads = func(path string) bool { return path != "/usual" }
	}
	s.parker = parking.New(o)
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
		ctx, cancel := context.WithTimeout(context.Background(), waitLimit)
		defer cancel()
		if err := s.parker.Drain(ctx); err != nil {
			t.Errorf("connections are still parked: %v", err)
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
			s.add(r, waits)
			return
		}
	}
	answers := make(chan answer, 1)
	waits.parked, waits.write = false, func(a answer) { answers <- a }
	s.add(r, waits)
	a := <-answers
	maps.Copy(w.Header(), a.header)
	w.WriteHeader(a.status)
	if a.status != http.StatusNotModified {
		_, _ = w.Write([]byte(a.body))
	}
}

// add records a waiting request.
func (s *server) add(r *http.Request, w *wait) {
	s.mu.Lock()
	s.all = append(s.all, w)
	s.mu.Unlock()
	s.named(r.Header.Get("X-Request-Id")) <- w
}

// named returns the waiting requests with an X-Request-Id.
func (s *server) named(id string) chan *wait {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waits[id] == nil {
		s.waits[id] = make(chan *wait, 1000)
	}
	return s.waits[id]
}

// next waits for the next waiting request of the client, and returns it.
func (s *server) next(c *client) *wait {
	s.t.Helper()
	select {
	case w := <-s.named(c.id):
		return w
	case <-time.After(waitLimit):
		s.t.Fatal("no request arrived")
		return nil
	}
}

// client is one connection.
type client struct {
	t *testing.T
	*net.TCPConn
	reader  *bufio.Reader
	id      string // of its requests
	waiting string // text of a request that waits
}

func (s *server) dial() *client {
	s.t.Helper()
	c, err := new(net.Dialer).DialContext(s.t.Context(), "tcp", strings.TrimPrefix(s.http.URL, "http://"))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(2 * waitLimit))
	id := strings.ReplaceAll(c.LocalAddr().String(), ":", "-")
	return &client{s.t, c.(*net.TCPConn), bufio.NewReader(c), id, waiting(id)}
}

func (c *client) send(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		c.t.Fatal(err)
	}
}

// read reads one response.
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

// ended fails the test unless the server has closed the connection.
func (c *client) ended() {
	c.t.Helper()
	if n, err := c.reader.ReadByte(); err == nil {
		c.t.Errorf("the server sent %q, want the end of the connection", n)
	}
}

// waiting returns the text of a request that waits.
func waiting(id string) string {
	return "GET /wait HTTP/1.1\r\nHost: x\r\nX-Request-Id: " + id + "\r\n\r\n"
}

var dated = regexp.MustCompile(`Date: [^\r]*`)
