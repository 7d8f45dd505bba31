package storetest

import (
	"testing"
	"time"

	"kasse/service"
)

// forGood is what TTL answers for a key that does not expire.
const forGood = -1 * time.Nanosecond

func (f fixture) expires(t testing.TB, key string, want time.Duration) {
	t.Helper()
	got, err := f.client.TTL(t.Context(), key).Result()
	must(t, err)
	if want == forGood && got != forGood {
		t.Errorf("%s expires in %s, want never", key, got)
	}
	if want != forGood && (got > want || got < want-patience) {
		t.Errorf("%s expires in %s, want %s", key, got, want)
	}
}

func (connect connector) testRetention(t *testing.T) {
	t.Run("of payments", func(t *testing.T) {
		f := fresh(t, connect)
		steps := []struct {
			final bool
			shows bool
			want  time.Duration
		}{
			{false, true, forGood}, {true, true, retention}, {true, false, retention}, {false, false, forGood}, {true, true, retention},
		}
		for i, step := range steps {
			p := f.payment(t, "pi_1")
			w := unseen(p, f.now(t))
			if step.shows {
				w = transition(p, f.now(t))
			}
			w.Final = step.final
			must(t, f.SavePayment(t.Context(), w))
			t.Logf("step %d", i)
			f.expires(t, paymentKey("pi_1"), step.want)
		}
	})
	t.Run("of orders", func(t *testing.T) {
		f := fresh(t, connect)
		terms := service.Terms{Amount: 1, Currency: "eur"}
		open := service.Attempt{Number: 1, Payment: "pi_1", Terms: terms}
		steps := map[string]struct {
			order service.Order
			want  time.Duration
		}{
			"reserved":            {service.Order{Attempts: []service.Attempt{{Number: 1, Terms: terms}}}, forGood},
			"open":                {service.Order{Attempts: []service.Attempt{open}}, forGood},
			"won":                 {service.Order{Attempts: []service.Attempt{open}, Winner: "pi_1"}, retention + 24*time.Hour},
			"closed":              {service.Order{Attempts: []service.Attempt{open}, Closed: "abandoned"}, retention + 24*time.Hour},
			"canceled":            {service.Order{Attempts: []service.Attempt{{Number: 1, Ended: true}, {Number: 2, Refused: true}}}, retention + 24*time.Hour},
			"canceled, then open": {service.Order{Attempts: []service.Attempt{{Number: 1, Ended: true}, open}}, forGood},
			"refused":             {service.Order{Attempts: []service.Attempt{{Number: 1, Refused: true}}}, 48 * time.Hour},
			"refused, then again": {service.Order{Attempts: []service.Attempt{{Number: 1, Refused: true}, {Number: 2}}}, forGood},
		}
		// All are states of one order, so that each has to undo what another left.
		for range 2 {
			for name, step := range steps {
				step.order.ID, step.order.Revision = "o-1", f.order(t, "o-1").Revision
				must(t, f.SaveOrder(t.Context(), step.order))
				t.Log(name)
				f.expires(t, orderKey("o-1"), step.want)
			}
		}
	})
	t.Run("of an order is that of its payments and more", func(t *testing.T) {
		f := fresh(t, connect)
		must(t, f.OutliveOrder(t.Context(), "o-1"))
		must(t, f.SaveOrder(t.Context(), service.Order{ID: "o-1", Attempts: []service.Attempt{{Number: 1}}}))
		must(t, f.OutliveOrder(t.Context(), "o-1"))
		f.expires(t, orderKey("o-1"), forGood)
		must(t, f.client.Expire(t.Context(), orderKey("o-1"), time.Hour).Err())
		must(t, f.OutliveOrder(t.Context(), "o-1"))
		f.expires(t, orderKey("o-1"), retention+24*time.Hour)
	})
}
