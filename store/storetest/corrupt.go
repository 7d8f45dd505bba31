package storetest

import (
	"context"
	"errors"
	"testing"

	"github.com/redis/go-redis/v9"

	"kasse/service/payment"
)

// damage damages the key of an order.
type damage func(ctx context.Context, client redis.UniversalClient, key string) error

func setField(field, value string) damage {
	return func(ctx context.Context, client redis.UniversalClient, key string) error {
		return client.HSet(ctx, key, field, value).Err()
	}
}

// replaceField replaces a field by another one.
func replaceField(field, other string) damage {
	return func(ctx context.Context, client redis.UniversalClient, key string) error {
		return errors.Join(client.HSet(ctx, key, other, "text").Err(), client.HDel(ctx, key, field).Err())
	}
}

// cutField leaves three quarters of a field.
func cutField(field string) damage {
	return func(ctx context.Context, client redis.UniversalClient, key string) error {
		whole, err := client.HGet(ctx, key, field).Result()
		return errors.Join(err, client.HSet(ctx, key, field, whole[:len(whole)*3/4]).Err())
	}
}

func anotherType(ctx context.Context, client redis.UniversalClient, key string) error {
	return client.Set(ctx, key, "text", 0).Err()
}

// testCorrupt: records that cannot be read are neither shown nor overwritten. An operator has to repair
// them.
func (connect connector) testCorrupt(t *testing.T) {
	damages := map[string]damage{
		"order cut off":     cutField("order"),
		"order with a tail": setField("order", "1-x\n\x01\x00\x00"),
		"order gone":        replaceField("order", "another"),
		"revision gone":     setField("order", "\x01\x00"),
		"revision empty":    setField("order", "\n\x01\x00"),
		"no order":          setField("order", ""),
		"no dictionary":     setField("order", "1-x\n"),
		"another type":      anotherType,
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
				Must(t, damage(t.Context(), f.client, key))
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
	t.Run("record of another payment", connect.corruptRecordOfAnotherPayment)
	t.Run("of a newer version are not overwritten", connect.newerVersion)
	t.Run("history", connect.corruptHistory)
	t.Run("pointer", func(t *testing.T) {
		f := fresh(t, connect)
		Must(t, f.client.HSet(t.Context(), pointerKey("pi_1"), "a", "b").Err())
		_, _, err := f.FindOrder(t.Context(), "pi_1")
		hasCode(t, err, payment.CodeInternal)
		hasCode(t, f.SavePointer(t.Context(), "pi_1", "o_1", f.now(t).Add(retention)), payment.CodeInternal)
	})
}

func (connect connector) corruptRecordOfAnotherPayment(t *testing.T) {
	for _, damage := range []damage{
		cutField("record:pi_1"), setField("record:pi_1", ""), replaceField("record:pi_1", "another"),
	} {
		f := fresh(t, connect)
		f.putIn(t, "o_1", "pi_1")
		f.putIn(t, "o_1", "pi_2")
		Must(t, damage(t.Context(), f.client, orderKey("o_1")))
		if o := f.order(t, "o_1"); o.Loaded["pi_2"] == nil {
			t.Error("the current payment is not loaded")
		}
		_, _, err := f.LoadOrder(t.Context(), payment.Ref{Order: "o_1"}, "pi_1")
		hasCode(t, err, payment.CodeInternal)
	}
}

func (connect connector) corruptHistory(t *testing.T) {
	f := fresh(t, connect)
	f.put(t, "pi_1")
	Must(t, cutField("order")(t.Context(), f.client, orderKey("o_1")))
	_, err := f.LoadHistory(t.Context(), "pi_1")
	hasCode(t, err, payment.CodeInternal)
	Must(t, anotherType(t.Context(), f.client, orderKey("o_1")))
	for range 2 {
		_, err = f.LoadView(t.Context(), "pi_1")
		hasCode(t, err, payment.CodeInternal)
		_, err = f.LoadHistory(t.Context(), "pi_1")
		hasCode(t, err, payment.CodeInternal)
	}
}

// newerVersion: an order or a record with the dictionary of a later release is not damaged. The caller gets a
// temporary error, and the data stays for the newer program.
func (connect connector) newerVersion(t *testing.T) {
	later := string([]byte{payment.Dictionary + 2})
	for field, text := range map[string]string{"order": "1-x\n" + later + "\x00", "record:pi_1": later + "\x00"} {
		f := fresh(t, connect)
		f.putIn(t, "o_1", "pi_1")
		f.putIn(t, "o_1", "pi_2")
		stale, _ := f.load(t, payment.Ref{Order: "o_1"}, "pi_1")
		Must(t, setField(field, text)(t.Context(), f.client, orderKey("o_1")))
		before := DumpAll(t.Context(), f.client)
		_, _, err := f.LoadOrder(t.Context(), payment.Ref{Order: "o_1"}, "pi_1")
		hasCode(t, err, payment.CodeStoreUnavailable)
		_, err = f.LoadView(t.Context(), "pi_1")
		hasCode(t, err, payment.CodeStoreUnavailable)
		if field == "order" {
			o, c := Transition(stale, "pi_1", f.now(t))
			_, err = f.SaveOrder(t.Context(), o, c, "pi_1")
			hasCode(t, err, payment.CodeStoreUnavailable)
		}
		unchanged(t, before, DumpAll(t.Context(), f.client))
	}
}
