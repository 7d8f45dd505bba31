package service_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"kasse/service"
	"kasse/service/payment"
)

// forge delivers a forged success, as an attacker with the webhook secret can.
func (s *shop) forge(id payment.ID, event, order string) {
	s.t.Helper()
	at := time.Now().Add(s.passed)
	body := []byte(fmt.Sprintf(`{"id":%q,"object":"event","type":"payment_intent.succeeded","created":%d,`+
		`"livemode":false,"data":{"object":`+
		`{"id":%q,"object":"payment_intent","status":"succeeded","amount":1000,"amount_received":1000,`+
		`"currency":"eur","customer":%q,`+
		`"created":%d,"livemode":false,"capture_method":"automatic_async","metadata":{"kasse_service":"kasse",`+
		`"kasse_order_id":%q,`+
		`"kasse_attempt":"1"}}}}`, event, at.Unix(), id, s.customer, at.Unix(), order))
	if outcome, err := s.svc.Webhook(s.t.Context(), body, signed(body, time.Now())); err != nil ||
		outcome != service.Applied {
		s.t.Fatalf("forged: %s, %v", outcome, err)
	}
}

// verifies runs the pass of kasse reconcile -verify.
func (s *shop) verifies() (service.Tally, error) {
	var t service.Tally
	err := s.svc.ReconcileOnce(s.t.Context(), time.Hour, true, &t)
	return t, err
}

// TestReconcileVerifies: a pass with -verify finds forged successes, even with SUCCESS_VERIFICATION off. It
// returns an error if a payment could not be read.
func TestReconcileVerifies(t *testing.T) {
	s := newShop(t)
	forged, _ := s.creates(s.key(1000))
	paid, _ := s.creates(order("order-2", s.customer, 1000))
	s.becomes(paid.ID, payment.Succeeded)
	s.receives("payment_intent.succeeded", service.Applied)
	s.forge(forged.ID, "evt_forged", "order-1")
	s.forge("pi_invented", "evt_invented", "order-3")
	if v := s.shows(forged.ID, payment.Paid, 1000); !v.Fulfillable {
		t.Fatalf("the view is %+v", v)
	}
	s.noAnswer(readsPayment, false)
	if tally, err := s.verifies(); err == nil || !strings.Contains(err.Error(), string(paid.ID)) {
		t.Fatalf("while Stripe is unreachable: %v, %+v", err, tally)
	}
	s.sim.ClearFaults()
	want := []payment.Denied{{Payment: forged.ID, Order: "order-1"}, {Payment: "pi_invented", Order: "order-3"}}
	tally, err := s.verifies()
	if err != nil || tally.Verified != 3 || !slices.Equal(tally.Denied, want) {
		t.Fatalf("got error %v, %+v", err, tally)
	}
	for _, d := range tally.Denied {
		if v := s.shows(d.Payment, payment.Paid, 1000); v.Fulfillable || *v.HoldReason != payment.HoldUnverified {
			t.Fatalf("the view is %+v", v)
		}
	}
	if v := s.shows(paid.ID, payment.Paid, 1000); !v.Fulfillable {
		t.Fatalf("the view is %+v", v)
	}
	s.pass(2 * time.Hour)
	if tally, err := s.verifies(); err != nil || tally.Verified != 0 {
		t.Fatalf("of successes before the period: %v, %+v", err, tally)
	}
}

// TestDeniedSuccessIsSwept: a denied success is read again, and the customer's real payment ends the hold.
func TestDeniedSuccessIsSwept(t *testing.T) {
	s := newShop(t)
	s.svc.Verification = payment.VerifyBefore
	made, _ := s.creates(s.key(1000))
	s.forge(made.ID, "evt_forged", "order-1")
	s.runWorkers()
	if v := s.shows(made.ID, payment.Paid, 1000); v.Fulfillable || s.announced()["order.paid"] != 0 {
		t.Fatalf("the view is %+v, announced %v", v, s.announced())
	}
	s.becomes(made.ID, payment.Succeeded) // its webhook is lost
	s.pass(3 * time.Minute)
	if s.sweeps() != 1 {
		t.Fatal("the denied success is not swept")
	}
	if v := s.shows(made.ID, payment.Paid, 1000); !v.Fulfillable || s.announced()["order.paid"] != 1 {
		t.Fatalf("the view is %+v, announced %v", v, s.announced())
	}
}

// TestOrderCanBePaidAfterForgery: once a payment with a forged success is cancelled at Stripe, its order can be paid.
func TestOrderCanBePaidAfterForgery(t *testing.T) {
	s := newShop(t)
	s.svc.Verification = payment.VerifyInBackground
	made, _ := s.creates(s.key(1000))
	s.forge(made.ID, "evt_forged", "order-1")
	s.runWorkers()
	s.refuses(s.key(1000), payment.CodeOrderAlreadyPaid)
	s.stripeCancels(made.ID)
	s.pass(3 * time.Minute)
	s.sweeps()
	s.shows(made.ID, payment.CanceledState, 1000)
	next, v := s.creates(s.key(1000))
	if v.Attempt != 2 || v.State != payment.Pending {
		t.Fatalf("the view is %+v", v)
	}
	s.becomes(next.ID, payment.Succeeded)
	s.receives("payment_intent.succeeded", service.Applied)
	s.runWorkers()
	if v := s.shows(next.ID, payment.Paid, 1000); !v.Fulfillable || s.announced()["order.paid"] != 1 {
		t.Fatalf("the view is %+v, announced %v", v, s.announced())
	}
}
