package stripesim_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stripe/stripe-go/v79"

	"kasse/service/stripe/stripesim"
)

// TestUnknownRefundStatuses: a refund can have a status that Stripe does not document, including null.
func TestUnknownRefundStatuses(t *testing.T) {
	b, in := startRaw(t, stripesim.Options{}, stripesim.Webhook{})
	pi := b.pay("pm_card_visa")
	for i, status := range []string{"in_transit", ""} {
		b.PlanRefund(status)
		want := `"status": "` + status + `"`
		if status == "" {
			want = `"status": null`
		}
		res, body := b.postForm("refund "+status, "/v1/refunds", "amount=500&payment_intent="+pi.ID)
		expect(t, "http status", res.StatusCode, http.StatusOK)
		contains(t, body, want)
		_, list := b.read("/v1/refunds?payment_intent=" + pi.ID)
		contains(t, list, want)
		expect(t, "events", len(in.received(b, "refund.created")), i+1)
	}
	expect(t, "refunded", b.get(pi.ID).LatestCharge.AmountRefunded, 1000)
	re := must(b.api.Refunds.New(&stripe.RefundParams{PaymentIntent: new(pi.ID), Amount: stripe.Int64(100)}))(t)
	expect(t, "status without a plan", re.Status, stripe.RefundStatusSucceeded)
	if err := b.ForceStatus(re.ID, "in_transit"); err != nil {
		t.Fatal(err)
	}
	expect(t, "forced", string(must(b.api.Refunds.Get(re.ID, nil))(t).Status), "in_transit")
	if err := b.MoveRefund(re.ID, "failed"); err != nil {
		t.Fatal(err)
	}
	expect(t, "refunded after the failure", b.get(pi.ID).LatestCharge.AmountRefunded, 1000)
}

// TestBalanceInsufficient: a refund that the balance does not cover is refused. Its key repeats the refusal;
// another key succeeds.
func TestBalanceInsufficient(t *testing.T) {
	b := start(t, stripesim.Options{})
	pi := b.pay("pm_card_visa")
	b.RefuseRefund("balance_insufficient")
	res, body := b.postForm("one", "/v1/refunds", "payment_intent="+pi.ID)
	expect(t, "http status", res.StatusCode, http.StatusBadRequest)
	contains(t, body, `"code": "balance_insufficient"`)
	again, repeated := b.postForm("one", "/v1/refunds", "payment_intent="+pi.ID)
	expect(t, "replayed", again.Header.Get("Idempotent-Replayed"), "true")
	expect(t, "repeated", repeated, body)
	other, _ := b.postForm("one", "/v1/refunds", "amount=1&payment_intent="+pi.ID)
	expect(t, "http status of other parameters", other.StatusCode, http.StatusBadRequest)
	res, _ = b.postForm("two", "/v1/refunds", "payment_intent="+pi.ID)
	expect(t, "http status of another key", res.StatusCode, http.StatusOK)
}

// TestPreventedDisputes: since 2025-08-27 a dispute can be prevented, and since 2026-10-28 a lost one can be
// appealed.
func TestPreventedDisputes(t *testing.T) {
	b, in := startRaw(t, stripesim.Options{APIVersion: newest}, stripesim.Webhook{})
	block := must(b.PreventDispute(b.pay("pm_card_visa").ID, "", false))(t)
	expect(t, "status", string(must(b.api.Disputes.Get(block, nil))(t).Status), "prevented")
	expect(t, "case type", caseType(in.received(b, "charge.dispute.created")[0]), "block")
	resolved := b.pay("pm_card_visa")
	must(b.PreventDispute(resolved.ID, "fraudulent", true))(t)
	expect(t, "amount refunded", b.get(resolved.ID).LatestCharge.AmountRefunded, 2000)
	expect(t, "case type", caseType(in.received(b, "charge.dispute.created")[1]), "resolution")

	open := must(b.OpenDispute(b.pay("pm_card_visa").ID, "", false))(t)
	if err := b.MoveDispute(open, "prevented"); err != nil {
		t.Fatal(err)
	}
	if err := b.MoveDispute(open, "won"); err == nil {
		t.Error("a prevented dispute was won")
	}
	expect(t, "reinstated", len(in.received(b, "charge.dispute.funds_reinstated")), 1)
	expect(t, "closed", len(in.received(b, "charge.dispute.closed")), 1)
}

// caseType returns the case type of a dispute event's card.
func caseType(e map[string]any) string {
	d := e["data"].(map[string]any)["object"].(map[string]any)
	return d["payment_method_details"].(map[string]any)["card"].(map[string]any)["case_type"].(string)
}

func TestAppeals(t *testing.T) {
	for _, end := range []string{"won", "lost"} {
		b, in := startRaw(t, stripesim.Options{}, stripesim.Webhook{})
		pi := b.pay("pm_card_visa")
		id := must(b.OpenDispute(pi.ID, "", false))(t)
		if err := b.MoveDispute(id, "appeal_needs_response"); err == nil {
			t.Error("an open dispute was appealed")
		}
		for _, to := range []string{"lost", "appeal_needs_response", "appeal_under_review"} {
			if err := b.MoveDispute(id, to); err != nil {
				t.Fatal(err)
			}
			expect(t, "status", string(must(b.api.Disputes.Get(id, nil))(t).Status), to)
			_, err := b.api.Refunds.New(&stripe.RefundParams{PaymentIntent: new(pi.ID)})
			expect(t, "code of a refund", refusal(t, err).Code, stripe.ErrorCodeChargeDisputed)
		}
		if err := b.MoveDispute(id, end); err != nil {
			t.Fatal(err)
		}
		expect(t, "status", string(must(b.api.Disputes.Get(id, nil))(t).Status), end)
		updates := in.received(b, "charge.dispute.updated")
		expect(t, "updates", len(updates), 2)
		expect(t, "closed", len(in.received(b, "charge.dispute.closed")), 2)
	}
}

func TestForcedStatuses(t *testing.T) {
	b, _ := startRaw(t, stripesim.Options{}, stripesim.Webhook{})
	pi := b.pay("pm_card_visa")
	id := must(b.OpenDispute(pi.ID, "", false))(t)
	for _, force := range []string{id, pi.ID} {
		if err := b.ForceStatus(force, "unknown_status"); err != nil {
			t.Fatal(err)
		}
	}
	_, list := b.read("/v1/disputes?payment_intent=" + pi.ID)
	contains(t, list, `"status": "unknown_status"`)
	_, body := b.read(intents + "/" + pi.ID)
	contains(t, body, `"status": "unknown_status"`)
	for _, wrong := range []string{"dp_nothing", b.customer().ID} {
		if err := b.ForceStatus(wrong, "unknown_status"); err == nil {
			t.Errorf("%s was forced", wrong)
		}
	}
}

// TestDeclinesByCode: the failure codes of 2026-08-26, and whether each has a charge.
func TestDeclinesByCode(t *testing.T) {
	for code, charged := range map[string]bool{
		"expired_payment_method": true, "incorrect_postal_code": true, "payment_method_restricted": true,
		"authentication_failure":                false,
		"payment_intent_authentication_failure": false,
	} {
		t.Run(code, func(t *testing.T) {
			b := start(t, stripesim.Options{})
			pi := b.open()
			if err := b.Decline(pi.ID, code, ""); err != nil {
				t.Fatal(err)
			}
			failed := b.get(pi.ID)
			expect(t, "code", string(failed.LastPaymentError.Code), code)
			expect(t, "charge", failed.LatestCharge != nil, charged)
			expect(t, "charge.failed", strings.Contains(strings.Join(b.arrived(), " "), "charge.failed"), charged)
		})
	}
	b := start(t, stripesim.Options{})
	pi := must(b.api.PaymentIntents.Confirm(b.open().ID, confirmWith("pm_ideal")))(t)
	if err := b.FailAuthentication(pi.ID, "authentication_failure"); err != nil {
		t.Fatal(err)
	}
	expect(t, "code at the bank's page", string(b.get(pi.ID).LastPaymentError.Code), "authentication_failure")
}
