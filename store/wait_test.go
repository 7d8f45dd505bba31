package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"kasse/service/payment"
	"kasse/store"
	"kasse/store/storetest"
	"kasse/test/wait"
)

// waiting returns the options of a store that acknowledges a write only once that many replicas have it.
func waiting(replicas int) store.Options {
	o := options
	o.WaitReplicas, o.WaitTimeout = replicas, 100*time.Millisecond
	return o
}

// unconfirmed fails the test unless the error is temporary, and names REDIS_WAIT_REPLICAS for the log.
func unconfirmed(t *testing.T, what string, err error) {
	t.Helper()
	var e *payment.Error
	temporary := errors.As(err, &e) && e.Code == payment.CodeStoreUnavailable && e.RetryAfter > 0
	if !temporary || !strings.Contains(err.Error(), "REDIS_WAIT_REPLICAS") {
		t.Errorf("%s: got %v", what, err)
	}
}

// replicated is a store whose writes one replica has to confirm.
type replicated struct {
	*store.Store
	t      *testing.T
	client redis.UniversalClient // of the master
}

// TestWaitReplicas: a master has one replica, and a store waits for one or two to confirm its calls.
func TestWaitReplicas(t *testing.T) {
	master, replica := storetest.NewReplicated(t)
	ctx, client := t.Context(), connect(t, master.URL())
	s := replicated{store.New(client, waiting(1)), t, client}
	must(t, s.Mark(ctx, store.Identity{Service: "kasse"}))
	s.confirmsChanges()
	_, _, err := store.New(client, waiting(2)).LoadOrder(ctx, payment.Ref{Order: "o_1"})
	unconfirmed(t, "a load that two replicas must confirm", err)

	stored, now, err := s.LoadOrder(ctx, payment.Ref{Order: "o_1"}, "pi_1")
	must(t, err)
	stale, c := storetest.Transition(stored, "pi_1", now)
	stale.Revision = "1-AAAAAAAAAAA"
	saved, err := s.SaveOrder(ctx, stale, c)
	if !errors.Is(err, payment.ErrConflict) || saved.Order.Revision != stored.Revision {
		t.Errorf("a conflict: got %+v, %v", saved, err)
	}
	replica.Kill()
	_, err = s.SaveOrder(ctx, stale, c)
	unconfirmed(t, "a conflict", err)
	_, _, err = s.LoadOrder(ctx, payment.Ref{Order: "o_1"})
	unconfirmed(t, "a load", err)
	s.confirmsNothing(now)
	replica.Restart()
	wait.UntilTrue(t, "the write to be confirmed by a load", func() bool {
		o, _, err := s.LoadOrder(ctx, payment.Ref{Order: "o_2"})
		return err == nil && counter(o) == "1"
	})
}

// confirmsChanges makes each kind of change while the replica runs.
func (s replicated) confirmsChanges() {
	s.t.Helper()
	ctx := s.t.Context()
	for name, change := range map[string]func() error{
		"an order": func() error { _, _, err := write(ctx, s.Store, "pi_1"); return err },
		"a pointer": func() error {
			return s.SavePointer(ctx, "pi_1", "o_1", time.Now().Add(time.Hour))
		},
		"a read that an event asks for": func() error { _, err := s.QueueRead(ctx, "pi_3"); return err },
		"a quarantined event": func() error {
			return s.Quarantine(ctx, payment.StripeEvent{ID: "evt_1"}, nil)
		},
	} {
		for range 2 { // first without the script in Redis, then with it
			must(s.t, s.client.ScriptFlush(ctx).Err())
			if err := change(); err != nil {
				s.t.Errorf("%s was not confirmed: %v", name, err)
			}
		}
	}
}

// confirmsNothing makes each kind of change, and reads statuses, while the replica is down.
func (s replicated) confirmsNothing(now time.Time) {
	t, ctx := s.t, s.t.Context()
	t.Helper()
	o, c := storetest.Transition(payment.Order{ID: "o_2"}, "pi_2", now)
	saved, err := s.SaveOrder(ctx, o, c)
	if unconfirmed(t, "a write", err); saved.Written || saved.Order.ID != "" {
		t.Errorf("got %+v for a write that is not confirmed", saved)
	}
	unconfirmed(t, "a pointer", s.SavePointer(ctx, "pi_2", "o_2", now.Add(time.Hour)))
	_, err = s.QueueRead(ctx, "pi_3")
	unconfirmed(t, "a read that an event asks for", err)
	unconfirmed(t, "a quarantined event", s.Quarantine(ctx, payment.StripeEvent{ID: "evt_2"}, nil))
	if view, err := s.LoadView(ctx, "pi_2"); err != nil || view.Version != c.Views[0].Version {
		t.Errorf("a status without a replica: %v", err)
	}
	if _, err := s.LoadView(ctx, "pi_4"); !errors.Is(err, payment.ErrNotFound) {
		t.Errorf("a status without a replica: %v", err)
	}
}

// TestWaitHasSomethingToWaitFor: while a replica is frozen, a load must not count as confirmed, also on a connection
// without writes. There Redis 7.0 waits, and later versions do not. So the store writes to the fence first.
func TestWaitHasSomethingToWaitFor(t *testing.T) {
	master, replica := storetest.NewReplicated(t)
	ctx, client := t.Context(), connect(t, master.URL())
	s := store.New(client, waiting(1))
	if err := s.Mark(ctx, store.Identity{Service: "kasse"}); err != nil {
		t.Fatal(err)
	}
	replica.Freeze()
	o, c := storetest.Transition(payment.Order{ID: "o_1"}, "pi_1", time.Unix(1_760_000_000, 0))
	_, err := s.SaveOrder(ctx, o, c)
	unconfirmed(t, "the first delivery", err)
	for range 2 {
		if err := client.Del(ctx, fences(ctx, t, client)...).Err(); err != nil {
			t.Fatal(err)
		}
		another := store.New(connect(t, master.URL()), waiting(1)) // on a connection that has written nothing
		_, _, err := another.LoadOrder(ctx, payment.Ref{Order: "o_1"})
		unconfirmed(t, "a load by another store", err)
		if n := len(fences(ctx, t, client)); n != 1 {
			t.Errorf("%d fences, want 1: a later Redis has nothing to wait for", n)
		}
	}
	replica.Thaw()
	wait.UntilTrue(t, "the replica to catch up", func() bool {
		o, _, err := s.LoadOrder(ctx, payment.Ref{Order: "o_1"})
		return err == nil && counter(o) == "1"
	})
}

func fences(ctx context.Context, t *testing.T, client redis.UniversalClient) []string {
	t.Helper()
	keys, err := client.Keys(ctx, "kasse:*:fence").Result()
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// TestConfirmsTogether: while two writes wait for the replica, all other writes gather. They share one WAIT. If one of
// them conflicts, only that one fails.
func TestConfirmsTogether(t *testing.T) {
	master, replica := storetest.NewReplicated(t)
	ctx, client := t.Context(), connect(t, master.URL())
	o := waiting(1)
	o.WaitTimeout, o.AutoPipeline = 4*time.Second, true
	s := store.New(client, o)
	must(t, s.Mark(ctx, store.Identity{Service: "kasse"}))
	stored, c := mustWrite(t, s, "pi_stale")
	stored.Revision = "1-AAAAAAAAAAA"
	var all sync.WaitGroup
	until := time.Now().Add(time.Hour)
	save := func(n int) {
		all.Go(func() {
			if err := s.SavePointer(ctx, payment.ID(fmt.Sprint("pi_", n)), "o_1", until); err != nil {
				t.Errorf("write %d: %v", n, err)
			}
		})
	}
	save(1)
	all.Wait() // from here on Redis has the script
	replica.Freeze()
	before := waits(ctx, t, client)
	for n := range 2 {
		save(n)
		wait.UntilTrue(t, "the write to wait for the replica", func() bool {
			return blocked(ctx, t, client) == fmt.Sprint(n+1)
		})
	}
	const more = 60
	for n := range more {
		save(2 + n)
	}
	all.Go(func() {
		if _, err := s.SaveOrder(ctx, stored, c); !errors.Is(err, payment.ErrConflict) {
			t.Errorf("a conflict among others: %v", err)
		}
	})
	wait.UntilTrue(t, "the others to gather", func() bool { return s.Unconfirmed() == more+1 })
	replica.Thaw()
	all.Wait()
	if got := waits(ctx, t, client) - before; got != 3 {
		t.Errorf("%d WAITs for %d writes, want 3", got, 2+more+1)
	}
}

// waits returns how often Redis has run WAIT.
func waits(ctx context.Context, t *testing.T, client redis.UniversalClient) (count int) {
	t.Helper()
	stats, err := client.Info(ctx, "commandstats").Result()
	must(t, err)
	for line := range strings.Lines(stats) {
		if _, err := fmt.Sscanf(line, "cmdstat_wait:calls=%d", &count); err == nil {
			break
		}
	}
	return count
}

// blocked returns how many connections Redis has blocked, as text.
func blocked(ctx context.Context, t *testing.T, client redis.UniversalClient) string {
	t.Helper()
	clients, err := client.Info(ctx, "clients").Result()
	must(t, err)
	_, after, _ := strings.Cut(clients, "blocked_clients:")
	count, _, _ := strings.Cut(after, "\r")
	return count
}
