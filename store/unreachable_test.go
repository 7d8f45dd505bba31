package store_test

import (
	"context"
	"errors"
	"net"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"kasse/service/payment"
	"kasse/store"
	"kasse/store/storetest"
	"kasse/test/wait"
)

// TestCallsAreComplete: calls has every method of Store that returns an error, and no other.
func TestCallsAreComplete(t *testing.T) {
	known := calls(nil)
	kind := reflect.TypeFor[*store.Store]()
	for method := range kind.Methods() {
		results := method.Type.NumOut()
		fails := results > 0 && method.Type.Out(results-1) == reflect.TypeFor[error]()
		if _, listed := known[method.Name]; listed != fails {
			t.Errorf("%s: listed %t, returns an error %t", method.Name, listed, fails)
		}
	}
}

// silentServer accepts connections and never answers. Accepted is closed with the first connection.
func silentServer(t *testing.T) (url string, accepted <-chan struct{}) {
	t.Helper()
	first := make(chan struct{})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for n := 0; ; n++ {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			if n == 0 {
				close(first)
			}
			t.Cleanup(func() { conn.Close() })
		}
	})
	t.Cleanup(func() { listener.Close(); all.Wait() })
	return "redis://" + listener.Addr().String(), first
}

// TestCallsEndWhileRedisIsUnreachable: while Redis does not answer, every call ends at the deadline of
// its context, with an error that callers may see.
func TestCallsEndWhileRedisIsUnreachable(t *testing.T) {
	const deadline = 300 * time.Millisecond
	killed := storetest.NewServer(t)
	killed.Kill()
	hung := storetest.NewServer(t)
	silent, _ := silentServer(t)
	urls := map[string]string{"silent": silent, "refusing": killed.URL()}
	for name, url := range urls {
		t.Run(name, func(t *testing.T) { allFail(t, store.New(connect(t, url), options), deadline) })
	}
	t.Run("killed after a first call", func(t *testing.T) {
		s := store.New(connect(t, hung.URL()), options)
		if err := s.Mark(t.Context(), store.Identity{}); err != nil {
			t.Fatal(err)
		}
		hung.Kill()
		allFail(t, s, deadline)
		hung.Restart()
		wait.UntilTrue(t, "the store to come back", func() bool { return s.Ping(t.Context()) == nil })
	})
}

func allFail(t *testing.T, s *store.Store, deadline time.Duration) {
	t.Helper()
	var all sync.WaitGroup
	for name, call := range calls(s) {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), deadline)
			defer cancel()
			err := call(ctx)
			var e *payment.Error
			if !errors.As(err, &e) || e.Code != payment.CodeStoreUnavailable || e.RetryAfter == 0 {
				t.Errorf("%s: got %v, want %s", name, err, payment.CodeStoreUnavailable)
			}
		})
	}
	all.Wait()
}

// TestListenEnds: Listen returns when its context ends, and leaves no goroutine, also if Redis does not
// answer or refuses connections.
func TestListenEnds(t *testing.T) {
	silent, accepted := silentServer(t)
	killed := storetest.NewServer(t)
	killed.Kill()
	answering := connect(t, storetest.RedisServer(t))
	tests := map[string]struct {
		client redis.UniversalClient
		ready  func() bool
	}{
		"silent": {connect(t, silent), func() bool {
			select {
			case <-accepted:
				return true
			default:
				return false
			}
		}},
		"refusing": {connect(t, killed.URL()), func() bool { return true }},
		"answering": {answering, func() bool {
			return len(answering.PubSubChannels(t.Context(), "*").Val()) == options.Partitions
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := store.New(test.client, options)
			test.ready()
			before := goleak.IgnoreCurrent()
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan struct{})
			go func() { defer close(ended); s.Listen(ctx) }()
			wait.UntilTrue(t, "the connection", test.ready)
			cancel()
			<-ended // otherwise the test times out
			goleak.VerifyNone(t, before)
		})
	}
}

// TestListenReconnects: hints arrive after Redis has started late, cut the subscription, or restarted.
// Those sent in the meantime are lost.
func TestListenReconnects(t *testing.T) {
	server := storetest.NewServer(t)
	client := connect(t, server.URL())
	s := store.New(client, options)
	server.Kill()
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() { s.Listen(ctx) })
	defer all.Wait()
	defer cancel()
	hints, stop := s.WatchOrder("o_1")
	defer stop()
	hinted := func() bool {
		err := s.Mark(ctx, store.Identity{}) // a restarted server is empty
		if err == nil {
			_, _, err = write(ctx, s, "pi_1")
		}
		select {
		case <-hints:
			return err == nil
		default:
			return false
		}
	}
	server.Restart()
	wait.UntilTrue(t, "the first hint", hinted)
	for range 3 {
		wait.UntilTrue(t, "a subscription to cut", func() bool {
			n, err := client.ClientKillByFilter(ctx, "TYPE", "pubsub").Result()
			return n == 1 && err == nil
		})
		for len(hints) > 0 {
			<-hints
		}
		wait.UntilTrue(t, "a hint after the cut", hinted)
	}
	server.Kill()
	for len(hints) > 0 {
		<-hints
	}
	server.Restart()
	wait.UntilTrue(t, "a hint after a restart", hinted)
}
