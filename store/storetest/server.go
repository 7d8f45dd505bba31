// Package storetest runs the tests of the store on every kind of Redis that Kasse supports.
//
// Each test starts its own server: a process, a port and a folder of its own. So tests can run at the same time and
// leave nothing behind. No environment variable names a shared server. If a server cannot be started, the test fails:
// a suite that skips silently proves nothing.
package storetest

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"kasse/test/wait"
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
	dir  string   // of its data
	file []string // the configuration that it begins with and rewrites, where it must have one
	args []string
	env  []string // beside the test's own
	up   string   // its output once it accepts connections
	port int
	log  bytes.Buffer // what it printed; to be read once ended is closed

	process *exec.Cmd
	ended   chan struct{} // closed when the process has ended; nil while there is none
}

// NewServer is RedisServer for tests that also want to kill it.
func NewServer(t testing.TB, args ...string) *Server {
	t.Helper()
	s := prepare(t, args...)
	s.run()
	return s
}

// prepare returns a server that has not been started.
func prepare(t testing.TB, args ...string) *Server {
	t.Helper()
	s := &Server{t: t, dir: t.TempDir(), up: "Ready to accept connections"}
	s.args = append([]string{"--dir", s.dir, "--save", "", "--bind", "127.0.0.1"}, args...)
	return s
}

// Dir is the directory of the server's data.
func (s *Server) Dir() string { return s.dir }

// run starts the server for the first time, on a port that is free, and ends it with the test.
func (s *Server) run() {
	t := s.t
	t.Helper()
	t.Cleanup(func() {
		s.stop()
		if t.Failed() {
			t.Logf("redis-server on port %d printed:\n%s", s.port, &s.log)
		}
	})
	// Another process may take the port between our asking for a free one and Redis binding it.
	var err error
	for range 5 {
		s.port = freePort(t)
		if err = s.start(); err == nil || errors.Is(err, exec.ErrNotFound) {
			break
		}
	}
	s.check(err)
}

// URL is the server's address, the same after a restart.
func (s *Server) URL() string { return "redis://" + s.Addr() + "/0" }

// Addr is the server's host and port.
func (s *Server) Addr() string { return "127.0.0.1:" + strconv.Itoa(s.port) }

// Kill ends the server as a crash would: with SIGKILL, so that it writes nothing more.
func (s *Server) Kill() {
	s.t.Helper()
	if s.ended == nil {
		s.t.Fatal("redis-server is not running")
	}
	s.stop()
}

// Restart restarts the killed server with the data of its directory.
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
		s.t.Fatal("there is no redis-server in the PATH: apt-get install redis-server, or brew install redis; " +
			"`make test` does it for you")
	}
	if err != nil {
		s.t.Fatalf("start redis-server: %v", err)
	}
}

// start returns once the server takes connections. On an error nothing is left running.
func (s *Server) start() error {
	args := slices.Concat(s.file, []string{"--port", strconv.Itoa(s.port)}, s.args)
	process := exec.Command("redis-server", args...)
	process.Env = append(os.Environ(), s.env...)
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

// follow reads the server's output until it ends. It detects there that the server is up, since another
// process may answer on the port.
func (s *Server) follow(output io.Reader, ready, ended chan<- struct{}) {
	defer close(ended)
	for lines := bufio.NewScanner(output); lines.Scan(); {
		s.log.Write(append(lines.Bytes(), '\n'))
		if ready != nil && bytes.Contains(lines.Bytes(), []byte(s.up)) {
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
	_ = s.process.Process.Kill() // an error means that it has already ended
	<-s.ended
	s.ended = nil
}

// freePort finds a port of the loopback interface that no process listens on at the moment.
func freePort(t testing.TB) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

// NewReplicated starts a master and a replica that has its data.
func NewReplicated(t testing.TB, args ...string) (master, replica *Server) {
	t.Helper()
	master = NewServer(t, append([]string{"--repl-diskless-sync-delay", "0"}, args...)...)
	replica = newReplica(t, master, args...)
	wait.UntilTrue(t, "the replica to confirm", func() bool { return master.followed(1) })
	return master, replica
}

func newReplica(t testing.TB, master *Server, args ...string) *Server {
	t.Helper()
	own := []string{"--repl-diskless-sync-delay", "0", "--replicaof", "127.0.0.1 " + strconv.Itoa(master.port)}
	replica := NewServer(t, append(own, args...)...)
	wait.UntilTrue(t, "the replica to have its master's data", replica.linked)
	return replica
}

// followed reports whether this number of replicas has all the server's writes.
func (s *Server) followed(replicas int) bool {
	s.t.Helper()
	client := redis.NewClient(&redis.Options{Addr: s.Addr()})
	defer client.Close()
	pipe := client.Pipeline()
	pipe.Publish(s.t.Context(), "storetest", "")
	confirmed := pipe.Do(s.t.Context(), "WAIT", replicas, 100)
	if _, err := pipe.Exec(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	count, err := confirmed.Int()
	return err == nil && count >= replicas
}

// Freeze stops the server's process: its connections stay open, and it does not answer.
func (s *Server) Freeze() { s.signal(syscall.SIGSTOP) }

// Thaw lets a frozen server go on.
func (s *Server) Thaw() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(signal os.Signal) {
	s.t.Helper()
	if err := s.process.Process.Signal(signal); err != nil {
		s.t.Fatal(err)
	}
}
