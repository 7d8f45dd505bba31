package testenv

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strconv"

	"github.com/redis/go-redis/v9"
)

// ClientName is the connection name of this client, to tell it from Kasse's.
const ClientName = "testenv"

// Redis is a redis-server with its own directory. A restart changes its port.
type Redis struct {
	Dir     string
	Env     []string // added to the PATH
	Args    []string
	Address string
	Process *Process
	Client  *redis.Client // a direct connection, outside the reach of injected faults
}

// NewRedis prepares a server. Its default settings are the README's: an append-only file that is synced at
// every write. args overrides them.
func NewRedis(dir string, args ...string) (*Redis, error) {
	if _, err := exec.LookPath("redis-server"); err != nil {
		return nil, fmt.Errorf("test/setup/install.sh installs it: %w", err)
	}
	durable := []string{
		"--appendonly", "yes", "--appendfsync", "always", "--save", "", "--bind", "127.0.0.1",
		"--maxmemory-policy", "noeviction",
	}
	return &Redis{Dir: dir, Args: append(durable, args...)}, os.Mkdir(dir, 0o700)
}

var redisReady = regexp.MustCompile(`Ready to accept connections`)

// Start starts the server and returns once it accepts connections.
func (s *Redis) Start(ctx context.Context) error {
	var err error
	for range 5 { // another process may take the free port before Redis binds it
		if err = s.startOnce(ctx); err == nil {
			return nil
		}
	}
	return err
}

func (s *Redis) startOnce(ctx context.Context) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	program, _ := exec.LookPath("redis-server")
	env := append([]string{"PATH=" + os.Getenv("PATH")}, s.Env...)
	s.Process, err = Start(s.Dir, program, env, append([]string{"--port", strconv.Itoa(port)}, s.Args...)...)
	if err != nil {
		return err
	}
	_, err = s.Process.AwaitLine(ctx, redisReady)
	for err != nil && s.isLoading() && ctx.Err() == nil { // many keys take long on a busy machine
		_, err = s.Process.AwaitLine(ctx, redisReady)
	}
	if err != nil {
		s.Process.Kill()
		return err
	}
	s.Address = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	if s.Client != nil {
		s.Client.Close()
	}
	s.Client = redis.NewClient(&redis.Options{Addr: s.Address, ClientName: ClientName})
	return nil
}

// isLoading reports whether the server runs, and reads its file.
func (s *Redis) isLoading() bool {
	text, err := os.ReadFile(s.Process.Log)
	return err == nil && !s.Process.HasEnded() && bytes.Contains(text, []byte("Loading RDB"))
}

func freePort() (int, error) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

// Close kills the server.
func (s *Redis) Close() {
	if s.Process != nil {
		s.Process.Kill()
	}
	if s.Client != nil {
		s.Client.Close()
	}
}
