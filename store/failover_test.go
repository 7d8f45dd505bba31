package store_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"kasse/service/payment"
	"kasse/store"
	"kasse/store/storetest"
	"kasse/test/wait"
)

// TestFailover: the master is cut off for a while under load, and then killed. Writes resume by themselves, all
// acknowledged writes are stored, and each transition is in the stream once.
func TestFailover(t *testing.T) {
	type kind interface {
		URL() string
		CutOff()
		KillMaster()
	}
	kinds := map[string]func(testing.TB) kind{
		"cluster": func(t testing.TB) kind {
			t.Helper()
			return storetest.NewCluster(t, 3, 4) // the first master has two, so that one is left after the failover
		},
		"sentinel": func(t testing.TB) kind {
			t.Helper()
			return storetest.NewSentinels(t)
		},
	}
	for name, start := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			servers := start(t)
			l := newLoad(t, name, servers.URL())
			l.run(t.Context(), func() {
				servers.CutOff()
				wait.UntilTrue(t, "every writer to be refused", func() bool {
					return l.refusals() >= failoverWriters
				})
				servers.KillMaster()
			})
			l.checkAcknowledged(t.Context(), connectTo(t, name, servers.URL()))
		})
	}
}

// TestSlotsMove: slots move to another master of a cluster under load. A key of a moving slot is refused. Afterwards
// writes continue, with WAIT at the new master.
func TestSlotsMove(t *testing.T) {
	t.Parallel()
	cluster := storetest.NewCluster(t, 2, 2)
	l := newLoad(t, "cluster", cluster.URL())
	moved := 0
	l.run(t.Context(), func() {
		for at := range options.Partitions {
			if key := fmt.Sprintf("kasse:{p%d}:meta", at); moved < 4 && cluster.Owns(key) {
				cluster.MoveSlot(key)
				moved++
			}
		}
	})
	if moved != 4 {
		t.Errorf("%d slots were moved", moved)
	}
	l.checkAcknowledged(t.Context(), connectTo(t, "cluster", cluster.URL()))
}

// newLoad returns a load on an empty Redis, where one replica must confirm each write.
func newLoad(t *testing.T, mode, url string) *load {
	t.Helper()
	o := waiting(1)
	o.WaitTimeout = 500 * time.Millisecond
	o.Readers, o.AutoPipeline = readers(t, mode, url, true), true
	l := &load{t: t, Store: store.New(connectTo(t, mode, url), o), done: map[payment.ID]phase{}}
	if err := l.Mark(t.Context(), store.Identity{Service: "kasse"}); err != nil {
		t.Fatal(err)
	}
	return l
}

// phase is 0 before the fault, and 1 after it.
type phase int

// load has writers that write new orders, each with its payment. A writer repeats a write until it is
// acknowledged.
type load struct {
	*store.Store
	t       *testing.T
	mu      sync.Mutex
	now     phase
	done    map[payment.ID]phase // acknowledged, by the phase in which the first try began
	refused int
}

const failoverWriters = 8

// run causes the fault while the writers run, and ends when all partitions accept writes again.
func (l *load) run(ctx context.Context, fault func()) {
	l.t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	all.Go(func() { l.Listen(ctx) })
	for writer := range failoverWriters {
		all.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				l.write(ctx, fmt.Sprintf("%d_%d", writer, n))
			}
		})
	}
	// Names are spread evenly over the partitions: so many of them reach each partition.
	const enough = 25 * 16
	wait.UntilTrue(l.t, "writes before", func() bool { return l.acknowledged(0) > enough })
	fault()
	l.mu.Lock()
	l.now++
	l.mu.Unlock()
	for at := range options.Partitions {
		l.resumes(ctx, at)
	}
	wait.UntilTrue(l.t, "writes after", func() bool { return l.acknowledged(1) > enough })
}

// resumes waits until a partition accepts writes again, and their hints arrive.
func (l *load) resumes(ctx context.Context, at int) {
	l.t.Helper()
	order := inPartition("o_hint", at)
	id := payment.ID("pi" + order[1:])
	payments, stop := l.WatchPayment(id)
	defer stop()
	orders, stop := l.WatchOrder(payment.OrderID(order))
	defer stop()
	hinted := map[string]bool{}
	wait.UntilTrue(l.t, fmt.Sprintf("hints of partition %d", at), func() bool {
		_, _, _ = write(ctx, l.Store, id) // the next round repeats one that failed
		select {
		case <-payments:
			hinted["payment"] = true
		default:
		}
		select {
		case <-orders:
			hinted["order"] = true
		default:
		}
		return len(hinted) == 2
	})
}

// inPartition returns a name with the prefix that belongs to the partition.
func inPartition(prefix string, at int) string {
	for n := 0; ; n++ {
		if name := fmt.Sprintf("%s_%d", prefix, n); storetest.Partition(name) == at {
			return name
		}
	}
}

func (l *load) acknowledged(in phase) (count int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, began := range l.done {
		if began == in {
			count++
		}
	}
	return count
}

func (l *load) refusals() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.refused
}

// write writes an order with its payment, and repeats that until it is acknowledged, as Stripe repeats an event.
func (l *load) write(ctx context.Context, name string) {
	id := payment.ID("pi_" + name)
	l.mu.Lock()
	began := l.now
	l.mu.Unlock()
	for ctx.Err() == nil {
		err := l.first(ctx, id)
		l.record(ctx, id, began, err)
		if err == nil {
			return
		}
	}
}

// first writes the pointer, and then the order unless it is stored: then an earlier try has written it, and it
// counts as acknowledged.
func (l *load) first(ctx context.Context, id payment.ID) error {
	order := storetest.OrderOf(id)
	o, now, err := l.LoadOrder(ctx, payment.Ref{Order: order}, id)
	if err == nil {
		err = l.SavePointer(ctx, id, order, now.Add(time.Hour))
	}
	if err != nil || o.Stored() {
		return err
	}
	o, c := storetest.Transition(o, id, now)
	c.Events[0].ID = string(id) + ".1" // the same in each try
	_, err = l.SaveOrder(ctx, o, c)
	return err
}

func (l *load) record(ctx context.Context, id payment.ID, began phase, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var e *payment.Error
	switch {
	case err == nil:
		l.done[id] = began
	case errors.As(err, &e) && e.Code == payment.CodeStoreUnavailable && e.RetryAfter > 0:
		l.refused++
	case ctx.Err() == nil:
		l.t.Errorf("%s: %v", id, err)
	}
}

// checkAcknowledged checks that all acknowledged writes are stored, with a store that has cached nothing.
func (l *load) checkAcknowledged(ctx context.Context, client redis.UniversalClient) {
	l.t.Helper()
	fresh := store.New(client, options)
	seen := map[string]int{}
	for next := ""; ; {
		page, err := fresh.LoadEvents(ctx, payment.FeedQuery{After: next, Limit: 500})
		if err != nil {
			l.t.Fatal(err)
		}
		for _, e := range page.Events {
			seen[e.ID]++
		}
		if next = page.Next; len(page.Events) == 0 {
			break
		}
	}
	for event, times := range seen {
		if times != 1 {
			l.t.Errorf("%s is in the stream %d times", event, times)
		}
	}
	lost := 0
	for id := range l.done {
		event := string(id) + ".1"
		o, _, err := fresh.LoadOrder(ctx, payment.Ref{Order: storetest.OrderOf(id)}, id)
		if err != nil || counter(o) != "1" || o.Loaded[id] == nil || seen[event] != 1 {
			lost++
			l.t.Errorf("%s was acknowledged; its revision is %q, its event is in the stream %d times; %v",
				id, o.Revision, seen[event], err)
		}
		if order, found, err := fresh.FindOrder(ctx, id); !found || order != storetest.OrderOf(id) || err != nil {
			l.t.Errorf("the pointer of %s leads to %q, found %t; %v", id, order, found, err)
		}
	}
	l.t.Logf("acknowledged %d before and %d after, refused %d, lost %d",
		l.acknowledged(0), l.acknowledged(1), l.refused, lost)
}
