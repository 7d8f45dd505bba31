package api_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"kasse/service"
)

// bothVersions runs a test with events in the shape of either API version.
func bothVersions(t *testing.T, test func(t *testing.T, w *apiEnv)) {
	t.Helper()
	for _, version := range []string{"2024-06-20", "2026-10-28.endive"} {
		t.Run(version, func(t *testing.T) {
			w := newEnv(t)
			if err := w.stripe.SetAPIVersion(version); err != nil {
				t.Fatal(err)
			}
			w.deliverWebhooks()
			test(t, w)
		})
	}
}

// sees compares what a service key sees of a payment.
func (w *apiEnv) sees(made opened, state string, fulfillable bool, word string) {
	w.t.Helper()
	view := w.reach(made.PaymentIntent, state)
	if strings.Contains(view.body, `"fulfillable":true`) != fulfillable || !strings.Contains(
		view.body, `"status":"`+word+`"`,
	) {
		w.t.Errorf("want %s, fulfillable %v, with the word %s: %s", state, fulfillable, word, view.body)
	}
}

// moves brings a dispute to a status a while later: within one second their order would be unknown.
func (w *apiEnv) moves(dispute, to string) {
	w.t.Helper()
	w.stripe.Advance(10 * time.Second)
	if err := w.stripe.MoveDispute(dispute, to); err != nil {
		w.t.Fatal(err)
	}
	w.settled()
}

// TestDisputeStatuses: an appeal of a lost dispute is open again, and only won ends one in the shop's favour.
func TestDisputeStatuses(t *testing.T) {
	bothVersions(t, func(t *testing.T, w *apiEnv) {
		t.Helper()
		made := w.paid("shop-1")
		id, err := w.stripe.OpenDispute(made.PaymentIntent, "", false)
		if err != nil {
			t.Fatal(err)
		}
		w.settled()
		w.sees(made, "disputed", false, "needs_response")
		w.moves(id, "lost")
		w.sees(made, "charged_back", false, "lost")
		w.moves(id, "appeal_needs_response")
		w.sees(made, "disputed", false, "appeal_needs_response")
		w.moves(id, "appeal_under_review")
		w.sees(made, "disputed", false, "appeal_under_review")
		w.moves(id, "won")
		w.sees(made, "paid", true, "won")
		w.checkAnnounced(
			made.PaymentIntent, "order.paid", "order.disputed", "order.charged_back", "order.disputed",
			"order.updated", "order.dispute_won",
		)
	})
}

// TestDisputeEnds: a prevented dispute ends without loss, and is none that the shop has won. A status that Kasse does
// not knows is open.
func TestDisputeEnds(t *testing.T) {
	w := newEnv(t)
	w.deliverWebhooks()
	prevented := w.paid("shop-1")
	id, err := w.stripe.OpenDispute(prevented.PaymentIntent, "", false)
	if err != nil {
		t.Fatal(err)
	}
	w.settled()
	w.sees(prevented, "disputed", false, "needs_response")
	w.moves(id, "prevented")
	w.sees(prevented, "paid", true, "prevented")
	w.checkAnnounced(prevented.PaymentIntent, "order.paid", "order.disputed", "order.updated")

	unknown := w.paid("shop-2")
	if id, err = w.stripe.OpenDispute(unknown.PaymentIntent, "", false); err != nil {
		t.Fatal(err)
	}
	w.settled()
	w.moves(id, "lost")
	w.sees(unknown, "charged_back", false, "lost")
	w.stripe.Advance(10 * time.Second)
	if err := w.stripe.ForceStatus(id, "in_orbit"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.stripe.SendEvent(id, "charge.dispute.updated", nil); err != nil {
		t.Fatal(err)
	}
	w.settled()
	w.sees(unknown, "disputed", false, "in_orbit")
	if announced := w.announced(unknown.PaymentIntent); slices.Contains(announced, "order.dispute_won") ||
		announced[len(announced)-1] != "order.disputed" {
		t.Errorf("announced %q", announced)
	}
}

// TestUnknownRefundStatuses: a refund with a null or unknown status counts as a pending refund. The call returns the
// status unchanged, and so does a repeat. No new key refunds the money twice, even after a read has listed
// it.
func TestUnknownRefundStatuses(t *testing.T) {
	for word, shown := range map[string]string{"": "null", "in_transit": `"in_transit"`} {
		bothVersions(t, func(t *testing.T, w *apiEnv) {
			t.Helper()
			made := w.paid("shop-1")
			w.stripe.PlanRefund(word)
			for _, replay := range []bool{false, true} {
				var got givenBack
				answer := w.refund(made, "refund-1", `{"amount":3000}`)
				answer.into(t, http.StatusCreated, &got)
				if !strings.Contains(
					answer.body, `"status":`+shown,
				) || (answer.header.Get("Idempotent-Replayed") == "true") != replay {
					t.Errorf("replay %v: %s", replay, answer.body)
				}
			}
			w.settled()
			w.read(made)
			view := w.reach(made.PaymentIntent, "partially_refunded")
			if !strings.Contains(
				view.body, `"amount_refunded":3000`,
			) || !strings.Contains(view.body, `"fulfillable":false`) {
				t.Errorf("after a read: %s", view.body)
			}
			list := w.send(request{line: "GET /v1/payments/" + made.PaymentIntent + "/refunds", token: readKey})
			if !strings.Contains(list.body, `"status":`+shown) {
				t.Errorf("listed %s", list.body)
			}
			w.refund(made, "refund-2", `{"amount":3000}`).says(
				t, http.StatusUnprocessableEntity, "refund_exceeds_payment",
			)
		})
	}
}

// TestFailedAuthenticationsCount: an authentication that fails makes no charge, under either code, and is one
// attempt; past MAX_FAILED_ATTEMPTS the order is closed.
func TestFailedAuthenticationsCount(t *testing.T) {
	for _, code := range []string{"authentication_failure", "payment_intent_authentication_failure"} {
		t.Run(code, func(t *testing.T) {
			w := newEnv(t, func(o *service.Options) { o.MaxFailures = 2 })
			w.deliverWebhooks()
			made := w.create("shop-1")
			for range 2 {
				if err := w.stripe.Decline(made.PaymentIntent, code, ""); err != nil {
					t.Fatal(err)
				}
				w.settled()
			}
			view := w.reach(made.PaymentIntent, "failed")
			if !strings.Contains(view.body, `"code":"`+code+`"`) || !strings.Contains(
				view.body, "did not pass the bank's authentication",
			) {
				t.Errorf("shown %s", view.body)
			}
			if err := w.stripe.Decline(made.PaymentIntent, code, ""); err != nil {
				t.Fatal(err)
			}
			w.settled()
			w.reach(made.PaymentIntent, "canceled")
			w.checkClosed(http.StatusTooManyRequests, "attempts_exhausted")
		})
	}
}
