package storetest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"kasse/service/payment"
)

const quarantineKey = "kasse:{p0}:quarantine"

func (connect connector) testQuarantine(t *testing.T) {
	body := []byte(
		`{"id":"evt_1","type":"payment_intent.succeeded","data":{"object":{"client_secret":"pi_1_secret_x"}}}`,
	)
	t.Run("keeps the metadata, and not the body", func(t *testing.T) { quarantineKeepsMetadata(t, connect, body) })
	t.Run("stores a repeated delivery once", func(t *testing.T) { quarantineStoresOnce(t, connect, body) })
	t.Run("cuts long texts", func(t *testing.T) { quarantineCutsLongTexts(t, connect, body) })
	t.Run("keeps the newest 10,000", func(t *testing.T) { quarantineKeepsTheNewest10000(t, connect, body) })
}

func quarantineKeepsMetadata(t *testing.T, connect connector, body []byte) {
	t.Helper()
	f := fresh(t, connect)
	event := payment.StripeEvent{ID: "evt_1", Type: "payment_intent.succeeded", Unreadable: "odd"}
	Must(t, f.Quarantine(t.Context(), event, body))
	entries, err := f.client.XRange(t.Context(), quarantineKey, "-", "+").Result()
	Must(t, err)
	sum := sha256.Sum256(body)
	want := map[string]any{
		"id": "evt_1", "type": "payment_intent.succeeded", "size": fmt.Sprint(len(body)),
		"sha256": hex.EncodeToString(sum[:]), "reason": "odd",
	}
	if len(entries) != 1 {
		t.Fatalf("%d entries, want 1", len(entries))
	}
	if diff := cmp.Diff(want, entries[0].Values); diff != "" {
		t.Error(diff)
	}
	for key, text := range DumpAll(t.Context(), f.client) {
		if strings.Contains(text, "_secret_") {
			t.Errorf("%s has %s", key, text)
		}
	}
}

func quarantineStoresOnce(t *testing.T, connect connector, body []byte) {
	t.Helper()
	f := fresh(t, connect)
	for range 3 {
		Must(t, f.Quarantine(t.Context(), payment.StripeEvent{ID: "evt_1", Unreadable: "odd"}, body))
	}
	Must(t, f.Quarantine(t.Context(), payment.StripeEvent{ID: "evt_2", Unreadable: "odd"}, body))
	if n := f.client.XLen(t.Context(), quarantineKey).Val(); n != 2 {
		t.Errorf("%d entries, want 2", n)
	}
}

func quarantineCutsLongTexts(t *testing.T, connect connector, body []byte) {
	t.Helper()
	f := fresh(t, connect)
	long := strings.Repeat("ü", 100_000)
	Must(t, f.Quarantine(t.Context(), payment.StripeEvent{ID: long, Type: long, Unreadable: long}, body))
	for _, text := range DumpAll(t.Context(), f.client) {
		if len(text) > 2_000 {
			t.Errorf("an entry has %d bytes", len(text))
		}
	}
}

func quarantineKeepsTheNewest10000(t *testing.T, connect connector, body []byte) {
	t.Helper()
	const kept = 10_000
	f := fresh(t, connect)
	_, err := f.client.Pipelined(t.Context(), func(pipe redis.Pipeliner) error {
		for range kept {
			pipe.XAdd(t.Context(), &redis.XAddArgs{Stream: quarantineKey, Values: []any{"id", "evt_old"}})
		}
		return nil
	})
	Must(t, err)
	Must(t, f.Quarantine(t.Context(), payment.StripeEvent{ID: "evt_new", Unreadable: "odd"}, body))
	if n := f.client.XLen(t.Context(), quarantineKey).Val(); n != kept {
		t.Errorf("%d entries are kept, want %d", n, kept)
	}
	newest, err := f.client.XRevRangeN(t.Context(), quarantineKey, "+", "-", 1).Result()
	Must(t, err)
	if newest[0].Values["id"] != "evt_new" {
		t.Errorf("the newest is %v", newest[0].Values)
	}
}
