package storetest

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"kasse/test/wait"
)

// Sentinels are three sentinels of one master with two replicas, all of them our own processes. They must not be
// used by several goroutines at once.
type Sentinels struct {
	t         testing.TB
	master    *Server
	replicas  []*Server
	sentinels []*Server
}

const (
	sentinelQuorum = 2
	masterName     = "kasse"
	downAfter      = time.Second     // a master that is silent for so long counts as failed
	failoverPause  = 2 * time.Second // until another sentinel tries a failover
)

// NewSentinels starts all of them, and returns once they know each other. They end with the test.
func NewSentinels(t testing.TB, args ...string) *Sentinels {
	t.Helper()
	c := &Sentinels{t: t, master: NewServer(t, append([]string{"--repl-diskless-sync-delay", "0"}, args...)...)}
	for range 2 {
		c.replicas = append(c.replicas, newReplica(t, c.master, args...))
	}
	wait.UntilTrue(t, "the replicas to confirm", func() bool { return c.master.followed(len(c.replicas)) })
	c.watch()
	return c
}

// watch starts the sentinels, and returns once they all know each other.
func (c *Sentinels) watch() {
	t := c.t
	t.Helper()
	for range 3 {
		c.sentinels = append(c.sentinels, newSentinel(t, c.master))
	}
	for _, sentinel := range c.sentinels {
		wait.UntilTrue(t, "the sentinels to know each other", func() bool {
			known := sentinel.reply("INFO", "sentinel")
			return strings.Contains(known, "status=ok") && strings.Contains(known, "slaves=2,sentinels=3")
		})
	}
}

func newSentinel(t testing.TB, master *Server) *Server {
	t.Helper()
	s := prepare(t)
	s.Args, s.Ready = []string{"--sentinel"}, regexp.MustCompile(`\+monitor master`)
	settings := strings.Join([]string{
		fmt.Sprintf("sentinel monitor %s 127.0.0.1 %d %d", masterName, master.Port, sentinelQuorum),
		fmt.Sprintf("sentinel down-after-milliseconds %s %d", masterName, downAfter.Milliseconds()),
		fmt.Sprintf("sentinel failover-timeout %s %d", masterName, failoverPause.Milliseconds()),
		"bind 127.0.0.1", "dir " + s.Dir,
	}, "\n")
	file := filepath.Join(s.Dir, "sentinel.conf")
	if err := os.WriteFile(file, []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Config = file
	s.run()
	return s
}

// URL returns the addresses of all sentinels, in go-redis's syntax.
func (c *Sentinels) URL() string {
	var others []string
	for _, sentinel := range c.sentinels[1:] {
		others = append(others, "addr="+sentinel.Addr())
	}
	return "redis://" + c.sentinels[0].Addr() + "/0?master_name=" + masterName + "&" + strings.Join(others, "&")
}

// Nodes returns the servers with data, first the one that was the master at the start.
func (c *Sentinels) Nodes() []*Server { return append([]*Server{c.master}, c.replicas...) }

// CutOff separates the master from its replicas: it serves, and no replica receives its writes.
func (c *Sentinels) CutOff() { cutOff(c.master, c.replicas) }

// KillMaster kills the master, and lets its replicas continue.
func (c *Sentinels) KillMaster() { replace(c.master, c.replicas) }

// Sentinels returns the sentinels.
func (c *Sentinels) Sentinels() []*Server { return c.sentinels }
