package store_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"kasse/service/payment"
	"kasse/store"
	"kasse/store/storetest"
	"kasse/test/wait"
)

// refusals are the cases in which a server refuses writes, with the error code of its reply.
var refusals = map[string]struct {
	reply  string
	refuse func(t *testing.T) redis.UniversalClient
}{
	"out of memory": {"OOM", func(t *testing.T) redis.UniversalClient {
		t.Helper()
		client := marked(t, storetest.RedisServer(t))
		return set(t, client, "maxmemory", "1")
	}},
	"too few replicas": {"NOREPLICAS", func(t *testing.T) redis.UniversalClient {
		t.Helper()
		client := marked(t, storetest.RedisServer(t))
		return set(t, client, "min-replicas-to-write", "1")
	}},
	"disk that fails": {"MISCONF", func(t *testing.T) redis.UniversalClient {
		t.Helper()
		client := marked(t, storetest.RedisServer(t, "--save", "3600 1000"))
		dir, err := client.ConfigGet(t.Context(), "dir").Result()
		if err == nil {
			err = os.RemoveAll(dir["dir"])
		}
		if err != nil {
			t.Fatal(err)
		}
		wait.UntilTrue(t, "the snapshot to fail", func() bool {
			_ = client.BgSave(t.Context()) // it fails later, if not now
			text, err := client.Info(t.Context(), "persistence").Result()
			return err == nil && strings.Contains(text, "rdb_last_bgsave_status:err")
		})
		return client
	}},
	"read-only": {"READONLY", func(t *testing.T) redis.UniversalClient {
		t.Helper()
		master, replica := storetest.NewReplicated(t)
		marked(t, master.URL())
		client := connect(t, replica.URL())
		wait.UntilTrue(t, "the marks at the replica", func() bool {
			_, err := store.New(client, options).Check(t.Context(), store.Identity{Service: "kasse"})
			return err == nil
		})
		return client
	}},
	"replica without its master": {"MASTERDOWN", func(t *testing.T) redis.UniversalClient {
		t.Helper()
		master, replica := storetest.NewReplicated(t)
		marked(t, master.URL())
		client := set(t, connect(t, replica.URL()), "replica-serve-stale-data", "no")
		master.Kill()
		wait.UntilTrue(t, "the replica to notice", func() bool {
			return client.Get(t.Context(), "any").Err() != redis.Nil //nolint:errorlint // as go-redis documents it
		})
		return client
	}},
	"cluster without all its slots": {"CLUSTERDOWN", func(t *testing.T) redis.UniversalClient {
		t.Helper()
		cluster := storetest.NewCluster(t, 3, 0)
		client := connectTo(t, "cluster", cluster.URL())
		if err := store.New(client, options).Mark(t.Context(), store.Identity{Service: "kasse"}); err != nil {
			t.Fatal(err)
		}
		cluster.KillMaster()
		return client
	}},
}

// TestRefusals: every refusal of a server becomes a temporary error. Its detail, which callers see, has nothing of
// Redis's text.
func TestRefusals(t *testing.T) {
	for name, test := range refusals {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := test.refuse(t)
			for _, s := range []*store.Store{store.New(client, options), store.New(client, waiting(1))} {
				wait.UntilTrue(t, test.reply, func() bool { return refused(t.Context(), t, s, test.reply) })
			}
		})
	}
}

// refused reports whether a write was refused with these words, and fails the test if an error is not
// temporary. It may have to be called again: a cluster does not detect a failure at once.
func refused(ctx context.Context, t *testing.T, s *store.Store, words string) bool {
	t.Helper()
	found := false
	for at := range options.Partitions {
		id := payment.ID("pi" + inPartition("o_refused", at)[1:])
		_, _, err := write(ctx, s, id)
		var e *payment.Error
		temporary := errors.As(err, &e) && e.Code == payment.CodeStoreUnavailable && e.RetryAfter >= time.Second
		if err != nil && (!temporary || strings.Contains(e.Detail, words)) {
			t.Fatalf("got %v", err)
		}
		if found = found || (err != nil && strings.Contains(err.Error(), words)); found {
			break
		}
	}
	return found
}

func marked(t *testing.T, url string) redis.UniversalClient {
	t.Helper()
	client := connect(t, url)
	if err := store.New(client, options).Mark(t.Context(), store.Identity{Service: "kasse"}); err != nil {
		t.Fatal(err)
	}
	return client
}

func set(t *testing.T, client redis.UniversalClient, name, value string) redis.UniversalClient {
	t.Helper()
	if err := client.ConfigSet(t.Context(), name, value).Err(); err != nil {
		t.Fatal(err)
	}
	return client
}
