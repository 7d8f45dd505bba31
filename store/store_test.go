package store_test

import (
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"kasse/store"
	"kasse/store/storetest"
)

// TestStore runs the suite on every kind of Redis; the names of the subtests say which one ran.
func TestStore(t *testing.T) {
	t.Run("miniredis", func(t *testing.T) {
		storetest.Run(t, func(t testing.TB) redis.UniversalClient {
			t.Helper()
			return connect(t, "redis://"+miniredis.RunT(t).Addr())
		})
	})
	t.Run("redis-server", func(t *testing.T) {
		url := storetest.RedisServer(t)
		storetest.Run(t, func(t testing.TB) redis.UniversalClient {
			t.Helper()
			client := connect(t, url)
			if err := client.FlushAll(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
			return client
		})
	})
}

// connect opens a client as production does.
func connect(t testing.TB, url string) redis.UniversalClient {
	t.Helper()
	client, err := store.Connect("single", url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// options are the defaults of the configuration.
var options = store.Options{Partitions: 16, Retention: 13_200 * time.Hour, EventRetention: 720 * time.Hour}
