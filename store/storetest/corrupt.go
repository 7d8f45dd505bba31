package storetest

import (
	"context"
	"testing"

	"github.com/redis/go-redis/v9"

	"kasse/service/payment"
)

// damage is what may happen to the key of an order.
type damage func(ctx context.Context, client redis.UniversalClient, key string) error

func setField(field, value string) damage {
	return func(ctx context.Context, client redis.UniversalClient, key string) error {
		return client.HSet(ctx, key, field, value).Err()
	}
}

func removeField(fields ...string) damage {
	return func(ctx context.Context, client redis.UniversalClient, key string) error {
		return client.HDel(ctx, key, fields...).Err()
	}
}

func anotherType(ctx context.Context, client redis.UniversalClient, key string) error {
	return client.Set(ctx, key, "text", 0).Err()
}

// testCorrupt has records that cannot be read. They are neither shown nor overwritten: an operator
// has to look.
func (connect connector) testCorrupt(t *testing.T) {
	damages := map[string]damage{
		"order cut off":  setField("order", `{"rev`),
		"order no JSON":  setField("order", "\xff\x00"),
		"order gone":     removeField("order"),
		"revision gone":  removeField("rev"),
		"revision empty": setField("rev", ""),
		"record cut off": setField("record:pi_1", `{"rec`),
		"record no JSON": setField("record:pi_1", "\xff\x00"),
		"record gone":    removeField("record:pi_1"),
		"all but a view": removeField("order", "rev", "record:pi_1", "current"),
		"another's type": anotherType,
	}
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			for _, ref := range []payment.Ref{{Order: "o_1"}, {Order: "o_1", Foreign: "pi_1"}} {
				f := fresh(t, connect)
				key := orderKey("o_1")
				if ref.Foreign == "" {
					f.put(t, "pi_1")
				} else {
					f.putForeign(t, ref)
					key = foreignKey("o_1", "pi_1")
				}
				must(t, damage(t.Context(), f.client, key))
				before := DumpAll(t.Context(), f.client)
				_, _, err := f.LoadOrder(t.Context(), ref, "pi_1")
				hasCode(t, err, payment.CodeInternal)
				o, c := Transition(payment.Order{ID: "o_1", Foreign: ref.Foreign}, "pi_1", f.now(t))
				_, err = f.SaveOrder(t.Context(), o, c, "pi_1")
				hasCode(t, err, payment.CodeInternal)
				unchanged(t, before, DumpAll(t.Context(), f.client))
			}
		})
	}
	t.Run("record of another payment", func(t *testing.T) {
		f := fresh(t, connect)
		f.putIn(t, "o_1", "pi_1")
		f.putIn(t, "o_1", "pi_2")
		must(t, setField("record:pi_1", `{"rec`)(t.Context(), f.client, orderKey("o_1")))
		if o := f.order(t, "o_1"); o.Loaded["pi_2"] == nil {
			t.Error("the current payment is not loaded")
		}
		_, _, err := f.LoadOrder(t.Context(), payment.Ref{Order: "o_1"}, "pi_1")
		hasCode(t, err, payment.CodeInternal)
	})
	t.Run("view", func(t *testing.T) {
		for _, text := range []string{"", "text", "0 \n{}", "-1 \n{}", "1x ab\n{}", " ab\n{}"} {
			f := fresh(t, connect)
			f.put(t, "pi_1")
			must(t, setField("view:pi_1", text)(t.Context(), f.client, orderKey("o_1")))
			_, err := f.LoadView(t.Context(), "pi_1")
			hasCode(t, err, payment.CodeInternal)
			_, err = f.LoadViews(t.Context(), "o_1", []payment.ID{"pi_1"})
			hasCode(t, err, payment.CodeInternal)
		}
	})
	t.Run("history", func(t *testing.T) {
		f := fresh(t, connect)
		f.put(t, "pi_1")
		must(t, setField("record:pi_1", `{"rec`)(t.Context(), f.client, orderKey("o_1")))
		_, err := f.LoadHistory(t.Context(), "pi_1")
		hasCode(t, err, payment.CodeInternal)
		must(t, anotherType(t.Context(), f.client, orderKey("o_1")))
		for range 2 {
			_, err = f.LoadView(t.Context(), "pi_1")
			hasCode(t, err, payment.CodeInternal)
			_, err = f.LoadHistory(t.Context(), "pi_1")
			hasCode(t, err, payment.CodeInternal)
		}
	})
	t.Run("pointer", func(t *testing.T) {
		f := fresh(t, connect)
		must(t, f.client.HSet(t.Context(), pointerKey("pi_1"), "a", "b").Err())
		_, _, err := f.FindOrder(t.Context(), "pi_1")
		hasCode(t, err, payment.CodeInternal)
		hasCode(t, f.SavePointer(t.Context(), "pi_1", "o_1", f.now(t).Add(retention)), payment.CodeInternal)
	})
}
