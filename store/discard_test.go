package store_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/redis/go-redis/v9"

	"kasse/store"
	"kasse/store/storetest"
)

// TestDiscardContinues: the connection fails after a Discard has removed any number of keys. The next Discard removes
// the rest, so that no data of the old layout is read as data of the new one.
func TestDiscardContinues(t *testing.T) {
	url := storetest.RedisServer(t)
	client := connect(t, url)
	o := store.Options{Partitions: 2}
	const records, keys = 40, 42
	for limit := range keys + 1 {
		must(t, storetest.Empty(t.Context(), client))
		for n := range o.Partitions {
			meta := fmt.Sprintf("kasse:{p%d}:meta", n)
			must(t, client.HSet(t.Context(), meta, "schema", "1", "partitions", "2").Err())
		}
		for n := range records {
			key := fmt.Sprintf("kasse:{p%d}:payment:pi_%d", n%o.Partitions, n)
			must(t, client.Set(t.Context(), key, "old", 0).Err())
		}
		failing := connect(t, url)
		failing.AddHook(&failAfter{left: limit})
		first, err := store.New(failing, o).Discard(t.Context())
		if (err == nil) != (limit == keys) || first != limit {
			t.Fatalf("%d keys were removed, want %d; %v", first, limit, err)
		}
		rest, err := store.New(client, o).Discard(t.Context())
		must(t, err)
		if left := len(storetest.DumpAll(t.Context(), client)); left != 0 || first+rest != keys {
			t.Errorf("ended after %d keys: %d are left, the next run removed %d", limit, left, rest)
		}
	}
}

// failAfter is a hook that lets a number of UNLINKs pass and fails the others.
type failAfter struct{ left int }

func (*failAfter) DialHook(next redis.DialHook) redis.DialHook { return next }

func (*failAfter) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (f *failAfter) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if cmd.Name() == "unlink" {
			if f.left--; f.left < 0 {
				return errors.New("the connection failed")
			}
		}
		return next(ctx, cmd)
	}
}
