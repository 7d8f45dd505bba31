package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"kasse/service/stripe/stripesim"
)

func TestRefund(t *testing.T) {
	w := newEnv(t)
	w.deliverWebhooks()
	made := w.paid("shop-1")
	var part, again, rest givenBack
	answer := w.refund(made, "refund-1", `{"amount":1500,"reason":"requested_by_customer"}`)
	answer.into(t, http.StatusCreated, &part)
	if part.Refund.Amount != 1500 || *part.Refund.Reason != "requested_by_customer" ||
		!strings.HasPrefix(part.Refund.ID, "re_") || answer.header.Get("Idempotent-Replayed") != "" {
		t.Errorf("refunded %s", answer.body)
	}
	if p := part.Payment; p.State != "partially_refunded" || p.AmountRefunded != 1500 || p.Fulfillable ||
		*p.HoldReason != "refunded" || answer.header.Get("ETag") != fmt.Sprintf(`"%d"`, p.Version) {
		t.Errorf("payment %+v", p)
	}
	repeat := w.refund(made, "refund-1", `{"reason":"requested_by_customer","amount":1500}`)
	repeat.into(t, http.StatusCreated, &again)
	if repeat.header.Get("Idempotent-Replayed") != "true" || again.Refund.ID != part.Refund.ID ||
		again.Payment.AmountRefunded != 1500 {
		t.Errorf("repeated: %v %s", repeat.header, repeat.body)
	}
	w.refund(made, "refund-1", `{"amount":1500}`).says(t, http.StatusUnprocessableEntity, "idempotency_key_reused")
	w.refund(made, "refund-1", ``).says(t, http.StatusUnprocessableEntity, "idempotency_key_reused")
	w.refund(made, "refund-2", `{"amount":3500}`).says(t, http.StatusUnprocessableEntity, "refund_exceeds_payment")
	w.refund(made, "refund-3", ``).into(t, http.StatusCreated, &rest)
	if rest.Refund.Amount != 3499 || rest.Refund.Reason != nil || rest.Payment.State != "refunded" {
		t.Errorf("the rest: %+v", rest)
	}
	w.refund(made, "refund-4", ``).says(t, http.StatusUnprocessableEntity, "refund_exceeds_payment")
	var list struct{ Refunds []struct{ ID string } }
	w.send(
		request{line: "GET /v1/payments/" + made.PaymentIntent + "/refunds", token: readKey},
	).into(t, http.StatusOK, &list)
	if len(list.Refunds) != 2 {
		t.Errorf("listed %+v", list)
	}
	w.checkAnnounced(made.PaymentIntent, "order.paid", "order.partially_refunded", "order.refunded")
	if n := w.stripe.Count("POST /v1/refunds"); n != 2 {
		t.Errorf("%d refunds were asked for", n)
	}
}

// TestRefundsAtOnce: a refund waits while another refund of the payment is in progress, and one key makes one refund.
func TestRefundsAtOnce(t *testing.T) {
	w := newEnv(t)
	made := w.paidUnseen()
	var all sync.WaitGroup
	answers := make([]reply, 8)
	for i := range answers {
		all.Go(func() { answers[i] = w.refund(made, fmt.Sprintf("refund-%d", i%2), `{"amount":1000}`) })
	}
	all.Wait()
	ids := map[string]bool{}
	for _, answer := range answers {
		var got givenBack
		answer.into(t, http.StatusCreated, &got)
		ids[got.Refund.ID] = true
	}
	if len(ids) != 2 {
		t.Errorf("%d refunds for two keys", len(ids))
	}
}

// paidUnseen is paid without a webhook: only a read shows it.
func (w *apiEnv) paidUnseen() opened {
	w.t.Helper()
	made := w.create("shop-1")
	w.bring(made.PaymentIntent, "succeeded")
	w.read(made)
	return made
}

// TestRefundThatWasLost: the response was lost, and the caller repeats the refund, with the same key or with
// a new one.
func TestRefundThatWasLost(t *testing.T) {
	w := newEnv(t)
	made := w.paidUnseen()
	lose := func(key, body string) {
		if err := w.stripe.AddFault(
			stripesim.Fault{Endpoint: "POST /v1/refunds", Kind: stripesim.Dropped, After: true, Times: -1},
		); err != nil {
			t.Fatal(err)
		}
		defer w.stripe.ClearFaults()
		w.refund(made, key, body).says(t, http.StatusServiceUnavailable, "stripe_unavailable")
	}
	lose("refund-1", `{"amount":1000}`)
	var got givenBack
	w.refund(made, "refund-1", `{"amount":1000}`).into(t, http.StatusCreated, &got)
	if got.Payment.AmountRefunded != 1000 {
		t.Errorf("again: %+v", got)
	}
	lose("refund-2", `{"amount":3000}`)
	w.refund(made, "refund-3", `{"amount":1000}`).says(t, http.StatusUnprocessableEntity, "refund_exceeds_payment")
	replay := w.refund(made, "refund-2", `{"amount":3000}`)
	replay.into(t, http.StatusCreated, &got)
	if got.Payment.AmountRefunded != 4000 || replay.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("found by the list: %s", replay.body)
	}
	w.refund(made, "refund-4", ``).into(t, http.StatusCreated, &got)
	if got.Refund.Amount != 999 {
		t.Errorf("the rest: %+v", got)
	}
}

// TestRefundAfterOneInTheDashboard: a refund is made in Stripe's dashboard, and no webhook has arrived.
func TestRefundAfterOneInTheDashboard(t *testing.T) {
	w := newEnv(t)
	made := w.paidUnseen()
	if _, err := w.stripe.Refund(made.PaymentIntent, 4000); err != nil {
		t.Fatal(err)
	}
	answer := w.refund(made, "refund-1", `{"amount":2000}`).says(
		t, http.StatusUnprocessableEntity, "refund_exceeds_payment",
	)
	if !strings.Contains(answer.body, `"amount_refunded":4000`) {
		t.Errorf("it does not show the truth: %s", answer.body)
	}
	var got givenBack
	w.refund(made, "refund-1", `{"amount":2000}`).says(t, http.StatusUnprocessableEntity, "refund_exceeds_payment")
	w.refund(made, "refund-2", ``).into(t, http.StatusCreated, &got)
	if got.Refund.Amount != 999 || got.Payment.State != "refunded" {
		t.Errorf("%+v", got)
	}
}

func TestRefundThatFailsLater(t *testing.T) {
	w := newEnv(t)
	w.deliverWebhooks()
	made := w.paid("shop-1")
	var got givenBack
	w.refund(made, "refund-1", ``).into(t, http.StatusCreated, &got)
	if err := w.stripe.MoveRefund(got.Refund.ID, "failed"); err != nil {
		t.Fatal(err)
	}
	if view := w.reach(made.PaymentIntent, "paid"); !strings.Contains(view.body, `"amount_refunded":0`) ||
		!strings.Contains(view.body, `"fulfillable":true`) {
		t.Errorf("%s", view.body)
	}
	w.checkAnnounced(made.PaymentIntent, "order.paid", "order.refunded", "order.refund_failed")
	again := w.refund(made, "refund-1", ``)
	again.into(t, http.StatusCreated, &got)
	if got.Refund.Status == "failed" || got.Payment.State != "paid" {
		t.Errorf("a repeat is the same answer: %s", again.body)
	}
	w.refund(made, "refund-2", ``).into(t, http.StatusCreated, &got)
	if got.Payment.State != "refunded" {
		t.Errorf("%+v", got)
	}
}

func keyed(key string) map[string]string { return map[string]string{"Idempotency-Key": key} }

var (
	refundKey = keyed("refund-1")
	keyHeader = []string{"Idempotency-Key"}
)

// badRefunds are refused of a payment that is paid. Their line is that of its refunds.
var badRefunds = []refused{
	{name: "no key", body: `{"amount":1}`, status: 428, code: "idempotency_key_required", where: keyHeader},
	{name: "no key, nothing else right", body: `{`, status: 428, code: "idempotency_key_required", where: keyHeader},
	{name: "a key with a space", header: keyed("a b"), status: 400, code: "invalid_request", where: keyHeader},
	{
		name: "a long key", header: keyed(strings.Repeat("k", 256)), status: 400, code: "invalid_request",
		where: keyHeader,
	},
	{
		name: "no amount", body: `{"amount":0}`, header: refundKey, status: 422, code: "amount_out_of_range",
		where: []string{"/amount"},
	},
	{
		name: "less", body: `{"amount":-1}`, header: refundKey, status: 422, code: "amount_out_of_range",
		where: []string{"/amount"},
	},
	{
		name: "text", body: `{"amount":"1"}`, header: refundKey, status: 400, code: "invalid_request",
		where: []string{"/amount"},
	},
	{
		name: "a fraction", body: `{"amount":1.5}`, header: refundKey, status: 400, code: "invalid_request",
		where: []string{"/amount"},
	},
	{
		name: "unknown reason", body: `{"reason":"tired"}`, header: refundKey, status: 400, code: "invalid_request",
		where: []string{"/reason"},
	},
	{
		name: "unknown member", body: `{"currency":"eur"}`, header: refundKey, status: 400, code: "invalid_request",
		where: []string{"/currency"},
	},
	{
		name: "more than there is", body: `{"amount":5000}`, header: refundKey, status: 422,
		code: "refund_exceeds_payment",
	},
}

// refundsOfUnpaid are refused of a payment that is open. Their line is the end of a path below it.
var refundsOfUnpaid = []refused{
	{name: "nothing was paid", line: "refunds", header: refundKey, status: 409, code: "invalid_state"},
	{name: "capture of what is not authorised", line: "capture", status: 409, code: "invalid_state"},
	{
		name: "capture of text", line: "capture", body: `{"amount":"1"}`, status: 400, code: "invalid_request",
		where: []string{"/amount"},
	},
	{
		name: "capture of nothing", line: "capture", body: `{"amount":0}`, status: 422, code: "amount_out_of_range",
		where: []string{"/amount"},
	},
}

// TestInvalidRefundsAreRefused: a refusal leaves nothing behind, here or at Stripe.
func TestInvalidRefundsAreRefused(t *testing.T) {
	w := newEnv(t)
	open, made := w.create("shop-2"), w.paidUnseen()
	dump, calls := w.dump(), len(w.stripe.Requests())
	refuses := func(line string, r refused) {
		t.Run(r.name, func(t *testing.T) {
			r.line, r.token, w.t = line, fullKey, t
			w.checkRefusal(r)
		})
	}
	for _, r := range badRefunds {
		refuses("POST /v1/payments/"+made.PaymentIntent+"/refunds", r)
	}
	for _, r := range refundsOfUnpaid {
		refuses("POST /v1/payments/"+open.PaymentIntent+"/"+r.line, r)
	}
	refuses("POST /v1/payments/pi-x/refunds", refused{
		name: "an id for a path", header: refundKey, status: 400, code: "invalid_request",
		where: []string{"payment_intent"},
	})
	w.t = t
	w.checkUntouched(dump, calls)
	for _, r := range []request{
		{line: "POST /v1/payments/pi_nothing/refunds", token: fullKey, header: refundKey},
		{line: "GET /v1/payments/pi_nothing/refunds", token: fullKey},
	} {
		w.send(r).says(t, http.StatusNotFound, "not_found")
	}
}

// TestRefundThatStripeRefuses: a definite refusal is not retryable, and a repeat under its key gets it again, also
// where another amount is left meanwhile. A new key is a new call.
func TestRefundThatStripeRefuses(t *testing.T) {
	for code, want := range map[string]struct {
		status int
		code   string
	}{
		"balance_insufficient": {http.StatusConflict, "balance_insufficient"},
		"brand_new":            {http.StatusBadGateway, "stripe_error"},
	} {
		t.Run(code, func(t *testing.T) {
			w := newEnv(t)
			made := w.paidUnseen()
			w.stripe.RefuseRefund(code)
			refused := func() {
				t.Helper()
				answer := w.refund(made, "refund-1", ``).says(t, want.status, want.code)
				if !strings.Contains(answer.body, `"retryable":false`) {
					t.Errorf("retryable: %s", answer.body)
				}
			}
			refused()
			if _, err := w.stripe.Refund(made.PaymentIntent, 999); err != nil {
				t.Fatal(err)
			}
			w.read(made)
			refused()
			refused()
			w.refund(made, "refund-1", `{"amount":1000}`).says(
				t, http.StatusUnprocessableEntity, "idempotency_key_reused",
			)
			var got givenBack
			w.refund(made, "refund-2", ``).into(t, http.StatusCreated, &got)
			if got.Refund.Amount != 4000 {
				t.Errorf("refunded %+v", got)
			}
		})
	}
}
