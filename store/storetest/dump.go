package storetest

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
)

// testDump checks DumpAll, on which tests for secrets rely.
func (connect connector) testDump(t *testing.T) {
	client := connect(t).UniversalClient
	ctx := t.Context()
	Must(t, client.Set(ctx, "string", "s", 0).Err())
	Must(t, client.HSet(ctx, "hash", "b", "2", "a", "1").Err())
	Must(t, client.RPush(ctx, "list", "x", "y").Err())
	Must(t, client.SAdd(ctx, "set", "n", "m").Err())
	Must(t, client.ZAdd(ctx, "zset", redis.Z{Score: 1_760_000_000_123, Member: "z"}).Err())
	entry := &redis.XAddArgs{Stream: "stream", ID: "1-1", Values: []any{"id", "e", "data", "{}"}}
	Must(t, client.XAdd(ctx, entry).Err())
	want := map[string]string{
		"string": "s", "hash": "a 1\nb 2", "list": "x\ny", "set": "m\nn", "zset": "1760000000123 z",
		"stream": "1-1\ndata {}\nid e",
	}
	if diff := cmp.Diff(want, DumpAll(ctx, client)); diff != "" {
		t.Error(diff)
	}
}
