package store_test

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kasse/service/payment"
	"kasse/store"
	"kasse/store/storetest"
)

// readers opens connections for readers as production does.
func readers(t testing.TB, mode, url string, keep bool) *store.Readers {
	t.Helper()
	r, err := store.ConnectReaders(mode, url, keep)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// process returns a store as in production: with a cache of its own, and listening for hints.
func process(t *testing.T, url string) *store.Store {
	t.Helper()
	o := options
	o.Readers = readers(t, "single", url, true)
	s := store.New(connect(t, url), o)
	if err := s.Mark(t.Context(), store.Identity{Service: "kasse"}); err != nil {
		t.Fatal(err)
	}
	listening(t, s)
	return s
}

// listening lets a store receive change hints until the test ends.
func listening(t testing.TB, s *store.Store) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() { s.Listen(ctx) })
	t.Cleanup(func() { cancel(); all.Wait() })
}

// shownVersion returns the version of the view that the store shows.
func shownVersion(t *testing.T, s *store.Store, id payment.ID) int64 {
	t.Helper()
	v, err := s.LoadView(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return v.Version
}

const cached payment.ID = "pi_cached"

// awaitKept reads the view until it is served from memory.
func awaitKept(t *testing.T, s *store.Store) {
	t.Helper()
	await(t, "the view to be kept", func() bool {
		before := s.CacheStats().Hits
		shownVersion(t, s, cached)
		return s.CacheStats().Hits > before
	})
}

func await(t *testing.T, what string, met func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !met(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("timed out waiting for " + what)
		}
	}
}

// next writes the next version of a payment, and returns it.
func next(t *testing.T, s *store.Store, id payment.ID) int64 {
	t.Helper()
	_, c := mustWrite(t, s, id)
	return c.Views[0].Version
}

// TestCacheOfViews: a process that writes reads its own write at once. Redis notifies the others. A view is
// dropped when the connection ends on which Redis reports its changes.
func TestCacheOfViews(t *testing.T) {
	server := storetest.NewServer(t)
	one, other := process(t, server.URL()), process(t, server.URL())
	const id = cached
	next(t, one, id)
	for range 20 {
		awaitKept(t, one)
		if written := next(t, one, id); shownVersion(t, one, id) != written {
			t.Fatal("the writer reads an older view")
		}
		awaitKept(t, one)
		written := next(t, other, id)
		await(t, "the change of another process", func() bool { return shownVersion(t, one, id) == written })
	}

	awaitKept(t, one)
	client := connect(t, server.URL())
	for _, kind := range []string{"normal", "pubsub"} {
		if err := client.Do(t.Context(), "CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes").Err(); err != nil {
			t.Fatal(err)
		}
	}
	written := next(t, store.New(client, options), id)
	await(t, "a change while the connections were cut", func() bool { return shownVersion(t, one, id) == written })

	awaitKept(t, one)
	if err := client.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	await(t, "an error after all data were lost", func() bool {
		_, err := one.LoadView(t.Context(), id)
		return err != nil
	})
}

// TestCacheWithoutTracking: if Redis refuses to report changes, no view is kept.
func TestCacheWithoutTracking(t *testing.T) {
	server := storetest.NewServer(t)
	client := connect(t, server.URL())
	if err := client.Do(t.Context(), "ACL", "SETUSER", "default", "-client|tracking").Err(); err != nil {
		t.Fatal(err)
	}
	s := process(t, server.URL())
	const id = "pi_untracked"
	for range 50 {
		if written := next(t, store.New(client, options), id); shownVersion(t, s, id) != written {
			t.Fatal("an old view was served")
		}
	}
	if kept := s.CacheStats(); kept.Hits != 0 || kept.Views != 0 {
		t.Errorf("the cache has %+v, want no views and no hits", kept)
	}
}

// TestReadersDoNotBlockWrites: all connections of readers wait for a server that never answers, and
// writes succeed.
func TestReadersDoNotBlockWrites(t *testing.T) {
	server := storetest.NewServer(t)
	for name, test := range optimizations {
		t.Run(name, func(t *testing.T) {
			o := options
			o.AutoPipeline = test.pipelined
			o.Readers = readers(t, "single", "redis://"+mute(t)+"/0?pool_size=2&max_retries=-1", test.keep)
			s := store.New(connect(t, server.URL()+"?pool_size=2"), o)
			if err := s.Mark(t.Context(), store.Identity{Service: "kasse"}); err != nil {
				t.Fatal(err)
			}
			ctx, stopReading := context.WithCancel(t.Context())
			var reads sync.WaitGroup
			var ended atomic.Int32
			for n := range 500 {
				reads.Go(func() {
					defer ended.Add(1)
					_, _ = s.LoadView(ctx, payment.ID(fmt.Sprint("pi_read", n)))
				})
			}
			for range 20 {
				mustWrite(t, s, payment.ID("pi_"+name))
			}
			if ended.Load() == 500 {
				t.Error("no reader was waiting while it was written")
			}
			stopReading()
			reads.Wait()
		})
	}
}

// mute returns the address of a server that accepts connections and sends nothing.
func mute(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var open []net.Conn
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, conn)
			mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		listener.Close()
		mu.Lock()
		defer mu.Unlock()
		for _, conn := range open {
			conn.Close()
		}
	})
	return listener.Addr().String()
}
