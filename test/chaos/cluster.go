package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"kasse/test/internal/testenv"
	"kasse/test/redisserver"
	"kasse/test/wait"
)

// cluster is a Redis Cluster of three masters with the same number of replicas each. Kasse connects to the nodes
// without a proxy, since the nodes redirect it to their own addresses.
type cluster struct {
	nodes []*redisServer
	shape clusterShape

	stalling sync.RWMutex // read-locked by each stall
}

// clusterShape is the setup of a cluster, and the number of replicas that Kasse waits for.
type clusterShape struct {
	replicas    int           // of each master
	confirming  int           // replicas that have to confirm: REDIS_WAIT_REPLICAS
	nodeTimeout time.Duration // a node that is silent for so long counts as failed
	migration   bool          // a replica may go to a master that has none
	stalls      bool          // single nodes are stopped for moments
	trace       string        // directory for a log of each node's commands; empty: none
}

const (
	clusterMasters    = 3
	clusterPartitions = 16 // of Kasse
)

// settings returns Kasse's settings for the cluster.
func (c *cluster) settings() map[string]string {
	seeds := []string{}
	for _, node := range c.nodes[1:] {
		seeds = append(seeds, "addr="+node.Address)
	}
	return map[string]string{
		"REDIS_MODE": "cluster", "REDIS_URL": "redis://" + c.nodes[0].Address + "?" + strings.Join(seeds, "&"),
		"REDIS_PARTITIONS": strconv.Itoa(clusterPartitions), "REDIS_WAIT_REPLICAS": strconv.Itoa(c.shape.confirming),
	}
}

// newCluster starts a cluster, and returns once all its nodes report it as healthy.
func newCluster(ctx context.Context, dir string, shape clusterShape) (*cluster, error) {
	c := &cluster{shape: shape}
	for n := range clusterMasters * (1 + shape.replicas) {
		node, err := shape.newNode(ctx, filepath.Join(dir, fmt.Sprintf("node-%d", n)))
		if err != nil {
			c.close()
			return nil, err
		}
		c.nodes = append(c.nodes, node)
	}
	if err := c.form(ctx); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// newNode starts a node that keeps its ports.
func (shape clusterShape) newNode(ctx context.Context, dir string) (*redisServer, error) {
	migration := map[bool]string{false: "no", true: "yes"}[shape.migration]
	bus, err := redisserver.FreePort()
	if err != nil {
		return nil, err
	}
	r, err := testenv.NewRedis(
		dir, "--cluster-enabled", "yes", "--cluster-port", strconv.Itoa(bus), "--repl-diskless-sync-delay", "0",
		"--cluster-node-timeout", strconv.FormatInt(shape.nodeTimeout.Milliseconds(), 10),
		"--cluster-replica-validity-factor", "0",
		"--repl-ping-replica-period", "1", "--cluster-allow-replica-migration", migration,
		"--cluster-require-full-coverage", "no",
	)
	if err != nil {
		return nil, err
	}
	r.KeepPort = true
	return &redisServer{Redis: r}, r.Start(ctx)
}

// form joins the nodes into a cluster.
func (c *cluster) form(ctx context.Context) error {
	nodes := make([]*testenv.Redis, 0, len(c.nodes))
	for _, node := range c.nodes {
		nodes = append(nodes, node.Redis)
	}
	if err := testenv.MeetCluster(ctx, clusterMasters, nodes); err != nil {
		return err
	}
	for i, node := range c.nodes[clusterMasters:] {
		master, err := c.nodes[i%clusterMasters].Client.Do(ctx, "CLUSTER", "MYID").Text()
		if err != nil {
			return err
		}
		if err := wait.For(ctx, func() error { return node.Client.ClusterReplicate(ctx, master).Err() }); err != nil {
			return err
		}
	}
	return c.awaitHealthy(ctx)
}

func (c *cluster) close() {
	for _, node := range c.nodes {
		node.Close()
	}
}

// awaitHealthy waits until every node knows three masters, and each master's replicas have its data.
func (c *cluster) awaitHealthy(ctx context.Context) error {
	return wait.For(ctx, func() error {
		masters := 0
		for _, node := range c.nodes {
			state, err := node.Client.ClusterInfo(ctx).Result()
			if err != nil {
				return err
			}
			replication, err := node.Client.Info(ctx, "replication").Result()
			if err != nil {
				return err
			}
			has := func(text string) bool { return strings.Contains(state+replication, text) }
			master := has("role:master") && strings.Count(replication, "state=online") == c.shape.replicas
			switch {
			case !has("cluster_state:ok"), !has("cluster_size:3"):
				return fmt.Errorf("%s: %s", node.Address, state)
			case master:
				masters++
			case !has("master_link_status:up"):
				return fmt.Errorf("%s: %s", node.Address, replication)
			}
		}
		if masters != clusterMasters {
			return fmt.Errorf("%d masters have all their replicas online, want %d", masters, clusterMasters)
		}
		return nil
	})
}

// owner returns the master of a partition, as the first reachable node reports it. It does not ask the excluded node;
// nil excludes none.
func (c *cluster) owner(ctx context.Context, partition int, excluded *redisServer) (*redisServer, error) {
	for _, node := range c.nodes {
		if node == excluded {
			continue
		}
		slot, err := node.Client.ClusterKeySlot(ctx, metaKey(partition)).Result()
		if err != nil {
			continue // the node is unreachable
		}
		ranges, err := node.Client.ClusterSlots(ctx).Result() //nolint:staticcheck // as go-redis looks them up
		if err != nil {
			continue
		}
		for _, r := range ranges {
			if r.Start <= int(slot) && int(slot) <= r.End {
				return c.at(r.Nodes[0].Addr)
			}
		}
	}
	return nil, fmt.Errorf("no node reports the master of partition %d", partition)
}

func metaKey(partition int) string { return fmt.Sprintf("kasse:{p%d}:meta", partition) }

func (c *cluster) at(address string) (*redisServer, error) {
	for _, node := range c.nodes {
		if node.Address == address {
			return node, nil
		}
	}
	return nil, fmt.Errorf("%s is not a node of the cluster", address)
}

// masters returns the nodes that report themselves as masters. Once the cluster is healthy, these hold all
// partitions.
func (c *cluster) masters(ctx context.Context) (all []*redisServer, err error) {
	for _, node := range c.nodes {
		replication, err := node.Client.Info(ctx, "replication").Result()
		if err != nil {
			return nil, err
		}
		if strings.Contains(replication, "role:master") {
			all = append(all, node)
		}
	}
	return all, nil
}

// awaitFailover waits until another node than the victim is the master of the partition.
func (c *cluster) awaitFailover(ctx context.Context, partition int, victim *redisServer) error {
	return wait.For(ctx, func() error {
		switch now, err := c.owner(ctx, partition, victim); {
		case err != nil:
			return err
		case now == victim:
			return fmt.Errorf("%[2]s is still the master of partition %[1]d", partition, victim.Address)
		}
		return nil
	})
}

// move moves the slot of a partition from one master to another, key by key.
func (c *cluster) move(ctx context.Context, partition int, from, to *redisServer) error {
	slot, err := from.Client.ClusterKeySlot(ctx, metaKey(partition)).Result()
	if err != nil {
		return err
	}
	ids := [2]string{}
	for i, node := range []*redisServer{from, to} {
		if ids[i], err = node.Client.Do(ctx, "CLUSTER", "MYID").Text(); err != nil {
			return err
		}
	}
	err = errors.Join(
		to.Client.Do(ctx, "CLUSTER", "SETSLOT", slot, "IMPORTING", ids[0]).Err(),
		from.Client.Do(ctx, "CLUSTER", "SETSLOT", slot, "MIGRATING", ids[1]).Err(),
	)
	if err != nil {
		return err
	}
	host, port, _ := net.SplitHostPort(to.Address)
	for {
		keys, err := from.Client.ClusterGetKeysInSlot(ctx, int(slot), 1).Result()
		if err != nil {
			return err
		}
		if len(keys) == 0 {
			break
		}
		err = from.Client.Migrate(ctx, host, port, keys[0], 0, 10*time.Second).Err()
		if err != nil && !errors.Is(err, redis.Nil) {
			return err
		}
	}
	for _, node := range []*redisServer{to, from} {
		if err := node.Client.Do(ctx, "CLUSTER", "SETSLOT", slot, "NODE", ids[1]).Err(); err != nil {
			return err
		}
	}
	return wait.For(ctx, func() error { // the new master announces it to the other nodes
		for _, node := range c.nodes {
			if now, err := c.owner(ctx, partition, node); err != nil || now != to {
				return fmt.Errorf("not every node knows the new master of partition %d: %w", partition, err)
			}
		}
		return nil
	})
}
