package process_test

import (
	"fmt"
	"net/http"
	"testing"

	"kasse/service/stripe/stripesim"
	"kasse/test/wait"
)

// captureRefunds are payments that are captured in part and refunded through our API. Stripe makes
// a refund for the rest of the authorization, too, which is none of ours.
var captureRefunds = []struct {
	authorized, captured int64
	refunds              []int64
	refunded             int64
	state                string
}{
	{5000, 3000, []int64{2000}, 2000, "partially_refunded"}, // as much as the rest
	{5000, 3000, []int64{1000}, 1000, "partially_refunded"},
	{5000, 3000, []int64{3000}, 3000, "refunded"},
	{5000, 3000, []int64{2000, 1000}, 3000, "refunded"},
	{5000, 3000, []int64{1000, 2000}, 3000, "refunded"},
	{5000, 2500, []int64{2500}, 2500, "refunded"}, // all of it is as much as the rest
	{4000, 2000, []int64{1000, 1000}, 2000, "refunded"},
	{5000, 5000, []int64{2000}, 2000, "partially_refunded"},
	{5000, 3000, nil, 0, "paid"},
}

// TestRefundIsNoRelease: a refund of ours counts even if its amount equals the uncaptured rest, for Stripe's
// events and for a rebuild, which does not know our call.
func TestRefundIsNoRelease(t *testing.T) {
	t.Parallel()
	w := newEnv(t, stripesim.Options{})
	p := w.serve(1, nil)[0]
	customer := w.customer()
	var opened []view
	for i, test := range captureRefunds {
		body := fmt.Sprintf(
			`{"order_id":"part-%d","amount":%d,"currency":"eur","customer":%q,"capture_method":"manual"}`, i,
			test.authorized, customer)
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
				t.Fatalf("a refund answered %d %s (%v)", a.status, a.body, err)
			}
		}
		opened = append(opened, v)
	}
	w.no(w.sim.Drain(t.Context()))
	w.refundedAs(p, opened)
	w.wipe()
	w.runs("rebuild")
	w.refundedAs(p, opened)
	t.Logf("%d payments, each as it went and rebuilt", len(opened))
}

// refundedAs holds what is shown against the table.
func (w *processEnv) refundedAs(p *process, opened []view) {
	w.t.Helper()
	for i, test := range captureRefunds {
		wait.Until(w.t, fmt.Sprintf("%+v", test), func() error {
			var shown lossView
			p.must(
				http.StatusOK, backendKey, http.MethodGet, "/v1/payments/"+opened[i].PaymentIntent, "",
			).decode(w.t, &shown)
			if shown.State != test.state || shown.Refunded != test.refunded {
				return fmt.Errorf("it is %s with %d refunded", shown.State, shown.Refunded)
			}
			return nil
		})
	}
}
