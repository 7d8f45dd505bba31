package storetest

import (
	"testing"

	"kasse/service"
)

// testCorrupt has records that cannot be read. Somebody has to look: they are neither shown nor overwritten.
func testCorrupt(t *testing.T, connect connector) {
	damages := map[string]func(t *testing.T, f fixture, key string){
		"state cut off": func(t *testing.T, f fixture, key string) {
			must(t, f.client.HSet(t.Context(), key, "state", `{"rec`).Err())
		},
		"state gone": func(t *testing.T, f fixture, key string) { must(t, f.client.HDel(t.Context(), key, "state").Err()) },
		"state no JSON": func(t *testing.T, f fixture, key string) {
			must(t, f.client.HSet(t.Context(), key, "state", "\xff\x00").Err())
		},
		"revision odd":   func(t *testing.T, f fixture, key string) { must(t, f.client.HSet(t.Context(), key, "rev", "1x").Err()) },
		"revision zero":  func(t *testing.T, f fixture, key string) { must(t, f.client.HSet(t.Context(), key, "rev", "0").Err()) },
		"revision gone":  func(t *testing.T, f fixture, key string) { must(t, f.client.HDel(t.Context(), key, "rev").Err()) },
		"another's type": func(t *testing.T, f fixture, key string) { must(t, f.client.Set(t.Context(), key, "text", 0).Err()) },
	}
	for name, damage := range damages {
		t.Run("payment, "+name, func(t *testing.T) {
			f := fresh(t, connect)
			f.put(t, "pi_1")
			damage(t, f, paymentKey("pi_1"))
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
			damage(t, f, orderKey("o-1"))
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
