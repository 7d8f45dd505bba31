package api_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"kasse/store"
	"kasse/store/storetest"
)

func (w *apiEnv) connect(url string) redis.UniversalClient {
	w.t.Helper()
	client, err := store.Connect("single", url)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = client.Close() })
	return client
}

func (w *apiEnv) newStore(url string) *store.Store {
	w.t.Helper()
	s := store.New(
		w.connect(url), store.Options{Partitions: 2, Retention: 24 * time.Hour, EventRetention: 24 * time.Hour},
	)
	if err := s.Mark(w.t.Context(), store.Identity{Service: "kasse"}); err != nil {
		w.t.Fatal(err)
	}
	w.inBackground(s.Listen)
	return s
}

// shortLived is the longest lifetime of what dump leaves out. Records live for a day here.
const shortLived = time.Hour

// dump is Redis's data as text, without keys that expire between two dumps: leases, budgets and counters.
// Times to live are left out.
func (w *apiEnv) dump() string {
	if w.redis != nil {
		return w.redis.Dump() // its time stands still
	}
	all := storetest.DumpAll(context.Background(), w.keys)
	var text strings.Builder
	for _, key := range slices.Sorted(maps.Keys(all)) {
		left, err := w.keys.PTTL(context.Background(), key).Result()
		if err != nil {
			w.t.Fatal(err)
		}
		if left == -1 || left > shortLived { // -1: it stays
			_, _ = fmt.Fprintf(&text, "%s: %s\n", key, all[key])
		}
	}
	return text.String()
}

// TestDumpOmitsExpiringKeys: a lease that ends between two dumps makes no difference, and a record does.
func TestDumpOmitsExpiringKeys(t *testing.T) {
	w := newEnv(t)
	before := w.dump()
	w.keys.Set(t.Context(), "kasse:{p0}:lease:any", 1, time.Minute)
	if got := w.dump(); got != before {
		t.Errorf("a lease is in the dump:\n%s", got)
	}
	for _, lifetime := range []time.Duration{0, 24 * time.Hour} {
		w.keys.Set(t.Context(), "kasse:{p0}:order:any", 1, lifetime)
		if w.dump() == before {
			t.Errorf("a record of %v is not in the dump", lifetime)
		}
		w.keys.Del(t.Context(), "kasse:{p0}:order:any")
	}
}
