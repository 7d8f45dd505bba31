package storetest

import (
	"fmt"
	"testing"
)

// Masters is a Redis whose master can be replaced during a test: a cluster, or a master behind sentinels.
type Masters interface {
	URL() string
	Nodes() []*Server // the first is the master that is replaced
	FreezeMaster()
	ThawMaster()
	KillMaster()
}

// NewMasters starts a Redis of the mode sentinel, or cluster: three masters, the first of which has two replicas.
func NewMasters(t testing.TB, mode string) Masters {
	t.Helper()
	if mode == "cluster" {
		return NewCluster(t, 3, 4, "--cluster-require-full-coverage", "no")
	}
	return NewSentinels(t)
}

// FreezeMaster suspends the process of the first master. One of its replicas replaces it.
func (c *Cluster) FreezeMaster() { c.nodes[0].Freeze() }

// ThawMaster lets it continue: for a moment it still acts as a master.
func (c *Cluster) ThawMaster() { c.nodes[0].Thaw() }

// FreezeMaster suspends the process of the master. The sentinels replace it.
func (c *Sentinels) FreezeMaster() { c.master.Freeze() }

// ThawMaster lets it continue: for a moment it still acts as a master.
func (c *Sentinels) ThawMaster() { c.master.Thaw() }

// OfFirst returns a function that reports whether a partition is on the first master at the start.
func OfFirst(m Masters) func(partition int) bool {
	cluster, ok := m.(*Cluster)
	return func(n int) bool { return !ok || cluster.Owns(fmt.Sprintf("kasse:{p%d}:meta", n)) }
}
