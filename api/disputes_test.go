package api_test

import (
	"strings"
	"testing"
	"time"
)

func TestDisputes(t *testing.T) {
	for name, test := range map[string]struct {
		inquiry   bool
		moves     []string
		states    []string
		announced []string
	}{
		"lost": {
			false,
			[]string{"under_review", "lost"},
			[]string{"disputed", "disputed", "charged_back"},
			[]string{"order.paid", "order.disputed", "order.updated", "order.charged_back"},
		},
		"won": {
			false,
			[]string{"won"},
			[]string{"disputed", "paid"},
			[]string{"order.paid", "order.disputed", "order.dispute_won"},
		},
		"an inquiry": {true, nil, []string{"paid"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := newEnv(t)
			w.deliverWebhooks()
			made := w.paid("shop-1")
			id, err := w.stripe.OpenDispute(made.PaymentIntent, "", test.inquiry)
			if err != nil {
				t.Fatal(err)
			}
			w.settled()
			for i, state := range test.states {
				view := w.reach(made.PaymentIntent, state)
				if !strings.Contains(
					view.body, `"dispute":{"id":"`+id,
				) || strings.Contains(view.body, `"fulfillable":true`) != (state == "paid") {
					t.Errorf("%s: %s", state, view.body)
				}
				if i < len(test.moves) {
					// A dispute moves once in days. Within one second the order is unknown: see the merge.
					w.stripe.Advance(10 * time.Second)
					if err := w.stripe.MoveDispute(id, test.moves[i]); err != nil {
						t.Fatal(err)
					}
					w.settled()
				}
			}
			if secret := w.send(
				request{line: "GET /v1/payments/" + made.PaymentIntent, token: made.ClientSecret},
			); strings.Contains(secret.body, "dispute\"") {
				t.Errorf("the holder of the client secret sees %s", secret.body)
			}
			if test.announced != nil {
				w.checkAnnounced(made.PaymentIntent, test.announced...)
			}
		})
	}
}
