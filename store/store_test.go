package store_test

import (
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"kasse/store"
	"kasse/store/storetest"
)

// TestStore runs the suite on every kind of Redis; the names of the subtests say which one ran, and with what readers.
func TestStore(t *testing.T) {
	t.Run("miniredis", func(t *testing.T) {
		storetest.Run(t, func(t testing.TB) (redis.UniversalClient, *store.Readers) {
			t.Helper()
			return connect(t, "redis://"+miniredis.RunT(t).Addr()), nil
		})
	})
	piped, cached := store.Levers{AutoPipeline: true}, store.Levers{ClientCache: true}
	t.Run("cluster, pipelined", func(t *testing.T) { storetest.Run(t, emptied("cluster", storetest.NewCluster(t, 3, 0).URL(), piped)) })
	t.Run("sentinel, pipelined", func(t *testing.T) { storetest.Run(t, emptied("sentinel", storetest.NewSentinels(t).URL(), piped)) })
	t.Run("redis-server", func(t *testing.T) { storetest.Run(t, emptied("single", storetest.RedisServer(t), store.Levers{})) })
	t.Run("redis-server, cached", func(t *testing.T) { storetest.Run(t, emptied("single", storetest.RedisServer(t), cached)) })
}

// emptied returns a client of the Redis, of which it takes all that it holds, and readers.
func emptied(mode, url string, levers store.Levers) func(testing.TB) (redis.UniversalClient, *store.Readers) {
	return func(t testing.TB) (redis.UniversalClient, *store.Readers) {
		t.Helper()
		client := connectTo(t, mode, url)
		if err := storetest.Empty(t.Context(), client); err != nil {
			t.Fatal(err)
		}
		return client, readers(t, mode, url, levers)
	}
}

// connect opens a client of a single server as production does.
func connect(t testing.TB, url string) redis.UniversalClient {
	t.Helper()
	return connectTo(t, "single", url)
}

func connectTo(t testing.TB, mode, url string) redis.UniversalClient {
	t.Helper()
	client, err := store.Connect(mode, url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// options are the defaults of the configuration.
var options = store.Options{Partitions: 16, Retention: 13_200 * time.Hour, EventRetention: 720 * time.Hour}
