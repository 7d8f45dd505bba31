package storetest

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"kasse/store"
)

// fillOld fills Redis with keys of schema 1, which had separate partitions for orders. It returns these keys, and keys
// that a Discard keeps, such as the quota of a caller.
func (f fixture) fillOld(t testing.TB) (keys, kept []string) {
	t.Helper()
	ctx := t.Context()
	for n := range partitions {
		for _, half := range []string{"p", "o"} {
			part := fmt.Sprintf("kasse:{%s%d}:", half, n)
			mark := []any{
				"schema", "1", "account", "acct_1", "livemode", "false", "service", "kasse", "partitions", "16",
			}
			Must(t, f.client.HSet(ctx, part+"meta", mark...).Err())
			keys = append(keys, part+"meta")
		}
		part := fmt.Sprintf("kasse:{p%d}:", n)
		Must(t, f.client.HSet(ctx, part+"payment:pi_1", "rev", "1", "state", "{}").Err())
		Must(t, f.client.ZAdd(ctx, part+"reads", redis.Z{Score: 1, Member: "pi_1"}).Err())
		Must(t, f.client.XAdd(ctx, &redis.XAddArgs{Stream: part + "events", Values: []any{"id", "e"}}).Err())
		Must(t, f.client.HSet(ctx, fmt.Sprintf("kasse:{o%d}:order:o:meta", n), "rev", "1", "state", "{}").Err())
		keys = append(
			keys, part+"payment:pi_1", part+"reads", part+"events", fmt.Sprintf("kasse:{o%d}:order:o:meta", n),
		)
	}
	for _, key := range []string{"rate:kasse:{p1}:limit:service:shop", "another", "kassel:{p1}:meta"} {
		Must(t, f.client.Set(ctx, key, "x", 0).Err())
		kept = append(kept, key)
	}
	return keys, kept
}

func (connect connector) testDiscard(t *testing.T) {
	t.Run("of an older schema removes all its keys, and no others", func(t *testing.T) {
		f := unmarked(t, connect, options)
		keys, kept := f.fillOld(t)
		_, err := f.Check(t.Context(), identity)
		otherSchema(t, err)
		otherSchema(t, f.Mark(t.Context(), identity))
		_, err = f.BeginRebuild(t.Context(), identity)
		otherSchema(t, err)
		count, err := f.Discard(t.Context())
		if Must(t, err); count != len(keys) {
			t.Errorf("%d keys were removed, want %d", count, len(keys))
		}
		left := allKeys(t.Context(), f.client)
		for _, key := range kept {
			if n := f.client.Exists(t.Context(), key).Val(); n != 1 {
				t.Errorf("%s is gone", key)
			}
		}
		if len(left) != len(kept) {
			t.Errorf("%v are left, want %v", left, kept)
		}
		_, err = f.Check(t.Context(), identity)
		isUnmarked(t, err)
		Must(t, f.Mark(t.Context(), identity))
		f.put(t, "pi_1")
	})
	t.Run("of this schema removes nothing", func(t *testing.T) {
		for _, f := range []fixture{fresh(t, connect), unmarked(t, connect, options)} {
			f.client.HSet(t.Context(), orderKey("o-1"), "rev", "1-x", "order", "{}")
			before := DumpAll(t.Context(), f.client)
			if count, err := f.Discard(t.Context()); count != 0 || err != nil {
				t.Errorf("%d keys were removed, %v", count, err)
			}
			unchanged(t, before, DumpAll(t.Context(), f.client))
		}
	})
	t.Run("continues if one partition is left", func(t *testing.T) {
		f := unmarked(t, connect, options)
		keys, kept := f.fillOld(t)
		for _, key := range keys { // an earlier Discard did not finish
			if strings.HasSuffix(key, "}:meta") && key != metaKey(7) {
				Must(t, f.client.Del(t.Context(), key).Err())
			}
		}
		_, err := f.Discard(t.Context())
		Must(t, err)
		if left := allKeys(t.Context(), f.client); len(left) != len(kept) {
			t.Errorf("%v are left, want %v", left, kept)
		}
	})
}

// otherSchema fails the test unless the error names the command that an operator has to run.
func otherSchema(t testing.TB, err error) {
	t.Helper()
	if !errors.Is(err, store.ErrOtherSchema) {
		t.Errorf("got %v, want %v", err, store.ErrOtherSchema)
	}
	mismatch(t, err, []string{"kasse rebuild -discard", `"1"`, `"2"`})
}

func (connect connector) testLowestRetention(t *testing.T) {
	f := fresh(t, connect)
	check := func(t testing.TB, in, want time.Duration) {
		t.Helper()
		o := options
		o.Retention = in
		lowest, err := store.New(f.client, o).SaveRetention(t.Context())
		if Must(t, err); lowest != want {
			t.Errorf("with %s the lowest is %s, want %s", in, lowest, want)
		}
	}
	check(t, 100*time.Hour, 100*time.Hour)
	check(t, 200*time.Hour, 100*time.Hour)
	check(t, 30*time.Hour, 30*time.Hour)
	check(t, 100*time.Hour, 30*time.Hour)
	_, err := f.Check(t.Context(), identity)
	Must(t, err)

	// One partition is lost and marked again: the lowest retention is still in the others.
	Must(t, f.client.Del(t.Context(), metaKey(0)).Err())
	_, err = f.SaveRetention(t.Context())
	hasCode(t, err, "store_unavailable")
	Must(t, f.Mark(t.Context(), identity))
	check(t, 100*time.Hour, 30*time.Hour)
}
