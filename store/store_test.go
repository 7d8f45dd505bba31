package store_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"kasse/service/payment"
	"kasse/store"
	"kasse/store/storetest"
)

// TestStore runs the suite on every kind of Redis, with each optimization; the subtests' names identify them.
func TestStore(t *testing.T) {
	t.Run("miniredis", func(t *testing.T) {
		storetest.Run(t, func(t testing.TB) storetest.Redis {
			t.Helper()
			return storetest.Redis{UniversalClient: connect(t, "redis://"+miniredis.RunT(t).Addr()), AutoPipeline: true}
		})
	})
	const plain, pipelined, keeps, keepsNot = false, true, true, false
	t.Run("cluster, pipelined, cached", func(t *testing.T) {
		storetest.Run(t, emptied("cluster", storetest.NewCluster(t, 3, 0).URL(), pipelined, keeps))
	})
	t.Run("sentinel, pipelined, cached", func(t *testing.T) {
		storetest.Run(t, emptied("sentinel", storetest.NewSentinels(t).URL(), pipelined, keeps))
	})
	t.Run("redis-server", func(t *testing.T) {
		storetest.Run(t, emptied("single", storetest.RedisServer(t), plain, keepsNot))
	})
	t.Run("redis-server, pipelined, cached", func(t *testing.T) {
		storetest.Run(t, emptied("single", storetest.RedisServer(t), pipelined, keeps))
	})
}

// optimizations are the combinations of automatic pipelines and the cache of views.
var optimizations = map[string]struct{ pipelined, keep bool }{
	"plain": {}, "pipelined": {pipelined: true}, "cached": {pipelined: true, keep: true},
}

// emptied returns a client of the Redis, after removing all its data.
func emptied(mode, url string, pipelined, keep bool) func(testing.TB) storetest.Redis {
	return func(t testing.TB) storetest.Redis {
		t.Helper()
		client := connectTo(t, mode, url)
		if err := storetest.Empty(t.Context(), client); err != nil {
			t.Fatal(err)
		}
		return storetest.Redis{UniversalClient: client, Readers: readers(t, mode, url, keep), AutoPipeline: pipelined}
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

// write writes one transition of the payment and, with its first, the pointer to its order. It
// returns the order as it was saved, and the changes.
func write(ctx context.Context, s *store.Store, id payment.ID) (payment.Order, payment.Changes, error) {
	order := storetest.OrderOf(id)
	o, now, err := s.LoadOrder(ctx, payment.Ref{Order: order}, id)
	if err == nil && o.Attempt(id) == nil {
		err = s.SavePointer(ctx, id, order, now.Add(options.Retention))
	}
	if err != nil {
		return o, payment.Changes{}, err
	}
	o, c := storetest.Transition(o, id, now)
	saved, err := s.SaveOrder(ctx, o, c)
	return saved.Order, c, err
}

// mustWrite is write for what must be written.
func mustWrite(t testing.TB, s *store.Store, id payment.ID) (payment.Order, payment.Changes) {
	t.Helper()
	o, c, err := write(t.Context(), s, id)
	must(t, err)
	return o, c
}

// counter is how often the order was written.
func counter(o payment.Order) string {
	count, _, _ := strings.Cut(o.Revision, "-")
	return count
}

// must fails the test on an error.
var must = storetest.Must
