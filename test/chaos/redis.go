package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"

	"kasse/test/internal/testenv"
)

// redisServer is a redis-server that can be killed and frozen, and whose power can be cut. A restart changes its
// port, so clients connect through a proxy.
type redisServer struct {
	*testenv.Redis
	held atomic.Bool // a fault has frozen it, and a stall must not thaw it
}

// newRedis starts a server. The shim logs fsync calls; without one, shim is empty.
func newRedis(ctx context.Context, dir, shim string, args ...string) (*redisServer, error) {
	r, err := testenv.NewRedis(dir, args...)
	if err != nil {
		return nil, err
	}
	s := &redisServer{Redis: r}
	if shim != "" {
		s.Env = append(s.Env, "LD_PRELOAD="+shim, "CHAOS_FSYNC_LOG="+s.syncLog())
	}
	return s, s.Start(ctx)
}

func (s *redisServer) freeze() { s.Process.Signal(syscall.SIGSTOP) }
func (s *redisServer) thaw()   { s.Process.Signal(syscall.SIGCONT) }

func (s *redisServer) syncLog() string { return filepath.Join(s.Dir, "fsync.log") }

// cutPower kills the server and removes the bytes that it wrote but did not sync. It returns their number.
func (s *redisServer) cutPower() (int64, error) {
	s.Process.Kill()
	synced, err := s.synced()
	if err != nil {
		return 0, err
	}
	gone := int64(0)
	err = filepath.WalkDir(filepath.Join(s.Dir, "appendonlydir"), func(
		path string, entry fs.DirEntry, err error,
	) error {
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

// synced returns each file's length at its last sync, by inode.
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
