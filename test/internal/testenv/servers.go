package testenv

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"kasse/test/redisserver"
	"kasse/test/wait"
)

// RedisModes are the setups of NewServers: the values of REDIS_MODE.
var RedisModes = []string{"single", "sentinel", "cluster"}

const (
	clusterMasters = 3
	clusterSlots   = 16_384
	sentinelCount  = 3
	sentinelQuorum = 2
	masterName     = "kasse"
)

// Servers are the redis-servers of one setup: a single server, a master with replicas behind three sentinels, or a
// cluster of three masters with replicas. Close ends all of them.
type Servers struct {
	Mode                         string
	Masters, Replicas, Sentinels []*Redis

	dir  string
	args []string
}

// NewServers starts a setup, and returns once its servers have found each other and each replica has its master's
// data. replicas is the number of replicas of each master; a single server has none. args overrides the defaults of
// NewRedis.
func NewServers(ctx context.Context, dir, mode string, replicas int, args ...string) (*Servers, error) {
	s := &Servers{Mode: mode, dir: dir, args: append([]string{"--repl-diskless-sync-delay", "0"}, args...)}
	start := map[string]func(context.Context, int) error{
		"single":   func(ctx context.Context, _ int) error { return s.startMasters(ctx, 1) },
		"sentinel": s.startSentinels,
		"cluster":  s.startCluster,
	}[mode]
	if start == nil {
		return nil, fmt.Errorf("%q is not a Redis mode; use one of %s", mode, strings.Join(RedisModes, ", "))
	}
	err := os.MkdirAll(dir, 0o700)
	if err == nil {
		err = start(ctx, replicas)
	}
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("%s: %w", mode, err)
	}
	return s, nil
}

// Settings returns REDIS_MODE and REDIS_URL. The URL names every server to which a client may connect first.
func (s *Servers) Settings() map[string]string {
	entries, path, query := s.Masters, "/0", []string{}
	switch s.Mode {
	case "sentinel":
		entries, query = s.Sentinels, []string{"master_name=" + masterName}
	case "cluster":
		entries, path = append(append([]*Redis{}, s.Masters...), s.Replicas...), ""
	}
	for _, other := range entries[1:] {
		query = append(query, "addr="+other.Address)
	}
	url := "redis://" + entries[0].Address + path
	if len(query) > 0 {
		url += "?" + strings.Join(query, "&")
	}
	return map[string]string{"REDIS_MODE": s.Mode, "REDIS_URL": url}
}

// Close kills all servers.
func (s *Servers) Close() {
	for _, all := range [][]*Redis{s.Sentinels, s.Replicas, s.Masters} {
		for _, server := range all {
			server.Close()
		}
	}
}

// start starts a server that holds data, and appends it to into.
func (s *Servers) start(ctx context.Context, into *[]*Redis, more ...string) error {
	dir := filepath.Join(s.dir, fmt.Sprintf("redis-%d", len(s.Masters)+len(s.Replicas)))
	r, err := NewRedis(dir, append(more, s.args...)...)
	if err != nil {
		return err
	}
	*into = append(*into, r)
	return r.Start(ctx)
}

func (s *Servers) startMasters(ctx context.Context, count int) error {
	for range count {
		if err := s.start(ctx, &s.Masters); err != nil {
			return err
		}
	}
	return nil
}

// startSentinels starts a master, its replicas and the sentinels.
func (s *Servers) startSentinels(ctx context.Context, replicas int) error {
	if err := s.startMasters(ctx, 1); err != nil {
		return err
	}
	port := strconv.Itoa(s.Masters[0].Port)
	for range replicas {
		if err := s.start(ctx, &s.Replicas, "--replicaof", "127.0.0.1 "+port); err != nil {
			return err
		}
	}
	if err := s.awaitReplicas(ctx, replicas); err != nil {
		return err
	}
	for n := range sentinelCount {
		if err := s.startSentinel(ctx, filepath.Join(s.dir, fmt.Sprintf("sentinel-%d", n)), port); err != nil {
			return err
		}
	}
	known := fmt.Sprintf("status=ok,address=%s,slaves=%d,sentinels=%d", s.Masters[0].Address, replicas, sentinelCount)
	for _, sentinel := range s.Sentinels {
		if err := sentinel.awaitInfo(ctx, "sentinel", known); err != nil {
			return err
		}
	}
	return nil
}

var monitors = regexp.MustCompile(`\+monitor master`)

func (s *Servers) startSentinel(ctx context.Context, dir, port string) error {
	r, err := NewRedis(dir)
	if err != nil {
		return err
	}
	r.Config, r.Args, r.Ready = filepath.Join(dir, "sentinel.conf"), []string{"--sentinel"}, monitors
	settings := fmt.Sprintf(
		"sentinel monitor %s 127.0.0.1 %s %d\nbind 127.0.0.1\ndir %s\n", masterName, port, sentinelQuorum, dir,
	)
	if err := os.WriteFile(r.Config, []byte(settings), 0o600); err != nil {
		return err
	}
	s.Sentinels = append(s.Sentinels, r)
	return r.Start(ctx)
}

// startCluster starts the masters of a cluster and the replicas of each.
func (s *Servers) startCluster(ctx context.Context, replicas int) error {
	for n := range clusterMasters * (1 + replicas) {
		bus, err := redisserver.FreePort()
		if err != nil {
			return err
		}
		into := &s.Masters
		if n >= clusterMasters {
			into = &s.Replicas
		}
		if err := s.start(ctx, into, "--cluster-enabled", "yes", "--cluster-port", strconv.Itoa(bus)); err != nil {
			return err
		}
	}
	nodes := append(append([]*Redis{}, s.Masters...), s.Replicas...)
	if err := MeetCluster(ctx, clusterMasters, nodes); err != nil {
		return err
	}
	known := fmt.Sprint("cluster_known_nodes:", clusterMasters*(1+replicas))
	for _, node := range nodes {
		if err := node.awaitClusterInfo(ctx, "cluster_state:ok", known); err != nil {
			return err
		}
	}
	for i, replica := range s.Replicas {
		master, err := s.Masters[i%clusterMasters].Client.Do(ctx, "CLUSTER", "MYID").Text()
		if err != nil {
			return err
		}
		if err := replica.Client.ClusterReplicate(ctx, master).Err(); err != nil {
			return err
		}
	}
	return s.awaitReplicas(ctx, replicas)
}

// MeetCluster joins nodes into a cluster. The first of them become the masters and share the slots evenly.
func MeetCluster(ctx context.Context, masters int, nodes []*Redis) error {
	first := nodes[0].Client
	for i, node := range nodes {
		_, port, err := net.SplitHostPort(node.Address)
		if err != nil {
			return err
		}
		bus, err := node.Client.ConfigGet(ctx, "cluster-port").Result()
		if err != nil {
			return err
		}
		all := []error{
			node.Client.Do(ctx, "CLUSTER", "SET-CONFIG-EPOCH", i+1).Err(),
			first.Do(ctx, "CLUSTER", "MEET", "127.0.0.1", port, bus["cluster-port"]).Err(),
		}
		if i < masters {
			from, to := i*clusterSlots/masters, (i+1)*clusterSlots/masters-1
			all = append(all, node.Client.ClusterAddSlotsRange(ctx, from, to).Err())
		}
		if err := errors.Join(all...); err != nil {
			return err
		}
	}
	return nil
}

// awaitReplicas waits until each master's replicas have its data.
func (s *Servers) awaitReplicas(ctx context.Context, replicas int) error {
	for _, master := range s.Masters {
		for n := range replicas {
			if err := master.awaitInfo(ctx, "replication", fmt.Sprintf("slave%d:", n), "state=online"); err != nil {
				return err
			}
		}
	}
	for _, replica := range s.Replicas {
		if err := replica.awaitInfo(ctx, "replication", "master_link_status:up"); err != nil {
			return err
		}
	}
	return nil
}

// awaitInfo waits until a section of INFO has these texts.
func (s *Redis) awaitInfo(ctx context.Context, section string, texts ...string) error {
	return awaitTexts(ctx, texts, func() (string, error) { return s.Client.Info(ctx, section).Result() })
}

// awaitClusterInfo waits until CLUSTER INFO has these texts.
func (s *Redis) awaitClusterInfo(ctx context.Context, texts ...string) error {
	return awaitTexts(ctx, texts, func() (string, error) { return s.Client.ClusterInfo(ctx).Result() })
}

func awaitTexts(ctx context.Context, texts []string, read func() (string, error)) error {
	return wait.For(ctx, func() error {
		info, err := read()
		if err != nil {
			return err
		}
		for _, text := range texts {
			if !strings.Contains(info, text) {
				return fmt.Errorf("no %s in %s", text, info)
			}
		}
		return nil
	})
}
