package storetest

import (
	"context"
	"testing"
	"time"

	"kasse/service"
	"kasse/service/push"
	"kasse/store"
)

// testUnmarked has a Redis that was wiped: it must not sell orders again that were paid.
func (connect connector) testUnmarked(t *testing.T) {
	writes := map[string]func(ctx context.Context, f fixture) error{
		"a payment": func(ctx context.Context, f fixture) error {
			w := transition(service.Payment{ID: "pi_1"}, time.Unix(1_760_000_000, 0))
			w.ReadAt = w.Now
			return f.SavePayment(ctx, w)
		},
		"an order": func(ctx context.Context, f fixture) error { return f.SaveOrder(ctx, service.Order{ID: "o-1"}) },
		"a quarantined event": func(ctx context.Context, f fixture) error {
			return f.Quarantine(ctx, service.Notice{ID: "evt_1", Unreadable: "odd"}, []byte("{}"))
		},
		"a lease": func(ctx context.Context, f fixture) error {
			_, err := f.TakeLease(ctx, "nets", "me", time.Minute)
			return err
		},
		"a payment to restore": func(ctx context.Context, f fixture) error { return f.WantRestore(ctx, "pi_1") },
		"how far it caught up": func(ctx context.Context, f fixture) error { return f.SaveCatchUp(ctx, time.Unix(1, 0)) },
		"the account":          func(ctx context.Context, f fixture) error { return f.Remember(ctx, "acct_1") },
		"an endpoint":          func(ctx context.Context, f fixture) error { return f.RegisterEndpoint(ctx, shopEndpoint) },
		"a delayed push": func(ctx context.Context, f fixture) error {
			return f.RetryPush(ctx, shopEndpoint, push.Attempt{}, 0, false)
		},
		"a dead letter": func(ctx context.Context, f fixture) error {
			return f.DeadLetterPush(ctx, shopEndpoint, push.Attempt{})
		},
		"a finished push": func(ctx context.Context, f fixture) error {
			return f.FinishPushes(ctx, shopEndpoint, []push.Attempt{{Status: 200}})
		},
		"an open circuit": func(ctx context.Context, f fixture) error {
			_, _, err := f.OpenCircuit(ctx, shopEndpoint, pauses, 0)
			return err
		},
		"a switched-off one": func(ctx context.Context, f fixture) error { _, err := f.disable(ctx, shopEndpoint); return err },
		"a read":             func(ctx context.Context, f fixture) error { return f.WantRead(ctx, "pi_1") },
	}
	for name, write := range writes {
		t.Run("takes not "+name, func(t *testing.T) {
			f := unmarked(t, connect, options)
			hasCode(t, write(t.Context(), f), service.CodeStoreUnavailable)
			unchanged(t, map[string]string{}, DumpAll(t.Context(), f.client))
		})
	}
	t.Run("has no feed", func(t *testing.T) {
		f := unmarked(t, connect, options)
		for _, after := range []string{"", service.Latest} {
			_, err := f.LoadEvents(t.Context(), after, 10)
			hasCode(t, err, service.CodeStoreUnavailable)
		}
	})
	t.Run("in part counts as unmarked", func(t *testing.T) {
		for _, partial := range []string{"epoch", "account", "trimmed"} {
			f := unmarked(t, connect, options)
			for n := range partitions {
				for _, half := range []string{"p", "o"} {
					must(t, f.client.HSet(t.Context(), metaKey(half, n), partial, "1").Err())
				}
			}
			if _, err := f.Check(t.Context(), identity); err != store.ErrUnmarked { //nolint:errorlint // it is compared so
				t.Errorf("with only %s: got %v, want %v", partial, err, store.ErrUnmarked)
			}
			for _, write := range writes {
				hasCode(t, write(t.Context(), f), service.CodeStoreUnavailable)
			}
		}
	})
	t.Run("hands out no reads", func(t *testing.T) {
		f := unmarked(t, connect, options)
		if ids, err := f.TakeReads(t.Context(), 10, time.Minute); len(ids) > 0 || err != nil {
			t.Errorf("got %v, %v", ids, err)
		}
		unchanged(t, map[string]string{}, DumpAll(t.Context(), f.client))
	})
}
