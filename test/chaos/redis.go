package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"

	"github.com/redis/go-redis/v9"
)

// redisServer is a redis-server with a directory of its own, that can be killed, frozen, and robbed of what it did not
// sync. After a new start it has another port: what is to find it goes through a proxy.
type redisServer struct {
	dir     string
	shim    string // the library that notes what was synced; empty where a power cut is not asked for
	args    []string
	address string
	process *process
	client  *redis.Client // a way of our own, that no fault touches
}

// newRedis starts a server. What the arguments do not say is as the README asks for: an append-only file that is synced
// at every write.
func newRedis(ctx context.Context, dir, shim string, args ...string) (*redisServer, error) {
	if _, err := exec.LookPath("redis-server"); err != nil {
		return nil, fmt.Errorf("test/setup/install.sh installs it: %w", err)
	}
	durable := []string{"--appendonly", "yes", "--appendfsync", "always", "--save", "", "--bind", "127.0.0.1", "--maxmemory-policy", "noeviction"}
	s := &redisServer{dir: dir, shim: shim, args: append(durable, args...)}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	return s, s.start(ctx)
}

var redisReady = regexp.MustCompile(`Ready to accept connections`)

// start returns once the server takes connections.
func (s *redisServer) start(ctx context.Context) error {
	var err error
	for range 5 { // somebody else may take the port between our asking for a free one and Redis binding it
		if err = s.startOnce(ctx); err == nil {
			return nil
		}
	}
	return err
}

func (s *redisServer) startOnce(ctx context.Context) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	env := []string{"PATH=" + os.Getenv("PATH")}
	if s.shim != "" {
		env = append(env, "LD_PRELOAD="+s.shim, "CHAOS_FSYNC_LOG="+s.syncLog())
	}
	program, _ := exec.LookPath("redis-server")
	s.process, err = start(s.dir, program, env, append([]string{"--port", strconv.Itoa(port)}, s.args...)...)
	if err != nil {
		return err
	}
	if _, err = s.process.said(ctx, redisReady); err != nil {
		s.process.kill()
		return err
	}
	s.address = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	if s.client != nil {
		s.client.Close()
	}
	s.client = redis.NewClient(&redis.Options{Addr: s.address})
	return nil
}

func freePort() (int, error) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

func (s *redisServer) close() {
	if s.process != nil {
		s.process.kill()
	}
	if s.client != nil {
		s.client.Close()
	}
}

func (s *redisServer) freeze() { s.process.signal(syscall.SIGSTOP) }
func (s *redisServer) thaw()   { s.process.signal(syscall.SIGCONT) }

func (s *redisServer) syncLog() string { return filepath.Join(s.dir, "fsync.log") }

// cutPower kills the server and takes away what it wrote and did not sync. It returns how many bytes that was.
func (s *redisServer) cutPower() (int64, error) {
	s.process.kill()
	synced, err := s.synced()
	if err != nil {
		return 0, err
	}
	gone := int64(0)
	err = filepath.WalkDir(filepath.Join(s.dir, "appendonlydir"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		file, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			return errors.New("this system has no inodes")
		}
		kept := synced[file.Ino]
		if info.Size() <= kept {
			return nil
		}
		gone += info.Size() - kept
		return os.Truncate(path, kept)
	})
	return gone, err
}

// synced reads how long each file was at its last sync, by inode.
func (s *redisServer) synced() (map[uint64]int64, error) {
	text, err := os.ReadFile(s.syncLog())
	if err != nil {
		return nil, fmt.Errorf("nothing was synced, or the shim was not loaded: %w", err)
	}
	sizes := map[uint64]int64{}
	for line := range strings.Lines(string(text)) {
		var inode uint64
		var size int64
		if _, err := fmt.Sscan(line, &inode, &size); err != nil {
			return nil, fmt.Errorf("fsync.log: %w", err)
		}
		sizes[inode] = size
	}
	return sizes, nil
}
