package testenv

import (
	"context"
	"fmt"
	"os"
	"os/exec"

	"github.com/redis/go-redis/v9"

	"kasse/test/redisserver"
)

// ClientName is the connection name of Redis.Client. It distinguishes the client from Kasse's.
const ClientName = "testenv"

// Redis is a redis-server with its own directory. A restart changes its port, unless KeepPort is set.
type Redis struct {
	redisserver.Server
	KeepPort bool // restarts use the port of the first start
	Address  string
	Client   *redis.Client // a direct connection, which injected faults do not affect
}

// NewRedis prepares a server. Its default settings are the README's: an append-only file that is synced at
// every write. args overrides them.
func NewRedis(dir string, args ...string) (*Redis, error) {
	if _, err := exec.LookPath("redis-server"); err != nil {
		return nil, fmt.Errorf("redis-server is missing, run test/setup/install.sh: %w", err)
	}
	durable := []string{
		"--appendonly", "yes", "--appendfsync", "always", "--save", "", "--bind", "127.0.0.1",
		"--maxmemory-policy", "noeviction",
	}
	s := &Redis{Server: redisserver.Server{Dir: dir, Args: append(durable, args...)}}
	s.Env = []string{"PATH=" + os.Getenv("PATH")}
	return s, os.Mkdir(dir, 0o700)
}

// Start starts the server on a free port and returns once it accepts connections.
func (s *Redis) Start(ctx context.Context) error {
	if !s.KeepPort {
		s.Port = 0
	}
	if err := s.Server.Start(ctx); err != nil {
		return err
	}
	s.Address = s.Addr()
	if s.Client != nil {
		s.Client.Close()
	}
	s.Client = redis.NewClient(&redis.Options{Addr: s.Address, ClientName: ClientName})
	return nil
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
