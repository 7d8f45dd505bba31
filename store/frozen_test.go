package store_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"kasse/service/payment"
	"kasse/store"
	"kasse/store/storetest"
)

// TestCallsEndWhileRedisIsFrozen: calls without a deadline to a frozen server with open connections end,
// including one that waits for replicas.
func TestCallsEndWhileRedisIsFrozen(t *testing.T) {
	t.Parallel()
	server := storetest.NewServer(t)
	client := connect(t, server.URL())
	if err := client.Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	server.Freeze()
	t.Cleanup(server.Thaw)
	ended := make(chan string)
	called := 0
	for _, s := range []*store.Store{store.New(client, options), store.New(client, waiting(1))} {
		for name, call := range calls(s) {
			called++
			go func() {
				var e *payment.Error
				if err := call(context.WithoutCancel(t.Context())); !errors.As(err, &e) ||
					e.Code != payment.CodeStoreUnavailable {
					t.Errorf("%s: got %v", name, err)
				}
				ended <- name
			}()
		}
	}
	for range called {
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			t.Fatal("a call hangs")
		}
	}
}
