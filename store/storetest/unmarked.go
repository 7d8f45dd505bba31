package storetest

import (
	"context"
	"testing"
	"time"

	"kasse/service/payment"
	"kasse/service/push"
	"kasse/store"
	"kasse/test/wait"
)

// unmarkedCases are all kinds of writes.
var unmarkedCases = map[string]func(ctx context.Context, f fixture) error{
	"an order with a payment": func(ctx context.Context, f fixture) error {
		o, c := Transition(payment.Order{ID: "o_1"}, "pi_1", time.Unix(1_760_000_000, 0))
		c.Reads = []payment.Due{{Payment: "pi_1", At: c.Now}}
		_, err := f.SaveOrder(ctx, o, c)
		return err
	},
	"an order": func(ctx context.Context, f fixture) error {
		o, c := leased(payment.Order{ID: "o-1"}, time.Unix(1_760_000_000, 0))
		_, err := f.SaveOrder(ctx, o, c)
		return err
	},
	"a pointer": func(ctx context.Context, f fixture) error {
		return f.SavePointer(ctx, "pi_1", "o_1", time.Unix(4_000_000_000, 0))
	},
	"a retention": func(ctx context.Context, f fixture) error { _, err := f.SaveRetention(ctx); return err },
	"a quarantined event": func(ctx context.Context, f fixture) error {
		return f.Quarantine(ctx, payment.StripeEvent{ID: "evt_1", Unreadable: "odd"}, []byte("{}"))
	},
	"a lease": func(ctx context.Context, f fixture) error {
		_, err := f.AcquireLease(ctx, "nets", "me", time.Minute)
		return err
	},
	"a request for a pass": func(ctx context.Context, f fixture) error {
		_, err := f.RequestPass(ctx, payment.PassRequest{ID: "one"})
		return err
	},
	"a payment to restore": func(ctx context.Context, f fixture) error {
		return f.QueueRestore(ctx, "pi_1", "address", false)
	},
	"a catch-up": func(ctx context.Context, f fixture) error {
		return f.SaveCatchUp(ctx, payment.CatchUp{Now: time.Unix(1, 0)})
	},
	"the account": func(ctx context.Context, f fixture) error { return f.SetAccount(ctx, "acct_1") },
	"an endpoint": func(ctx context.Context, f fixture) error {
		return f.RegisterEndpoint(ctx, shopEndpoint)
	},
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
	"a disabled endpoint": func(ctx context.Context, f fixture) error {
		_, err := f.disable(ctx, shopEndpoint)
		return err
	},
	"a read": func(ctx context.Context, f fixture) error { return errOf(f.QueueRead(ctx, "pi_1")) },
}

// testUnmarked: a Redis that was wiped refuses all writes. Otherwise orders would be sold again that were paid.
func (connect connector) testUnmarked(t *testing.T) {
	writes := unmarkedCases
	for name, write := range writes {
		t.Run("refuses "+name, func(t *testing.T) {
			f := unmarked(t, connect, options)
			hasCode(t, write(t.Context(), f), payment.CodeStoreUnavailable)
			unchanged(t, map[string]string{}, DumpAll(t.Context(), f.client))
		})
	}
	t.Run("has no feed", func(t *testing.T) {
		f := unmarked(t, connect, options)
		for _, after := range []string{"", payment.Latest} {
			_, err := f.LoadEvents(t.Context(), payment.FeedQuery{After: after, Limit: 10})
			hasCode(t, err, payment.CodeStoreUnavailable)
		}
	})
	t.Run("in part counts as unmarked", func(t *testing.T) { partlyMarkedIsUnmarked(t, connect, writes) })
	t.Run("has no views, and no payment is unknown", connect.unmarkedHasNoViews)
	t.Run("no longer has views after a loss, and no payment is unknown", connect.unmarkedAfterALoss)
	t.Run("returns no reads", func(t *testing.T) {
		f := unmarked(t, connect, options)
		if ids, err := f.ClaimReads(t.Context(), 10, time.Minute); len(ids) > 0 || err != nil {
			t.Errorf("got %v, %v", ids, err)
		}
		unchanged(t, map[string]string{}, DumpAll(t.Context(), f.client))
	})
}

func partlyMarkedIsUnmarked(
	t *testing.T, connect connector, writes map[string]func(ctx context.Context, f fixture) error,
) {
	t.Helper()
	for _, partial := range []string{"epoch", "account", "trimmed", "retention"} {
		f := unmarked(t, connect, options)
		for n := range partitions {
			Must(t, f.client.HSet(t.Context(), metaKey(n), partial, "1").Err())
		}
		_, err := f.Check(t.Context(), identity)
		if err != store.ErrUnmarked { //nolint:errorlint // Check does not wrap it
			t.Errorf("with only %s: got %v, want %v", partial, err, store.ErrUnmarked)
		}
		for _, write := range writes {
			hasCode(t, write(t.Context(), f), payment.CodeStoreUnavailable)
		}
	}
}

func (connect connector) unmarkedHasNoViews(t *testing.T) {
	f := unmarked(t, connect, options)
	_, err := f.LoadView(t.Context(), "pi_1")
	hasCode(t, err, payment.CodeStoreUnavailable)
	_, err = f.LoadHistory(t.Context(), "pi_1")
	hasCode(t, err, payment.CodeStoreUnavailable)
	_, _, err = f.FindOrder(t.Context(), "pi_1")
	hasCode(t, err, payment.CodeStoreUnavailable)
	for _, ref := range []payment.Ref{{Order: "o_1"}, {Order: "o_1", Foreign: "pi_1"}} {
		_, _, err = f.LoadOrder(t.Context(), ref, "pi_1")
		hasCode(t, err, payment.CodeStoreUnavailable)
	}
}

func (connect connector) unmarkedAfterALoss(t *testing.T) {
	f := fresh(t, connect)
	f.put(t, "pi_1")
	f.view(t, "pi_1") // its pointer is cached from now on
	lost := []string{orderKey("o_1"), metaKey(Partition("o_1"))}
	for _, key := range lost {
		Must(t, f.client.Del(t.Context(), key).Err())
	}
	wait.UntilTrue(t, "the loss to be noticed", func() bool {
		_, err := f.LoadView(t.Context(), "pi_1")
		return err != nil
	})
	_, err := f.LoadView(t.Context(), "pi_1")
	hasCode(t, err, payment.CodeStoreUnavailable)
	_, err = f.LoadHistory(t.Context(), "pi_1")
	hasCode(t, err, payment.CodeStoreUnavailable)
}
