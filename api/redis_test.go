package api_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"kasse/store"
	"kasse/store/storetest"
)

func (w *world) connect(url string) redis.UniversalClient {
	w.t.Helper()
	client, err := store.Connect("single", url)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = client.Close() })
	return client
}

func (w *world) newStore(url string) *store.Store {
	w.t.Helper()
	s := store.New(w.connect(url), store.Options{Partitions: 2, Retention: 24 * time.Hour, EventRetention: 24 * time.Hour})
	if err := s.Mark(w.t.Context(), store.Identity{Service: "kasse"}); err != nil {
		w.t.Fatal(err)
	}
	w.inBackground(s.Listen)
	return s
}

// dump is all that Redis holds, as text.
func (w *world) dump() string {
	if w.redis != nil {
		return w.redis.Dump()
	}
	all := storetest.DumpAll(context.Background(), w.keys)
	var text strings.Builder
	for _, key := range slices.Sorted(maps.Keys(all)) {
		_, _ = fmt.Fprintf(&text, "%s: %s\n", key, all[key])
	}
	return text.String()
}
