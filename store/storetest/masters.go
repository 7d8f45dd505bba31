package storetest

import (
	"fmt"
	"testing"
)

// Masters is a Redis whose master can be replaced under a test: a cluster, or a master behind sentinels.
type Masters interface {
	URL() string
	Nodes() []*Server // the master that is replaced comes first
	FreezeMaster()
	ThawMaster()
	KillMaster()
}

// NewMasters starts one of that mode: cluster, with two replicas of the first of three masters, or sentinel.
func NewMasters(t testing.TB, mode string) Masters {
	t.Helper()
	if mode == "cluster" {
		return NewCluster(t, 3, 4, "--cluster-require-full-coverage", "no")
	}
	return NewSentinels(t)
}

// FreezeMaster stops the first master where it stands. Its replicas go on, and one replaces it.
func (c *Cluster) FreezeMaster() { c.nodes[0].Freeze() }

// ThawMaster lets it go on: for a moment it believes that it is the master still.
func (c *Cluster) ThawMaster() { c.nodes[0].Thaw() }

// FreezeMaster stops the master where it stands. The sentinels replace it.
func (c *Sentinels) FreezeMaster() { c.master.Freeze() }

// ThawMaster lets it go on: for a moment it believes that it is the master still.
func (c *Sentinels) ThawMaster() { c.master.Thaw() }

// OfFirst reports of a partition whether the first master holds it at the start.
func OfFirst(m Masters) func(partition int) bool {
	cluster, ok := m.(*Cluster)
	return func(n int) bool { return !ok || cluster.Owns(fmt.Sprintf("kasse:{p%d}:meta", n)) }
}
