package stripesim_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stripe/stripe-go/v79"

	"kasse/service/stripe/stripesim"
)

func TestReviews(t *testing.T) {
	b := start(t, stripesim.Options{})
	pi := b.pay("pm_card_visa")
	id := must(b.OpenReview(pi.ID, "manual"))(t)
	p := &stripe.PaymentIntentParams{}
	p.AddExpand("review")
	p.AddExpand("latest_charge.review")
	reviewed := must(b.api.PaymentIntents.Get(pi.ID, p))(t)
	expect(t, "review", reviewed.Review.ID, id)
	expect(t, "open", reviewed.Review.Open, true)
	expect(t, "opened reason", reviewed.Review.OpenedReason, stripe.ReviewOpenedReasonManual)
	expect(t, "review of the charge", reviewed.LatestCharge.Review.ID, id)

	approved := must(b.api.Reviews.Approve(id, nil))(t)
	expect(t, "open", approved.Open, false)
	expect(t, "closed reason", approved.ClosedReason, stripe.ReviewClosedReasonApproved)
	_, err := b.api.Reviews.Approve(id, nil)
	refusal(t, err)
	expect(t, "review afterwards", must(b.api.PaymentIntents.Get(pi.ID, p))(t).Review.Open, false)
	wantEvents(t, b, "payment_intent.created", "charge.succeeded", "payment_intent.succeeded", "review.opened",
		"review.closed")
}

// TestReviewsEndWithTheMoney: a full refund or a dispute closes a review, with its reason.
func TestReviewsEndWithTheMoney(t *testing.T) {
	for name, tt := range map[string]struct {
		act  func(*bench, string)
		want stripe.ReviewClosedReason
	}{
		"part": {func(b *bench, pi string) { must(b.Refund(pi, 500))(b.t) }, ""},
		"all":  {func(b *bench, pi string) { must(b.Refund(pi, 0))(b.t) }, stripe.ReviewClosedReasonRefunded},
		"fraud": {func(b *bench, pi string) {
			must(b.api.Refunds.New(&stripe.RefundParams{PaymentIntent: new(pi), Reason: new("fraudulent")}))(b.t)
		}, stripe.ReviewClosedReasonRefundedAsFraud},
		"dispute": {
			func(b *bench, pi string) { must(b.OpenDispute(pi, "", false))(b.t) },
			stripe.ReviewClosedReasonDisputed,
		},
		"by hand": {func(b *bench, pi string) {
			if err := b.CloseReview(b.get(pi).Review.ID, "redacted"); err != nil {
				b.t.Fatal(err)
			}
		}, stripe.ReviewClosedReasonRedacted},
	} {
		t.Run(name, func(t *testing.T) {
			b := start(t, stripesim.Options{})
			pi := b.pay("pm_card_riskLevelElevated")
			tt.act(b, pi.ID)
			r := must(b.api.Reviews.Get(b.get(pi.ID).Review.ID, nil))(t)
			expect(t, "closed reason", r.ClosedReason, tt.want)
			expect(t, "open", r.Open, tt.want == "")
			_, list := b.read("/v1/reviews")
			expect(t, "listed", strings.Contains(list, r.ID), tt.want == "")
			b.arrived()
		})
	}
}

// TestExpansionCanBeDenied: a restricted key without the permission gets an error if it expands the review.
func TestExpansionCanBeDenied(t *testing.T) {
	b := start(t, stripesim.Options{})
	pi := b.pay("pm_card_riskLevelElevated")
	b.DenyExpansion("review")
	status, body := b.read(intents + "/" + pi.ID + "?expand[]=latest_charge&expand[]=review")
	expect(t, "http status", status, http.StatusForbidden)
	contains(t, body, "permission")
	status, _ = b.read(intents + "/" + pi.ID + "?expand[]=latest_charge")
	expect(t, "http status without it", status, http.StatusOK)
	b.DenyExpansion()
	status, _ = b.read(intents + "/" + pi.ID + "?expand[]=review")
	expect(t, "http status with the permission", status, http.StatusOK)
}
