// Package storetest runs the tests of the store on every kind of Redis that it must serve.
//
// A test that needs a real server starts one of its own: its own process, port, directory and data, so
// that tests run side by side and leave nothing behind. There is no shared server to be found by an
// environment variable, and a server that cannot be started fails the test: a suite that skips in
// silence proves nothing.
package storetest

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"os/exec"
	"strconv"
	"testing"
	"time"
)

// startTimeout bounds one start. A server is up within some 20 ms, on a busy machine within seconds.
const startTimeout = 10 * time.Second

// RedisServer starts a redis-server, without persistence unless the arguments ask for it, and returns
// its address as "redis://127.0.0.1:PORT/0". The server ends with the test. The arguments are
// redis-server's own, as "--appendonly", "yes".
func RedisServer(t testing.TB, args ...string) string {
	t.Helper()
	return NewServer(t, args...).URL()
}

// Server is a redis-server that a test can kill and start again on the same port and directory.
// It is for one goroutine.
type Server struct {
	t    testing.TB
	args []string
	port int
	log  bytes.Buffer // what it printed; to be read once ended is closed

	process *exec.Cmd
	ended   chan struct{} // closed when the process has ended; nil while there is none
}

// NewServer is RedisServer for tests that also want to kill it.
func NewServer(t testing.TB, args ...string) *Server {
	t.Helper()
	s := &Server{t: t, args: append([]string{"--dir", t.TempDir(), "--save", "", "--bind", "127.0.0.1"}, args...)}
	t.Cleanup(func() {
		s.stop()
		if t.Failed() {
			t.Logf("redis-server on port %d said:\n%s", s.port, &s.log)
		}
	})
	// Somebody else may take the port between our asking for a free one and Redis binding it.
	var err error
	for range 5 {
		s.port = freePort(t)
		if err = s.start(); err == nil || errors.Is(err, exec.ErrNotFound) {
			break
		}
	}
	s.check(err)
	return s
}

// URL is the server's address, the same after a restart.
func (s *Server) URL() string { return "redis://127.0.0.1:" + strconv.Itoa(s.port) + "/0" }

// Kill ends the server as a crash would: with SIGKILL, so that it writes nothing more.
func (s *Server) Kill() {
	s.t.Helper()
	if s.ended == nil {
		s.t.Fatal("redis-server is not running")
	}
	s.stop()
}

// Restart starts the killed server again with what its directory still holds.
func (s *Server) Restart() {
	s.t.Helper()
	if s.ended != nil {
		s.t.Fatal("redis-server is still running")
	}
	s.check(s.start())
}

// check fails the test when the server did not start.
func (s *Server) check(err error) {
	s.t.Helper()
	if errors.Is(err, exec.ErrNotFound) {
		s.t.Fatal("there is no redis-server in the PATH: apt-get install redis-server, or brew install redis; `make test` does it for you")
	}
	if err != nil {
		s.t.Fatalf("start redis-server: %v", err)
	}
}

// start returns once the server takes connections. On an error nothing is left running.
func (s *Server) start() error {
	args := append([]string{"--port", strconv.Itoa(s.port)}, s.args...)
	process := exec.Command("redis-server", args...)
	output, err := process.StdoutPipe()
	if err != nil {
		return err
	}
	process.Stderr = process.Stdout
	if err := process.Start(); err != nil {
		return err
	}
	ready := make(chan struct{})
	s.process, s.ended = process, make(chan struct{})
	go s.follow(output, ready, s.ended)

	select {
	case <-ready:
		return nil
	case <-s.ended:
		err = errors.New("it ended at once")
	case <-time.After(startTimeout):
		err = errors.New("it took too long")
	}
	s.stop()
	return err
}

// follow keeps the server's output until it ends. That the server is up is read there and not found out
// by connecting, since whoever answers on the port may be another.
func (s *Server) follow(output io.Reader, ready, ended chan<- struct{}) {
	defer close(ended)
	for lines := bufio.NewScanner(output); lines.Scan(); {
		s.log.Write(append(lines.Bytes(), '\n'))
		if ready != nil && bytes.Contains(lines.Bytes(), []byte("Ready to accept connections")) {
			close(ready)
			ready = nil
		}
	}
	_ = s.process.Wait() // it is killed: the error says so
}

// stop kills the process by its id and waits for its end. It may be called when there is none.
func (s *Server) stop() {
	if s.ended == nil {
		return
	}
	_ = s.process.Process.Kill() // an error says that it has ended, which is what we want
	<-s.ended
	s.ended = nil
}

// freePort finds a port of the loopback interface that nobody listens on at the moment.
func freePort(t testing.TB) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}
