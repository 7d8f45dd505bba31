package storetest

import (
	"testing"
	"time"

	"kasse/service/payment"
)

func (f fixture) pointed(t testing.TB, id payment.ID, want payment.OrderID) {
	t.Helper()
	order, found, err := f.FindOrder(t.Context(), id)
	if Must(t, err); order != want || found != (want != "") {
		t.Errorf("%s leads to %q, found %t, want %q", id, order, found, want)
	}
}

func (connect connector) testPointers(t *testing.T) {
	t.Run("lead to the order", func(t *testing.T) {
		f := fresh(t, connect)
		f.pointed(t, "pi_1", "")
		Must(t, f.SavePointer(t.Context(), "pi_1", "o-1", f.now(t).Add(time.Hour)))
		f.pointed(t, "pi_1", "o-1")
		f.pointed(t, "pi_2", "")
		f.expires(t, pointerKey("pi_1"), time.Hour)
	})
	t.Run("never change their order", func(t *testing.T) {
		f := fresh(t, connect)
		until := f.now(t).Add(time.Hour)
		Must(t, f.SavePointer(t.Context(), "pi_1", "o-1", until))
		_ = f.SavePointer(t.Context(), "pi_1", "o-2", until)
		f.pointed(t, "pi_1", "o-1")
	})
	t.Run("never end sooner", func(t *testing.T) {
		f := fresh(t, connect)
		now := f.now(t)
		for _, step := range []struct{ until, want time.Duration }{
			{time.Hour, time.Hour},
			{time.Minute, time.Hour},
			{3 * time.Hour, 3 * time.Hour},
			{-time.Hour, 3 * time.Hour},
		} {
			Must(t, f.SavePointer(t.Context(), "pi_1", "o-1", now.Add(step.until)))
			f.expires(t, pointerKey("pi_1"), step.want)
		}
	})
	t.Run("that have expired are gone", func(t *testing.T) {
		f := fresh(t, connect)
		Must(t, f.SavePointer(t.Context(), "pi_1", "o-1", f.now(t).Add(time.Hour)))
		Must(t, f.client.Del(t.Context(), pointerKey("pi_1")).Err()) // as when it expires
		f.pointed(t, "pi_1", "")
		Must(t, f.SavePointer(t.Context(), "pi_1", "o-2", f.now(t).Add(time.Hour)))
		f.pointed(t, "pi_1", "o-2")
	})
	t.Run("are absent only in a partition with our mark", func(t *testing.T) {
		f := fresh(t, connect)
		Must(t, f.SavePointer(t.Context(), "pi_2", "o-2", f.now(t).Add(time.Hour)))
		for _, id := range []string{"pi_1", "pi_2"} {
			Must(t, f.client.Del(t.Context(), metaKey(int(hashed(id)))).Err())
		}
		_, _, err := f.FindOrder(t.Context(), "pi_1")
		hasCode(t, err, payment.CodeStoreUnavailable)
		_, err = f.LoadView(t.Context(), "pi_1")
		hasCode(t, err, payment.CodeStoreUnavailable)
		_, err = f.LoadHistory(t.Context(), "pi_1")
		hasCode(t, err, payment.CodeStoreUnavailable)
		f.pointed(t, "pi_2", "o-2")
	})
	t.Run("outlive their order", connect.pointerOutlives)
}

// pointerOutlives applies events of a payment to an order, and saves the result. The pointer expires after the
// order.
func (connect connector) pointerOutlives(t *testing.T) {
	f := fresh(t, connect)
	o, now := f.load(t, payment.Ref{Order: "o-1"})
	o.Rules = payment.Rules{MaxFailures: 5, Retention: retention, LowestRetention: retention}
	for i, status := range []payment.Status{payment.RequiresPaymentMethod, payment.Succeeded} {
		next, c := o.Apply(seenAs(status, now.Add(time.Duration(i)*time.Hour)), now)
		for _, p := range c.Pointers {
			Must(t, f.SavePointer(t.Context(), p.Payment, next.ID, p.Until))
		}
		o = f.save(t, next, c)
		o.Rules = next.Rules
	}
	order, err := f.client.PTTL(t.Context(), orderKey("o-1")).Result()
	Must(t, err)
	pointer, err := f.client.PTTL(t.Context(), pointerKey("pi_1")).Result()
	Must(t, err)
	if order < retention || pointer < order+24*time.Hour {
		t.Errorf("the order ends in %s and its pointer in %s", order, pointer)
	}
}

// seenAs returns an event's facts about pi_1, the first payment of o-1, in a status.
func seenAs(status payment.Status, at time.Time) payment.Seen {
	snapshot := payment.Snapshot{
		Status: status, Amount: 5, Currency: "eur", CaptureMethod: payment.CaptureAutomatic,
		Metadata: map[string]string{"kasse_service": "kasse", "kasse_order_id": "o-1", "kasse_attempt": "1"},
	}
	if status == payment.Succeeded {
		snapshot.AmountReceived, snapshot.Charge = snapshot.Amount, payment.Charge{ID: "ch_1"}
	}
	seen := payment.Observation{At: at.Unix(), Event: "evt_" + string(status), Snapshot: snapshot}
	return payment.Seen{
		Intent:  payment.Intent{ID: "pi_1", Created: at.Unix(), Snapshot: snapshot},
		Facts:   []payment.RecordFact{payment.Event{Observation: seen}},
		ByEvent: true,
	}
}
