package store_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"kasse/service/payment"
	"kasse/store"
	"kasse/store/storetest"
	"kasse/test/wait"
)

// modes are those with several servers.
var modes = []string{"cluster", "sentinel"}

// processOn returns a store as in production: with both optimizations, and listening for hints.
func processOn(t *testing.T, mode, url string) *store.Store {
	t.Helper()
	o := options
	o.Readers, o.AutoPipeline = readers(t, mode, url, true), true
	s := store.New(connectTo(t, mode, url), o)
	wait.Until(t, "the marks", func() error { return s.Mark(t.Context(), store.Identity{Service: "kasse"}) })
	listening(t, s)
	return s
}

// paymentsOf returns payments whose order and pointer are in partitions for which holds is true.
func paymentsOf(t *testing.T, count int, holds func(partition int) bool) (ids []payment.ID) {
	t.Helper()
	for n := range 10_000 {
		id := payment.ID(fmt.Sprintf("pi_%d", n))
		if holds(storetest.Partition(string(id))) && holds(storetest.Partition(string(storetest.OrderOf(id)))) {
			if ids = append(ids, id); len(ids) == count {
				return ids
			}
		}
	}
	t.Fatalf("only %d payments were found", len(ids))
	return nil
}

// paymentOf returns a payment of the first master.
func paymentOf(t *testing.T, servers storetest.Masters) payment.ID {
	t.Helper()
	return paymentsOf(t, 1, storetest.OfFirst(servers))[0]
}

// moveSlots moves the slots of a payment's order and of its pointer to the second master.
func moveSlots(cluster *storetest.Cluster, id payment.ID) {
	for _, name := range []string{string(id), string(storetest.OrderOf(id))} {
		cluster.MoveSlot(fmt.Sprintf("kasse:{p%d}:meta", storetest.Partition(name)))
	}
}

// viewKept reads until the view is served from memory.
func viewKept(t *testing.T, s *store.Store, id payment.ID) {
	t.Helper()
	wait.UntilTrue(t, "the view to be kept", func() bool {
		before := s.CacheStats().Hits
		_, err := s.LoadView(t.Context(), id)
		return err == nil && s.CacheStats().Hits > before
	})
}

// staleAfter is how long an older view may be served after a change was acknowledged.
const staleAfter = 1500 * time.Millisecond

// change is an acknowledged change of a payment.
type change struct {
	version int64
	at      time.Time
}

// changed writes the next version of a payment as another process does, and repeats it until it is acknowledged.
func changed(t *testing.T, s *store.Store, id payment.ID) (c change) {
	t.Helper()
	wait.Until(t, "a change to be acknowledged", func() error {
		_, made, err := write(t.Context(), s, id)
		if err == nil {
			c = change{made.Views[0].Version, time.Now()}
		}
		return err
	})
	return c
}

// neverStale reads until the changed view is served from memory. It fails the test if an older view is served more
// than staleAfter after the change was acknowledged.
func neverStale(t *testing.T, s *store.Store, id payment.ID, c change) {
	t.Helper()
	wait.UntilTrue(t, "the change to be served from memory", func() bool {
		began, before := time.Now(), s.CacheStats().Hits
		v, err := s.LoadView(t.Context(), id)
		if err == nil && v.Version < c.version && began.Sub(c.at) > staleAfter {
			t.Errorf("version %d was served %s after version %d was acknowledged",
				v.Version, began.Sub(c.at), c.version)
		}
		return err == nil && v.Version == c.version && s.CacheStats().Hits > before
	})
}

// TestViewsFollowTheMaster: after a failover, a kept view is no longer served once the new master has changed it. The
// old master has died, or was frozen and continues later.
func TestViewsFollowTheMaster(t *testing.T) {
	replace := map[string]func(storetest.Masters) (after func()){
		"killed": func(m storetest.Masters) func() { m.KillMaster(); return func() {} },
		"frozen": func(m storetest.Masters) func() { m.FreezeMaster(); return m.ThawMaster },
	}
	for _, mode := range modes {
		for name, failOver := range replace {
			t.Run(mode+", "+name, func(t *testing.T) {
				t.Parallel()
				servers := storetest.NewMasters(t, mode)
				id := paymentOf(t, servers)
				one := processOn(t, mode, servers.URL())
				other := store.New(connectTo(t, mode, servers.URL()), waiting(1)) // its writes survive the failover
				changed(t, other, id)
				viewKept(t, one, id)
				after := failOver(servers)
				neverStale(t, one, id, changed(t, other, id))
				after()
				for range 3 {
					neverStale(t, one, id, changed(t, other, id))
				}
			})
		}
	}
}

// TestViewsFollowTheSlot: after its slot has moved, a kept view is no longer served once the new master has changed it.
func TestViewsFollowTheSlot(t *testing.T) {
	t.Parallel()
	cluster := storetest.NewCluster(t, 2, 0)
	id := paymentOf(t, cluster)
	one := processOn(t, "cluster", cluster.URL())
	other := store.New(connectTo(t, "cluster", cluster.URL()), options)
	changed(t, other, id)
	viewKept(t, one, id)
	moveSlots(cluster, id)
	for range 3 {
		neverStale(t, one, id, changed(t, other, id))
	}
}

// TestViewsEndWithTheirConnection: a kept view is read again after the connections were cut on which changes are
// reported.
func TestViewsEndWithTheirConnection(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			servers := storetest.NewMasters(t, mode)
			id := paymentOf(t, servers)
			one := processOn(t, mode, servers.URL())
			other := store.New(connectTo(t, mode, servers.URL()), options)
			changed(t, other, id)
			for range 3 {
				viewKept(t, one, id)
				client := redis.NewClient(&redis.Options{Addr: servers.Nodes()[0].Addr()})
				defer client.Close()
				for _, kind := range []string{"normal", "pubsub"} {
					must(t, client.Do(t.Context(), "CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes").Err())
				}
				neverStale(t, one, id, changed(t, other, id))
			}
		})
	}
}

// TestOnlyTheDeadMastersPartitionsWait: while one master of a cluster is frozen or dead, calls about its partitions
// wait or fail, and all others succeed.
func TestOnlyTheDeadMastersPartitionsWait(t *testing.T) {
	for name, stop := range map[string]func(*storetest.Server){
		"killed": (*storetest.Server).Kill, "frozen": (*storetest.Server).Freeze,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cluster := storetest.NewCluster(t, 3, 0, "--cluster-require-full-coverage", "no")
			s := processOn(t, "cluster", cluster.URL())
			first := storetest.OfFirst(cluster)
			dead := paymentsOf(t, 4, first)
			alive := paymentsOf(t, 4, func(n int) bool { return !first(n) })
			for _, id := range slices.Concat(dead, alive) {
				mustWrite(t, s, id)
			}
			stop(cluster.Nodes()[0])
			ctx, cancel := context.WithCancel(t.Context())
			var all sync.WaitGroup
			defer all.Wait()
			defer cancel()
			var refused atomic.Int64
			for n := range 8 * len(dead) { // more at once than a pool has connections
				all.Go(func() {
					for ctx.Err() == nil {
						if _, _, err := write(ctx, s, dead[n%len(dead)]); err == nil {
							t.Error("an unreachable master accepted a write")
						}
						refused.Add(1)
					}
				})
			}
			for round := 0; round < 20 || refused.Load() == 0; round++ {
				for _, id := range alive {
					_, c := mustWrite(t, s, id)
					if v := shownVersion(t, s, id); v != c.Views[0].Version {
						t.Errorf("%s is shown with version %d, and was written with %d", id, v, c.Views[0].Version)
					}
				}
			}
		})
	}
}

// TestPipelineOfOneMaster: commands to a cluster are sent in pipelines. Each is observed once, also if the reply is
// MOVED and it is sent to another master.
func TestPipelineOfOneMaster(t *testing.T) {
	t.Parallel()
	cluster := storetest.NewCluster(t, 2, 0)
	log := &commandLog{}
	o := options
	o.AutoPipeline, o.Observer, o.Readers = true, log, readers(t, "cluster", cluster.URL(), false)
	s := store.New(connectTo(t, "cluster", cluster.URL()), o)
	must(t, s.Mark(t.Context(), store.Identity{Service: "kasse"}))
	id := paymentOf(t, cluster)
	mustWrite(t, s, id)
	_, err := s.LoadView(t.Context(), id)
	must(t, err)
	moveSlots(cluster, id)
	for _, command := range []string{"hmget", "evalsha"} {
		before := log.count(command)
		switch command {
		case "hmget":
			_, err = s.LoadView(t.Context(), id)
		default:
			_, _, err = s.LoadOrder(t.Context(), payment.Ref{Order: storetest.OrderOf(id)}, id)
		}
		must(t, err)
		if got := log.count(command) - before; got != 1 {
			t.Errorf("%s was observed %d times", command, got)
		}
	}
	statistics := redis.NewClient(&redis.Options{Addr: cluster.Nodes()[1].Addr()})
	defer statistics.Close()
	names, err := statistics.Info(t.Context(), "commandstats").Result()
	must(t, err)
	if !strings.Contains(names, "cmdstat_evalsha:") {
		t.Error("no script ran on the second master")
	}
}
