package stripesim_test

import (
	"testing"
	"time"

	"github.com/stripe/stripe-go/v79"

	"kasse/service/stripe/stripesim"
)

// pay opens a payment and confirms it with a payment method.
func (b *bench) pay(method string) *stripe.PaymentIntent {
	b.t.Helper()
	return must(b.api.PaymentIntents.Confirm(b.open().ID, confirmWith(method)))(b.t)
}

func TestRefunds(t *testing.T) {
	b := start(t, stripesim.Options{})
	pi := b.pay("pm_card_visa")
	part := must(b.api.Refunds.New(&stripe.RefundParams{
		PaymentIntent: new(pi.ID), Amount: stripe.Int64(500),
		Reason: new("duplicate"),
	}))(t)
	expect(t, "status", part.Status, stripe.RefundStatusSucceeded)
	_, err := b.api.Refunds.New(&stripe.RefundParams{PaymentIntent: new(pi.ID), Amount: stripe.Int64(1501)})
	expect(t, "param", refusal(t, err).Param, "amount")
	must(b.api.Refunds.New(&stripe.RefundParams{Charge: new(pi.LatestCharge.ID)}))(t)
	_, err = b.api.Refunds.New(&stripe.RefundParams{PaymentIntent: new(pi.ID)})
	expect(t, "code", refusal(t, err).Code, stripe.ErrorCodeChargeAlreadyRefunded)

	update := &stripe.RefundParams{}
	update.AddMetadata("ticket", "9")
	expect(t, "metadata", must(b.api.Refunds.Update(part.ID, update))(t).Metadata["ticket"], "9")
	expect(t, "read again", must(b.api.Refunds.Get(part.ID, nil))(t).Amount, 500)
	all := b.api.Refunds.List(&stripe.RefundListParams{PaymentIntent: new(pi.ID)})
	for all.Next() {
		expect(t, "payment", all.Refund().PaymentIntent.ID, pi.ID)
	}
	expect(t, "refunds", len(all.RefundList().Data), 2)
	charge := must(b.api.Charges.Get(pi.LatestCharge.ID, nil))(t)
	expect(t, "refunded", charge.Refunded, true)
	wantEvents(t, b, "payment_intent.created", "charge.succeeded", "payment_intent.succeeded", "refund.created",
		"charge.refunded", "refund.created", "charge.refunded", "charge.refund.updated", "refund.updated")
}

func TestRefundsThatTakeTimeOrFail(t *testing.T) {
	for method, want := range map[string][2]stripe.RefundStatus{
		"pm_card_pendingRefund": {stripe.RefundStatusPending, stripe.RefundStatusSucceeded},
		"pm_card_refundFail":    {stripe.RefundStatusSucceeded, stripe.RefundStatusFailed},
	} {
		t.Run(method, func(t *testing.T) {
			b := start(t, stripesim.Options{Settle: time.Hour})
			pi := b.pay(method)
			re := must(b.api.Refunds.New(&stripe.RefundParams{PaymentIntent: new(pi.ID)}))(t)
			expect(t, "status", re.Status, want[0])
			b.SettleAll()
			expect(t, "status", must(b.api.Refunds.Get(re.ID, nil))(t).Status, want[1])
			left := int64(2000)
			if want[1] == stripe.RefundStatusFailed {
				left = 0
			}
			expect(t, "amount refunded", b.get(pi.ID).LatestCharge.AmountRefunded, left)
		})
	}
}

func TestRefundIsCanceledWhilePending(t *testing.T) {
	b := start(t, stripesim.Options{Settle: time.Hour})
	pi := b.pay("pm_card_pendingRefund")
	re := must(b.api.Refunds.New(&stripe.RefundParams{PaymentIntent: new(pi.ID)}))(t)
	expect(t, "status", must(b.api.Refunds.Cancel(re.ID, nil))(t).Status, stripe.RefundStatusCanceled)
	_, err := b.api.Refunds.Cancel(re.ID, nil)
	refusal(t, err)
}

func TestDisputes(t *testing.T) {
	b := start(t, stripesim.Options{})
	pi := b.pay("pm_card_visa")
	id := must(b.OpenDispute(pi.ID, "", false))(t)
	_, err := b.api.Refunds.New(&stripe.RefundParams{PaymentIntent: new(pi.ID)})
	expect(t, "code of a refund", refusal(t, err).Code, stripe.ErrorCodeChargeDisputed)
	if err := b.MoveDispute(id, "under_review"); err != nil {
		t.Fatal(err)
	}
	if err := b.MoveDispute(id, "won"); err != nil {
		t.Fatal(err)
	}
	expect(t, "status", must(b.api.Disputes.Get(id, nil))(t).Status, stripe.DisputeStatusWon)
	wantEvents(t, b, "payment_intent.created", "charge.succeeded", "payment_intent.succeeded", "charge.dispute.created",
		"charge.dispute.funds_withdrawn", "charge.dispute.updated", "charge.dispute.closed",
		"charge.dispute.funds_reinstated")
}

func TestDisputeByCard(t *testing.T) {
	b := start(t, stripesim.Options{})
	for method, want := range map[string]stripe.DisputeStatus{
		"pm_card_createDispute":        stripe.DisputeStatusLost,
		"pm_card_createDisputeInquiry": stripe.DisputeStatusWarningClosed,
	} {
		pi := b.pay(method)
		all := b.api.Disputes.List(&stripe.DisputeListParams{PaymentIntent: new(pi.ID)})
		if !all.Next() {
			t.Fatal("no dispute")
		}
		evidence := &stripe.DisputeParams{
			Evidence: &stripe.DisputeEvidenceParams{UncategorizedText: new("losing_evidence")},
		}
		expect(t, "status", must(b.api.Disputes.Update(all.Dispute().ID, evidence))(t).Status, want)
	}
}

func TestNothingToRefund(t *testing.T) {
	b := start(t, stripesim.Options{})
	held := b.authorise()
	_, err := b.api.Refunds.New(&stripe.RefundParams{Charge: new(held.LatestCharge.ID)})
	expect(t, "param", refusal(t, err).Param, "charge")
	_, err = b.api.Refunds.New(&stripe.RefundParams{PaymentIntent: new(held.ID)})
	expect(t, "param", refusal(t, err).Param, "payment_intent")
}

// TestDisputeIsClosedByTheShop: a shop that closes a dispute has lost it.
func TestDisputeIsClosedByTheShop(t *testing.T) {
	b := start(t, stripesim.Options{})
	id := must(b.OpenDispute(b.pay("pm_card_visa").ID, "general", false))(t)
	expect(t, "status", must(b.api.Disputes.Close(id, nil))(t).Status, stripe.DisputeStatusLost)
	_, err := b.api.Disputes.Close(id, nil)
	refusal(t, err)
}
