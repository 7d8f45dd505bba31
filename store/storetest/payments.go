package storetest

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kasse/service"
)

// full is a payment with every member set, and texts that a careless encoding would change.
func full(id service.PaymentID) service.Payment {
	charge := service.Charge{ID: "ch_1"}
	snapshot := service.Snapshot{
		Status: service.RequiresPaymentMethod, Amount: 99_999_999, AmountCapturable: 1, AmountReceived: 2, Currency: "eur",
		Customer: "cus_1", CaptureMethod: service.CaptureManual, SetupFutureUsage: "off_session", Charge: charge,
		Failure:  &service.Failure{Code: "card_declined", DeclineCode: "lost_card", Charge: "ch_1"},
		Metadata: map[string]string{"note": "<b>Grüße & \"quotes\"\\\n\u2028\x00", "kasse_order_id": "o-1", "number": "9007199254740993"},
	}
	seen := service.Sighting{At: 1_760_000_000, Event: "evt_1", APIVersion: "2024-06-20", Snapshot: snapshot}
	return service.Payment{
		ID: id, SecretHash: strings.Repeat("ab", 32), Livemode: true,
		Record: service.Record{
			Created: 1_760_000_000, Opening: &seen, Recent: []service.Sighting{seen}, Terminal: []service.Sighting{seen},
			Reads:    []service.Read{{Sighting: seen, Covers: []string{"evt_1"}, CaptureBefore: 1_760_600_000}},
			Received: 1 << 60, Failures: []string{"ch_1"}, Doubt: 1_760_000_001,
		},
		Standing: service.Standing{
			Order: "o-1", Attempt: 3, Foreign: true, Superseded: true, Result: service.Won,
			Terms: &service.Terms{Amount: 1, Currency: "eur", Customer: "cus_1"}, FulfillableAt: 1_760_000_002,
		},
	}
}

func (connect connector) testPayments(t *testing.T) {
	t.Run("come back as they were saved", func(t *testing.T) {
		f := fresh(t, connect)
		w := transition(full("pi_full"), f.now(t))
		must(t, f.SavePayment(t.Context(), w))
		want := w.Payment
		want.Revision = 1
		if diff := cmp.Diff(want, f.payment(t, "pi_full")); diff != "" {
			t.Errorf("saved and loaded differ:\n%s", diff)
		}
	})
	t.Run("that were never saved have revision 0", func(t *testing.T) {
		f := fresh(t, connect)
		if diff := cmp.Diff(service.Payment{ID: "pi_none"}, f.payment(t, "pi_none")); diff != "" {
			t.Error(diff)
		}
		_, err := f.LoadView(t.Context(), "pi_none")
		notFound(t, err)
		_, err = f.LoadHistory(t.Context(), "pi_none")
		notFound(t, err)
	})
	t.Run("with odd ids do not meet", func(t *testing.T) {
		f := fresh(t, connect)
		ids := []service.PaymentID{"pi__", "pi_" + service.PaymentID(strings.Repeat("Z", 250)), "pi_0", "pi_00", "pi_payment"}
		for _, id := range ids {
			f.put(t, id)
			if n, err := f.client.Exists(t.Context(), paymentKey(id)).Result(); n != 1 || err != nil {
				t.Errorf("%s is not where it belongs: %v", id, err)
			}
		}
		for _, id := range ids {
			view, err := f.LoadView(t.Context(), id)
			must(t, err)
			if p := f.payment(t, id); p.Revision != 1 || !strings.Contains(string(view.View), fmt.Sprintf("%q", id)) {
				t.Errorf("%s: revision %d, view %s", id, p.Revision, view.View)
			}
		}
	})
	t.Run("keep large metadata", func(t *testing.T) {
		f := fresh(t, connect)
		p := full("pi_large")
		for i := range 20 {
			p.Record.Opening.Metadata[fmt.Sprintf("%02d%s", i, strings.Repeat("k", 38))] = strings.Repeat("€", 500)
		}
		must(t, f.SavePayment(t.Context(), transition(p, f.now(t))))
		if diff := cmp.Diff(p.Record, f.payment(t, "pi_large").Record); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("are written after a flush of the scripts", func(t *testing.T) {
		f := fresh(t, connect)
		f.put(t, "pi_1")
		must(t, f.client.ScriptFlush(t.Context()).Err())
		f.put(t, "pi_1")
		if p := f.payment(t, "pi_1"); p.Revision != 2 {
			t.Errorf("revision %d, want 2", p.Revision)
		}
	})
}

func notFound(t testing.TB, err error) {
	t.Helper()
	if !errors.Is(err, service.ErrNotFound) {
		t.Errorf("got %v, want %v", err, service.ErrNotFound)
	}
}

func conflict(t testing.TB, err error) {
	t.Helper()
	if !errors.Is(err, service.ErrConflict) {
		t.Errorf("got %v, want %v", err, service.ErrConflict)
	}
}

func (connect connector) testPaymentWrites(t *testing.T) {
	t.Run("of a stale revision conflict and change nothing", func(t *testing.T) {
		f := fresh(t, connect)
		stale := f.payment(t, "pi_1")
		f.put(t, "pi_1")
		f.put(t, "pi_1")
		before := DumpAll(t.Context(), f.client)
		for revision := range int64(5) {
			if stale.Revision = revision; revision != 2 {
				conflict(t, f.SavePayment(t.Context(), transition(stale, f.now(t))))
			}
		}
		unchanged(t, before, DumpAll(t.Context(), f.client))
	})
	t.Run("come first only when the payment is absent", func(t *testing.T) {
		f := fresh(t, connect)
		absent := f.payment(t, "pi_1")
		absent.Revision = 1
		conflict(t, f.SavePayment(t.Context(), transition(absent, f.now(t))))
		absent.Revision = 0
		must(t, f.SavePayment(t.Context(), transition(absent, f.now(t))))
		conflict(t, f.SavePayment(t.Context(), transition(absent, f.now(t))))
	})
	t.Run("of many at once are each counted", connect.manyWriters)
	t.Run("that show nothing raise the revision only", func(t *testing.T) {
		f := fresh(t, connect)
		f.put(t, "pi_1")
		before := fieldsOf(t, f, "pi_1")
		entries := f.client.XLen(t.Context(), eventsKey("pi_1")).Val()
		must(t, f.SavePayment(t.Context(), unseen(f.payment(t, "pi_1"), f.now(t))))
		after := fieldsOf(t, f, "pi_1")
		before["rev"] = "2"
		if diff := cmp.Diff(before, after); diff != "" {
			t.Errorf("more than the revision changed:\n%s", diff)
		}
		if n := f.client.XLen(t.Context(), eventsKey("pi_1")).Val(); n != entries {
			t.Errorf("the stream grew from %d to %d", entries, n)
		}
	})
	t.Run("that show write everything", connect.visibleWrite)
	t.Run("that tell nobody append nothing", func(t *testing.T) {
		f := fresh(t, connect)
		w := transition(f.payment(t, "pi_1"), f.now(t))
		w.Event = nil
		must(t, f.SavePayment(t.Context(), w))
		if n := f.client.Exists(t.Context(), eventsKey("pi_1")).Val(); n != 0 {
			t.Error("there is a stream")
		}
		if view, err := f.LoadView(t.Context(), "pi_1"); err != nil || view.Version != w.Version {
			t.Errorf("view %+v, %v", view, err)
		}
	})
}

// manyWriters lets each of many change one payment until its change is in.
func (connect connector) manyWriters(t *testing.T) {
	f := fresh(t, connect)
	const writers, each = 8, 10
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for written := 0; written < each; {
				p, now, err := f.LoadPayment(t.Context(), "pi_1")
				if err == nil {
					err = f.SavePayment(t.Context(), transition(p, now))
				}
				switch {
				case err == nil:
					written++
				case !errors.Is(err, service.ErrConflict):
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	if p := f.payment(t, "pi_1"); p.Revision != writers*each {
		t.Errorf("revision %d, want %d", p.Revision, writers*each)
	}
	if n := f.client.XLen(t.Context(), eventsKey("pi_1")).Val(); n != writers*each {
		t.Errorf("%d entries in the stream, want %d", n, writers*each)
	}
}

func fieldsOf(t testing.TB, f fixture, id service.PaymentID) map[string]string {
	t.Helper()
	fields, err := f.client.HGetAll(t.Context(), paymentKey(id)).Result()
	must(t, err)
	return fields
}

func (connect connector) visibleWrite(t *testing.T) {
	f := fresh(t, connect)
	first := transition(full("pi_1"), f.now(t))
	must(t, f.SavePayment(t.Context(), first))
	second := transition(f.payment(t, "pi_1"), f.now(t))
	second.Standing.Foreign = false // a foreign payment is nobody's to read by a token
	must(t, f.SavePayment(t.Context(), second))

	view, err := f.LoadView(t.Context(), "pi_1")
	must(t, err)
	view.Public = nil // it is cut out ahead where views are kept
	want := service.StoredView{View: second.View, Version: second.Version, Order: second.Standing.Order, SecretHash: second.SecretHash}
	if diff := cmp.Diff(want, view); diff != "" {
		t.Errorf("view:\n%s", diff)
	}
	history, err := f.LoadHistory(t.Context(), "pi_1")
	must(t, err)
	if want := fmt.Sprintf("[%s,%s]", first.History, second.History); string(history) != want {
		t.Errorf("history is %s, want %s", history, want)
	}
	entries, err := f.client.XRange(t.Context(), eventsKey("pi_1"), "-", "+").Result()
	must(t, err)
	for i, w := range []service.PaymentWrite{first, second} {
		want := map[string]any{"id": w.Event.ID, "type": w.Event.Type, "data": string(w.View)}
		if i >= len(entries) {
			t.Fatalf("%d entries in the stream, want 2", len(entries))
		}
		if diff := cmp.Diff(want, entries[i].Values); diff != "" {
			t.Errorf("entry %d:\n%s", i, diff)
		}
	}
}
