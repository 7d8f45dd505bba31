package storetest

import (
	"context"
	"testing"

	"github.com/redis/go-redis/v9"

	"kasse/service"
)

// testCorrupt has records that cannot be read. Somebody has to look: they are neither shown nor overwritten.
func (connect connector) testCorrupt(t *testing.T) {
	set := func(field, value string) func(ctx context.Context, client redis.UniversalClient, key string) error {
		return func(ctx context.Context, client redis.UniversalClient, key string) error {
			return client.HSet(ctx, key, field, value).Err()
		}
	}
	remove := func(field string) func(ctx context.Context, client redis.UniversalClient, key string) error {
		return func(ctx context.Context, client redis.UniversalClient, key string) error {
			return client.HDel(ctx, key, field).Err()
		}
	}
	damages := map[string]func(ctx context.Context, client redis.UniversalClient, key string) error{
		"state cut off": set("state", `{"rec`),
		"state no JSON": set("state", "\xff\x00"),
		"state gone":    remove("state"),
		"revision odd":  set("rev", "1x"),
		"revision zero": set("rev", "0"),
		"revision gone": remove("rev"),
		"another's type": func(ctx context.Context, client redis.UniversalClient, key string) error {
			return client.Set(ctx, key, "text", 0).Err()
		},
	}
	for name, damage := range damages {
		t.Run("payment, "+name, func(t *testing.T) {
			f := fresh(t, connect)
			f.put(t, "pi_1")
			must(t, damage(t.Context(), f.client, paymentKey("pi_1")))
			before := DumpAll(t.Context(), f.client)
			_, _, err := f.LoadPayment(t.Context(), "pi_1")
			hasCode(t, err, service.CodeInternal)
			if err := f.SavePayment(t.Context(), transition(service.Payment{ID: "pi_1"}, f.now(t))); err == nil {
				t.Error("a first write went over it")
			}
			unchanged(t, before, DumpAll(t.Context(), f.client))
		})
		t.Run("order, "+name, func(t *testing.T) {
			f := fresh(t, connect)
			must(t, f.SaveOrder(t.Context(), fullOrder("o-1")))
			must(t, damage(t.Context(), f.client, orderKey("o-1")))
			before := DumpAll(t.Context(), f.client)
			_, _, err := f.LoadOrder(t.Context(), "o-1")
			hasCode(t, err, service.CodeInternal)
			if err := f.SaveOrder(t.Context(), service.Order{ID: "o-1"}); err == nil {
				t.Error("a first write went over it")
			}
			unchanged(t, before, DumpAll(t.Context(), f.client))
		})
	}
	t.Run("view", func(t *testing.T) {
		f := fresh(t, connect)
		f.put(t, "pi_1")
		must(t, f.client.HSet(t.Context(), paymentKey("pi_1"), "version", "").Err())
		_, err := f.LoadView(t.Context(), "pi_1")
		hasCode(t, err, service.CodeInternal)
		must(t, f.client.Set(t.Context(), paymentKey("pi_1"), "text", 0).Err())
		_, err = f.LoadView(t.Context(), "pi_1")
		hasCode(t, err, service.CodeInternal)
		_, err = f.LoadHistory(t.Context(), "pi_1")
		hasCode(t, err, service.CodeInternal)
	})
}
