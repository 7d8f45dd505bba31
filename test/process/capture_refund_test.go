package process_test

import (
	"fmt"
	"net/http"
	"testing"

	"kasse/service/stripe/stripesim"
	"kasse/test/wait"
)

// captureRefunds are payments that are captured in part, and refunded through Kasse's API. Stripe
// also creates a refund for the rest of the authorization, which Kasse must not count.
var captureRefunds = []struct {
	authorized, captured int64
	refunds              []int64
	refunded             int64
	state                string
}{
	{5000, 3000, []int64{2000}, 2000, "partially_refunded"}, // the refund equals the rest
	{5000, 3000, []int64{1000}, 1000, "partially_refunded"},
	{5000, 3000, []int64{3000}, 3000, "refunded"},
	{5000, 3000, []int64{2000, 1000}, 3000, "refunded"},
	{5000, 3000, []int64{1000, 2000}, 3000, "refunded"},
	{5000, 2500, []int64{2500}, 2500, "refunded"}, // the captured amount equals the rest
	{4000, 2000, []int64{1000, 1000}, 2000, "refunded"},
	{5000, 5000, []int64{2000}, 2000, "partially_refunded"},
	{5000, 3000, nil, 0, "paid"},
}

// TestRefundIsNotCountedAsRelease: a refund through Kasse counts even if its amount equals the
// uncaptured rest. This holds for Stripe's events, and for a rebuild, which does not know Kasse's
// call.
func TestRefundIsNotCountedAsRelease(t *testing.T) {
	t.Parallel()
	w := newEnv(t, stripesim.Options{})
	p := w.serve(1, nil)[0]
	customer := w.customer()
	var opened []view
	for i, test := range captureRefunds {
		body := fmt.Sprintf(
			`{"order_id":"part-%d","amount":%d,"currency":"eur","customer":%q,"capture_method":"manual"}`,
			i, test.authorized, customer,
		)
		v := p.must(http.StatusCreated, backendKey, http.MethodPost, "/v1/payments", body).view(t)
		w.pay(v, "pm_card_visa")
		p.awaitState(v, "authorized")
		path := "/v1/payments/" + v.PaymentIntent
		p.must(http.StatusOK, backendKey, http.MethodPost, path+"/capture", fmt.Sprintf(`{"amount":%d}`, test.captured))
		p.awaitState(v, "paid")
		for n, amount := range test.refunds {
			header := map[string]string{
				"Authorization": "Bearer " + backendKey, "Content-Type": "application/json",
				"Idempotency-Key": fmt.Sprintf("%d-%d", i, n),
			}
			body := fmt.Sprintf(`{"amount":%d}`, amount)
			a, err := call(t.Context(), w.client, http.MethodPost, p.public+path+"/refunds", header, body)
			if err != nil || a.status != http.StatusCreated {
				t.Fatalf("a refund: got %d %s (%v), want 201", a.status, a.body, err)
			}
		}
		opened = append(opened, v)
	}
	w.noError(w.sim.Drain(t.Context()))
	w.checkRefunded(p, opened)
	w.wipe()
	w.runExclusive("rebuild")
	w.checkRefunded(p, opened)
	t.Logf("%d payments, each checked before and after the rebuild", len(opened))
}

// checkRefunded waits until Kasse shows each payment as the table states.
func (w *processEnv) checkRefunded(p *process, opened []view) {
	w.t.Helper()
	for i, test := range captureRefunds {
		wait.Until(w.t, fmt.Sprintf("%+v", test), func() error {
			var shown lossView
			path := "/v1/payments/" + opened[i].PaymentIntent
			p.must(http.StatusOK, backendKey, http.MethodGet, path, "").decode(w.t, &shown)
			if shown.State != test.state || shown.Refunded != test.refunded {
				return fmt.Errorf("the payment is %s with %d refunded", shown.State, shown.Refunded)
			}
			return nil
		})
	}
}
