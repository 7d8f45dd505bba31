package store_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"kasse/service"
	"kasse/store"
	"kasse/store/storetest"
)

// waiting are the options of a store that acknowledges nothing that so many replicas do not have.
func waiting(replicas int) store.Options {
	o := options
	o.WaitReplicas, o.WaitTimeout = replicas, 100*time.Millisecond
	return o
}

// unconfirmed fails the test unless the error tells callers to come again, and the log why.
func unconfirmed(t *testing.T, what string, err error) {
	t.Helper()
	var e *service.Error
	if !errors.As(err, &e) || e.Code != service.CodeStoreUnavailable || e.RetryAfter == 0 || !strings.Contains(err.Error(), "REDIS_WAIT_REPLICAS") {
		t.Errorf("%s: got %v", what, err)
	}
}

// TestWaitReplicas has a master with one replica, of which one or two are waited for.
func TestWaitReplicas(t *testing.T) {
	master, replica := storetest.NewReplicated(t)
	ctx, client := t.Context(), connect(t, master.URL())
	s, two := store.New(client, waiting(1)), store.New(client, waiting(2))
	if err := s.Mark(ctx, store.Identity{Service: "kasse"}); err != nil {
		t.Fatal(err)
	}
	changes := map[string]func(s *store.Store) error{
		"a payment": func(s *store.Store) error {
			return s.SavePayment(ctx, service.PaymentWrite{Payment: service.Payment{ID: "pi_1", Revision: revision(ctx, t, s, "pi_1")}})
		},
		"an order": func(s *store.Store) error {
			return s.SaveOrder(ctx, service.Order{ID: "o-1", Revision: orderRevision(ctx, t, s)})
		},
		"a read that an event asks for": func(s *store.Store) error { return s.WantRead(ctx, "pi_3") },
		"a quarantined event":           func(s *store.Store) error { return s.Quarantine(ctx, service.Notice{ID: "evt_1"}, nil) },
	}
	for name, change := range changes {
		for range 2 { // scripts are unknown to Redis, then known
			if err := client.ScriptFlush(ctx).Err(); err != nil {
				t.Fatal(err)
			}
			if err := change(s); err != nil {
				t.Errorf("%s with its replica: %v", name, err)
			}
		}
	}
	_, _, err := two.LoadPayment(ctx, "pi_1")
	unconfirmed(t, "a payment of two replicas", err)

	replica.Kill()
	_, _, err = s.LoadPayment(ctx, "pi_1")
	unconfirmed(t, "what a change begins with", err)
	_, _, err = s.LoadOrder(ctx, "o-1")
	unconfirmed(t, "what a change of an order begins with", err)
	unconfirmed(t, "a write", s.SavePayment(ctx, service.PaymentWrite{Payment: service.Payment{ID: "pi_2"}}))
	unconfirmed(t, "a write of an order", s.SaveOrder(ctx, service.Order{ID: "o-2"}))
	unconfirmed(t, "a read that an event asks for", s.WantRead(ctx, "pi_3"))
	unconfirmed(t, "a quarantined event", s.Quarantine(ctx, service.Notice{ID: "evt_2"}, nil))
	if _, err := s.LoadView(ctx, "pi_2"); !errors.Is(err, service.ErrNotFound) {
		t.Errorf("a status needs no replica: %v", err)
	}

	replica.Restart()
	eventually(ctx, t, "the write to be confirmed when it is looked at again", func(ctx context.Context) bool {
		p, _, err := s.LoadPayment(ctx, "pi_2")
		return err == nil && p.Revision == 1
	})
}

func revision(ctx context.Context, t *testing.T, s *store.Store, id service.PaymentID) int64 {
	t.Helper()
	p, _, err := s.LoadPayment(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	return p.Revision
}

func orderRevision(ctx context.Context, t *testing.T, s *store.Store) int64 {
	t.Helper()
	o, _, err := s.LoadOrder(ctx, "o-1")
	if err != nil {
		t.Fatal(err)
	}
	return o.Revision
}

// TestWaitHasSomethingToWaitFor has a replica that stands still: what was read before must not count as confirmed, even
// though nothing is written any more. Redis 7.0 waits after a read, too, later ones do not: hence the fence.
func TestWaitHasSomethingToWaitFor(t *testing.T) {
	master, replica := storetest.NewReplicated(t)
	ctx, client := t.Context(), connect(t, master.URL())
	s := store.New(client, waiting(1))
	if err := s.Mark(ctx, store.Identity{Service: "kasse"}); err != nil {
		t.Fatal(err)
	}
	replica.Freeze()
	unconfirmed(t, "the first delivery", s.SavePayment(ctx, service.PaymentWrite{Payment: service.Payment{ID: "pi_1"}}))
	for range 2 {
		if err := client.Del(ctx, fences(ctx, t, client)...).Err(); err != nil {
			t.Fatal(err)
		}
		another := store.New(connect(t, master.URL()), waiting(1)) // on a connection that has written nothing
		_, _, err := another.LoadPayment(ctx, "pi_1")
		unconfirmed(t, "the next, which changes nothing", err)
		if n := len(fences(ctx, t, client)); n != 1 {
			t.Errorf("%d fences, want 1: a later Redis has nothing to wait for", n)
		}
	}
	replica.Thaw()
	eventually(ctx, t, "the replica to catch up", func(ctx context.Context) bool {
		p, _, err := s.LoadPayment(ctx, "pi_1")
		return err == nil && p.Revision == 1
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
