package storetest

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"kasse/test/wait"
)

// Nodes are three sentinels, a master and two replicas with persistence. Each has a redis.conf that the sentinels
// rewrite, so that a restarted node has its last role, as in production. Nodes must not be used by several
// goroutines at once.
type Nodes struct {
	*Sentinels
	All []*Server // the first is the master at the start
}

// NewNodes starts the nodes, and returns once all know each other. They end with the test.
func NewNodes(t testing.TB) *Nodes {
	t.Helper()
	c := &Sentinels{t: t, master: newNode(t, nil)}
	for range 2 {
		c.replicas = append(c.replicas, newNode(t, c.master))
	}
	wait.UntilTrue(t, "the replicas to confirm", func() bool { return c.master.followed(len(c.replicas)) })
	c.watch()
	return &Nodes{Sentinels: c, All: append([]*Server{c.master}, c.replicas...)}
}

func newNode(t testing.TB, master *Server) *Server {
	t.Helper()
	s := prepare(t)
	s.Args = nil // the settings are in the file
	settings := []string{
		"bind 127.0.0.1", "dir " + s.Dir, `save ""`, "appendonly yes", "appendfsync always",
		"maxmemory-policy noeviction", "repl-diskless-sync-delay 0",
	}
	if master != nil {
		settings = append(settings, "replicaof 127.0.0.1 "+strconv.Itoa(master.Port))
	}
	file := filepath.Join(s.Dir, "redis.conf")
	if err := os.WriteFile(file, []byte(strings.Join(settings, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Config = file
	s.run()
	return s
}

// Master returns the node that the sentinels name as the master; nil while they name none of these.
func (n *Nodes) Master(ctx context.Context) *Server {
	client := redis.NewSentinelClient(&redis.Options{Addr: n.sentinels[0].Addr()})
	defer client.Close()
	address, err := client.GetMasterAddrByName(ctx, masterName).Result()
	if err != nil || len(address) != 2 {
		return nil
	}
	at := slices.IndexFunc(n.All, func(s *Server) bool { return s.Addr() == net.JoinHostPort(address[0], address[1]) })
	if at < 0 {
		return nil
	}
	return n.All[at]
}

// Replication is the state of a node's replication.
type Replication struct {
	Role     string // master or slave; "unreachable" if it does not answer
	Link     string // of a replica to its master: up or down
	History  string // master_replid: offsets of one history can be compared
	Offset   int64  // in that history, in bytes
	Replicas int64  // of a master: those that are online

	// After a promotion: the history that the replica followed, and its offset there plus 1.
	FormerHistory string
	FormerOffset  int64
}

// String returns the state as text for a log.
func (r Replication) String() string {
	if r.Role == "unreachable" {
		return "unreachable"
	}
	text := fmt.Sprintf("%s of %.6s at %d", r.Role, r.History, r.Offset)
	if r.Role == "slave" {
		text += ", link " + r.Link
	} else {
		text += fmt.Sprintf(", %d replicas", r.Replicas)
	}
	if r.FormerOffset > 0 {
		text += fmt.Sprintf(", had %.6s up to %d", r.FormerHistory, r.FormerOffset-1)
	}
	return text
}

// Replication reads the state of a node. Source: https://redis.io/docs/latest/commands/info/.
func (s *Server) Replication(ctx context.Context) Replication {
	client := redis.NewClient(&redis.Options{Addr: s.Addr(), MaxRetries: -1})
	defer client.Close()
	info, err := client.Info(ctx, "replication").Result()
	if err != nil {
		return Replication{Role: "unreachable"}
	}
	found, online := map[string]string{}, int64(0)
	for line := range strings.Lines(info) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		found[name] = value
		if strings.HasPrefix(name, "slave") && strings.Contains(value, "state=online") {
			online++
		}
	}
	number := func(name string) int64 {
		n, _ := strconv.ParseInt(found[name], 10, 64) // missing is 0
		return n
	}
	r := Replication{
		Role: found["role"], Link: found["master_link_status"], History: found["master_replid"],
		Offset: number("master_repl_offset"), Replicas: online,
		FormerHistory: found["master_replid2"], FormerOffset: number("second_repl_offset"),
	}
	if r.Role == "slave" {
		r.Offset = number("slave_repl_offset")
	}
	return r
}
