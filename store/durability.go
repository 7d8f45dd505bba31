package store

import (
	"cmp"
	"fmt"
	"slices"
)

// Durability is which acknowledged writes a Redis keeps. It is that of its worst server, since any server
// may be the one that remains.
type Durability struct {
	Class string   // none, unknown, every second or every write, and how many replicas are waited for
	Loses string   // what may be lost, and when
	Flaws []string // why it is not every write, and what to set; empty: no setting needs a change
	// Failover returns what a failover may lose that was acknowledged, and the setting that prevents it; empty:
	// nothing.
	Failover string
}

// The classes, from the worst.
const (
	keepsNothing = iota
	keepsUnknown
	keepsSeconds
	keepsWrites
)

var classes = []struct{ name, loses string }{
	{"none", "everything since the last snapshot, when a Redis process ends or its machine fails"},
	{"unknown", "up to everything since the last snapshot: Redis does not show when it writes to disk"},
	{
		"every second",
		"about two seconds of what was acknowledged, when a machine loses power; nothing when only the process ends",
	},
	{"every write", "nothing that was acknowledged, as long as the disk is kept"},
}

// DurabilityOf returns the servers' durability, with the store's number of WaitReplicas.
func DurabilityOf(servers []Server, waitReplicas int) Durability {
	worst := keepsWrites
	var d Durability
	replicas := 0 // of the master that has the most
	for _, s := range servers {
		d.Flaws = append(d.Flaws, s.flaws()...)
		replicas = max(replicas, s.Replicas+s.Away)
		if !s.Unreachable {
			worst = min(worst, s.keeps())
		}
	}
	d.Class, d.Loses = classes[worst].name, classes[worst].loses
	if waitReplicas > 0 {
		d.Class += fmt.Sprintf(" + %d %s", waitReplicas, plural(waitReplicas, "replica"))
	}
	switch {
	case replicas > waitReplicas:
		d.Failover = fmt.Sprintf(
			"a failover loses what the promoted replica had not received: a master has %d %s and REDIS_WAIT_REPLICAS is "+
				"%d; only with %d does every replica that may be promoted have what was acknowledged",
			replicas, plural(replicas, "replica"), waitReplicas, replicas,
		)
		d.Loses += "; " + d.Failover
	case waitReplicas > 0:
		d.Loses += "; a failover loses nothing that was acknowledged, whichever replica is promoted"
	}
	return d
}

func plural(n int, noun string) string {
	if n == 1 {
		return noun
	}
	return noun + "s"
}

func (s Server) keeps() int {
	switch {
	case !s.AOF || s.Fsync == "no":
		return keepsNothing
	case s.Fsync == "":
		return keepsUnknown
	case s.Fsync == "always" && !s.Pauses:
		return keepsWrites
	}
	return keepsSeconds
}

// flaws returns the settings with which the server does not keep every write, and their corrections.
func (s Server) flaws() (flaws []string) {
	flaw := func(is bool, format string, args ...any) {
		if is {
			flaws = append(flaws, s.String()+" "+fmt.Sprintf(format, args...))
		}
	}
	if s.Unreachable {
		flaw(true, "does not answer: make sure that it runs, and that this machine can reach it")
		return flaws
	}
	flaw(!s.AOF, "has no append-only file: set appendonly yes")
	flaw(s.AOF && s.Fsync == "", "does not show how it writes to disk (CONFIG is refused): "+
		"look up appendfsync at its provider, then set REDIS_DURABILITY=off or warn")
	flaw(s.AOF && slices.Contains([]string{"everysec", "no"}, s.Fsync),
		"has appendfsync %s: set appendfsync always", s.Fsync)
	flaw(s.AOF && s.Pauses, "does not sync while it rewrites its file: set no-appendfsync-on-rewrite no")
	flaw(s.Failing != "", "cannot write to its disk (%s): read its log, and check whether the disk is full", s.Failing)
	flaw(s.Eviction != "noeviction", "deletes payments when its memory is full (maxmemory-policy %s): set "+
		"maxmemory-policy noeviction",
		cmp.Or(s.Eviction, "unknown policy"))
	return flaws
}
