package storetest

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"kasse/test/wait"
)

// Cluster is a Redis Cluster of our own processes. Replicas are assigned to the masters in turn. It must not be
// used by several goroutines at once.
type Cluster struct {
	t       testing.TB
	masters int
	nodes   []*Server // first those that were masters at the start
}

// clusterTimeout is how long a node may be silent before it counts as failed.
const clusterTimeout = 1500 * time.Millisecond

// clusterSlots is the number of slots of a cluster.
const clusterSlots = 16384

// NewCluster starts a Redis Cluster, and returns once all its nodes report it as healthy. It ends
// with the test.
func NewCluster(t testing.TB, masters, replicas int, args ...string) *Cluster {
	t.Helper()
	c := &Cluster{t: t, masters: masters}
	for range masters + replicas {
		c.nodes = append(c.nodes, NewServer(t, append([]string{
			"--cluster-enabled", "yes", "--cluster-port", strconv.Itoa(freePort(t)), "--repl-diskless-sync-delay", "0",
			"--repl-ping-replica-period", "1", // clients do not see a replica before it has received something
			"--cluster-node-timeout", strconv.FormatInt(clusterTimeout.Milliseconds(), 10),
			"--cluster-replica-validity-factor", "0",
		}, args...)...))
	}
	for i, node := range c.nodes {
		node.must("CLUSTER", "SET-CONFIG-EPOCH", i+1)
		if i < masters {
			node.must("CLUSTER", "ADDSLOTSRANGE", i*clusterSlots/masters, (i+1)*clusterSlots/masters-1)
		}
	}
	first := c.nodes[0]
	for _, node := range c.nodes[1:] {
		node.must("CLUSTER", "MEET", "127.0.0.1", first.Port, node.busOf(first))
	}
	c.settled(0)
	for i, node := range c.nodes[masters:] {
		node.must("CLUSTER", "REPLICATE", c.nodes[i%masters].reply("CLUSTER", "MYID"))
	}
	c.settled(replicas)
	for i := range replicas {
		wait.UntilTrue(t, "the replica to confirm", func() bool { return c.nodes[i%masters].followed(1) })
	}
	return c
}

// busOf returns the port of another server's cluster bus, which CLUSTER MEET needs.
func (s *Server) busOf(other *Server) string { return other.reply("CONFIG", "GET", "cluster-port") }

// settled waits until every node knows every other and its role, and each replica has its master's
// data.
func (c *Cluster) settled(replicas int) {
	c.t.Helper()
	for _, node := range c.nodes {
		wait.UntilTrue(c.t, "the cluster to settle", func() bool {
			state, nodes := node.reply("CLUSTER", "INFO"), node.reply("CLUSTER", "NODES")
			return strings.Contains(state, "cluster_state:ok") &&
				strings.Contains(state, fmt.Sprintf("cluster_known_nodes:%d", len(c.nodes))) &&
				strings.Contains(state, fmt.Sprintf("cluster_size:%d", c.masters)) &&
				strings.Count(nodes, "slave ") == replicas && node.linked()
		})
	}
}

// linked reports whether the server has all of its master's data, if it has a master.
func (s *Server) linked() bool {
	replication := s.reply("INFO", "replication")
	return strings.Contains(replication, "role:master") || strings.Contains(replication, "master_link_status:up")
}

// URL returns the addresses of all nodes, in go-redis's syntax.
func (c *Cluster) URL() string {
	var seeds []string
	for _, node := range c.nodes[1:] {
		seeds = append(seeds, "addr="+node.Addr())
	}
	return "redis://" + c.nodes[0].Addr() + "?" + strings.Join(seeds, "&")
}

// Nodes returns the servers, first those that were masters at the start.
func (c *Cluster) Nodes() []*Server { return c.nodes }

// replicasOfFirst returns the replicas of the first master.
func (c *Cluster) replicasOfFirst() (replicas []*Server) {
	for i := c.masters; i < len(c.nodes); i += c.masters {
		replicas = append(replicas, c.nodes[i])
	}
	return replicas
}

// CutOff separates the first master from its replicas: it serves, and no replica receives its writes.
func (c *Cluster) CutOff() { cutOff(c.nodes[0], c.replicasOfFirst()) }

// KillMaster kills the first master, and lets its replicas continue.
func (c *Cluster) KillMaster() { replace(c.nodes[0], c.replicasOfFirst()) }

// cutOff freezes the replicas before it closes their connections. Otherwise they would still receive buffered
// data.
func cutOff(master *Server, replicas []*Server) {
	for _, replica := range replicas {
		replica.Freeze()
	}
	master.must("CLIENT", "KILL", "TYPE", "replica")
}

func replace(master *Server, replicas []*Server) {
	master.Kill()
	for _, replica := range replicas {
		replica.Thaw()
	}
}

// reply sends one command on a new connection, and returns the reply as text. Of a list it returns the last
// element.
func (s *Server) reply(command ...any) string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), waitLimit)
	defer cancel()
	client := redis.NewClient(&redis.Options{Addr: s.Addr(), Protocol: 2})
	defer client.Close()
	answer, err := client.Do(ctx, command...).Result()
	if err != nil {
		s.t.Fatalf("%v: %v", command, err)
	}
	if list, ok := answer.([]any); ok && len(list) > 0 {
		answer = list[len(list)-1]
	}
	return fmt.Sprint(answer)
}

func (s *Server) must(command ...any) {
	s.t.Helper()
	s.reply(command...)
}

// Empty removes all data of a Redis of any kind.
func Empty(ctx context.Context, client redis.UniversalClient) error {
	if cluster, ok := client.(*redis.ClusterClient); ok {
		return cluster.ForEachMaster(ctx, func(ctx context.Context, master *redis.Client) error {
			return master.FlushAll(ctx).Err()
		})
	}
	return client.FlushAll(ctx).Err()
}

// MoveSlot moves the slot of a key from the first master to the second, as redis-cli --cluster
// reshard does.
func (c *Cluster) MoveSlot(key string) {
	c.t.Helper()
	from, to := c.nodes[0], c.nodes[1]
	slot := from.reply("CLUSTER", "KEYSLOT", key)
	to.must("CLUSTER", "SETSLOT", slot, "IMPORTING", from.reply("CLUSTER", "MYID"))
	from.must("CLUSTER", "SETSLOT", slot, "MIGRATING", to.reply("CLUSTER", "MYID"))
	for from.reply("CLUSTER", "COUNTKEYSINSLOT", slot) != "0" {
		if one := from.reply("CLUSTER", "GETKEYSINSLOT", slot, 1); one != "[]" {
			from.must("MIGRATE", "127.0.0.1", to.Port, one, 0, waitLimit.Milliseconds())
		}
	}
	for _, node := range []*Server{to, from} {
		node.must("CLUSTER", "SETSLOT", slot, "NODE", to.reply("CLUSTER", "MYID"))
	}
}

// Owns reports whether the first master has the slot of a key.
func (c *Cluster) Owns(key string) bool {
	c.t.Helper()
	slot, err := strconv.Atoi(c.nodes[0].reply("CLUSTER", "KEYSLOT", key))
	return err == nil && slot < clusterSlots/c.masters
}
