// Package storetest runs the tests of the store on every kind of Redis that Kasse supports.
//
// Each test starts its own server: a process, a port and a folder of its own. So tests can run at the same time and
// leave nothing behind. No environment variable names a shared server. If a server cannot be started, the test fails,
// since a suite that is skipped silently proves nothing.
package storetest

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"

	"github.com/redis/go-redis/v9"

	"kasse/test/program"
	"kasse/test/redisserver"
	"kasse/test/wait"
)

// RedisServer starts a redis-server, without persistence unless the arguments ask for it, and returns
// its address as "redis://127.0.0.1:PORT/0". The server ends with the test. The arguments are those of
// redis-server, such as "--appendonly", "yes".
func RedisServer(t testing.TB, args ...string) string {
	t.Helper()
	return NewServer(t, args...).URL()
}

// Server is a redis-server that a test can kill and start again on the same port and directory.
// It must not be used by several goroutines at once.
type Server struct {
	redisserver.Server
	t       testing.TB
	running bool
}

// NewServer is RedisServer for tests that kill or freeze the server.
func NewServer(t testing.TB, args ...string) *Server {
	t.Helper()
	s := prepare(t, args...)
	s.run()
	return s
}

// prepare returns a server that has not been started.
func prepare(t testing.TB, args ...string) *Server {
	t.Helper()
	s := &Server{t: t, Server: redisserver.Server{Dir: t.TempDir(), Env: os.Environ()}}
	s.Args = append([]string{"--dir", s.Dir, "--save", "", "--bind", "127.0.0.1"}, args...)
	return s
}

// run starts the server for the first time, on a free port, and ends it with the test.
func (s *Server) run() {
	s.t.Helper()
	s.t.Cleanup(func() {
		s.stop()
		if s.t.Failed() && s.Process != nil {
			s.t.Logf("redis-server on port %d printed:\n%s", s.Port, program.Tail(s.Process.Log))
		}
	})
	s.start()
}

// URL is the server's address, the same after a restart.
func (s *Server) URL() string { return "redis://" + s.Addr() + "/0" }

// Kill ends the server with SIGKILL, so that it writes nothing more, as in a crash.
func (s *Server) Kill() {
	s.t.Helper()
	if !s.running {
		s.t.Fatal("redis-server is not running")
	}
	s.stop()
}

// Restart restarts the killed server with the data of its directory.
func (s *Server) Restart() {
	s.t.Helper()
	if s.running {
		s.t.Fatal("redis-server is still running")
	}
	s.start()
}

// start returns once the server accepts connections, and fails the test if it does not start.
func (s *Server) start() {
	s.t.Helper()
	err := s.Start(s.t.Context())
	if errors.Is(err, exec.ErrNotFound) {
		s.t.Fatal("there is no redis-server in the PATH: apt-get install redis-server, or brew install redis; " +
			"`make test` does it")
	}
	if err != nil {
		s.t.Fatalf("start redis-server: %v", err)
	}
	s.running = true
}

// stop kills the process, if there is one, and waits for its end.
func (s *Server) stop() {
	if s.running {
		s.Process.Kill()
	}
	s.running = false
}

// freePort returns a port of the loopback interface on which no process listens now.
func freePort(t testing.TB) int {
	t.Helper()
	port, err := redisserver.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// NewReplicated starts a master and a replica, and returns once the replica has the master's data.
func NewReplicated(t testing.TB, args ...string) (master, replica *Server) {
	t.Helper()
	master = NewServer(t, append([]string{"--repl-diskless-sync-delay", "0"}, args...)...)
	replica = newReplica(t, master, args...)
	wait.UntilTrue(t, "the replica to confirm", func() bool { return master.followed(1) })
	return master, replica
}

func newReplica(t testing.TB, master *Server, args ...string) *Server {
	t.Helper()
	own := []string{"--repl-diskless-sync-delay", "0", "--replicaof", "127.0.0.1 " + strconv.Itoa(master.Port)}
	replica := NewServer(t, append(own, args...)...)
	wait.UntilTrue(t, "the replica to have its master's data", replica.linked)
	return replica
}

// followed reports whether at least so many replicas have all of the server's writes.
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

// Freeze suspends the server's process: its connections stay open, and it answers nothing.
func (s *Server) Freeze() { s.Process.Signal(syscall.SIGSTOP) }

// Thaw lets a frozen server continue.
func (s *Server) Thaw() { s.Process.Signal(syscall.SIGCONT) }
