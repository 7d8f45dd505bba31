package storetest

import (
	"testing"
	"time"

	"kasse/service/payment"
)

// never is TTL's reply for a key that does not expire.
const never = -1 * time.Nanosecond

// expires fails the test unless the key has this time to live, or at most waitLimit less.
func (f fixture) expires(t testing.TB, key string, want time.Duration) {
	t.Helper()
	got, err := f.client.TTL(t.Context(), key).Result()
	Must(t, err)
	if want == never && got != never {
		t.Errorf("%s expires in %s, want never", key, got)
	}
	if want != never && (got > want || got < want-waitLimit) {
		t.Errorf("%s expires in %s, want %s", key, got, want)
	}
}

func (connect connector) testRetention(t *testing.T) {
	t.Run("is that of the last change", func(t *testing.T) {
		f := fresh(t, connect)
		steps := []struct {
			expires time.Duration
			visible bool
			want    time.Duration
		}{
			{0, true, never},
			{retention, true, retention},
			{retention, false, retention},
			{0, false, never},
			{48 * time.Hour, true, 48 * time.Hour},
			{retention, true, retention},
		}
		for i, step := range steps {
			o, c := Unseen(f.order(t, "o_1"), "pi_1", f.now(t))
			if step.visible {
				o, c = Transition(f.order(t, "o_1"), "pi_1", f.now(t))
			}
			c.Expires = step.expires
			f.save(t, o, c)
			t.Logf("step %d", i)
			f.expires(t, orderKey("o_1"), step.want)
		}
	})
	t.Run("removes an order with all its payments", func(t *testing.T) {
		f := fresh(t, connect)
		f.putIn(t, "o_1", "pi_1")
		f.putIn(t, "o_1", "pi_2")
		Must(t, f.client.Del(t.Context(), orderKey("o_1")).Err()) // as when it expires
		if o := f.order(t, "o_1", "pi_1"); o.Stored() || len(o.Loaded) != 0 {
			t.Errorf("got %+v", o)
		}
		f.pointed(t, "pi_1", "o_1")
		f.putIn(t, "o_1", "pi_1")
		if p := f.order(t, "o_1", "pi_1").Loaded["pi_1"]; len(p.History) != 1 {
			t.Errorf("history %v", p.History)
		}
	})
	t.Run("follows the rules of orders", connect.retentionRules)
}

// retentionRules: an order expires by the rules of service/payment. The steps save different states of one order.
func (connect connector) retentionRules(t *testing.T) {
	f := fresh(t, connect)
	terms := payment.Terms{Amount: 1, Currency: "eur"}
	open := payment.Attempt{Number: 1, Payment: "pi_1", Terms: terms, State: payment.Pending}
	canceled := payment.Attempt{Number: 1, Payment: "pi_1", State: payment.CanceledState}
	refused := func(number int) payment.Attempt { return payment.Attempt{Number: number, Refused: true} }
	second := open
	const kept = retention + 24*time.Hour
	second.Number, second.Payment = 2, "pi_2"
	steps := map[string]struct {
		order payment.Order
		want  time.Duration
	}{
		"reserved":            {payment.Order{Attempts: []payment.Attempt{{Number: 1, Terms: terms}}}, never},
		"open":                {payment.Order{Attempts: []payment.Attempt{open}}, never},
		"won":                 {payment.Order{Attempts: []payment.Attempt{open}, Winner: "pi_1"}, kept},
		"closed":              {payment.Order{Attempts: []payment.Attempt{open}, Closed: "canceled"}, kept},
		"canceled":            {payment.Order{Attempts: []payment.Attempt{canceled, refused(2)}}, kept},
		"canceled, then open": {payment.Order{Attempts: []payment.Attempt{canceled, second}}, never},
		"refused":             {payment.Order{Attempts: []payment.Attempt{refused(1)}}, 48 * time.Hour},
		"refused, then again": {payment.Order{Attempts: []payment.Attempt{refused(1), {Number: 2}}}, never},
	}
	for round := range 2 {
		for name, step := range steps {
			stored, now := f.load(t, payment.Ref{Order: "o-1"})
			step.order.ID, step.order.Revision = "o-1", stored.Revision
			step.order.Rules = payment.Rules{MaxFailures: 5, Retention: retention}
			fact := payment.Leased{Owner: name, Until: now.Add(time.Duration(round+1) * time.Hour)}
			o, c := step.order.Apply(fact, now)
			c.NoAttention, c.NoExpiry = false, false // Apply had another state than the stored one
			f.save(t, o, c)
			t.Log(name)
			f.expires(t, orderKey("o-1"), step.want)
		}
	}
}
