package service_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"kasse/service"
	"kasse/service/payment"
	"kasse/service/stripe"
)

// reviewed returns a paid payment with an open Radar review, and the review's id. No webhook was delivered.
func (s *shop) reviewed() (id payment.ID, review string) {
	s.t.Helper()
	made, _ := s.creates(s.key(1000))
	s.becomes(made.ID, payment.Succeeded)
	review, err := s.sim.OpenReview(string(made.ID), "rule")
	if err != nil {
		s.t.Fatal(err)
	}
	return made.ID, review
}

func (s *shop) closesReview(review, reason string) {
	s.t.Helper()
	if err := s.sim.CloseReview(review, reason); err != nil {
		s.t.Fatal(err)
	}
}

// holds returns the payment's hold and its review; each is empty if there is none.
func (s *shop) holds(id payment.ID) (hold payment.Hold, review string) {
	s.t.Helper()
	v := s.shows(id, payment.Paid, 1000)
	if v.HoldReason != nil {
		hold = *v.HoldReason
	}
	if v.Review != nil {
		review = v.Review.ID
	}
	if v.Fulfillable != (hold == "") {
		s.t.Fatalf("the view is %+v", v)
	}
	return hold, review
}

// TestReviewStories: a payment is held during a Radar review. Kasse learns of the review by webhooks, a read or a
// catch-up.
func TestReviewStories(t *testing.T) {
	for name, learn := range map[string]func(s *shop, id payment.ID, kind string){
		"by webhooks":   func(s *shop, _ payment.ID, kind string) { s.receives(kind, service.Applied) },
		"by a read":     func(s *shop, id payment.ID, _ string) { s.reads(id) },
		"by a catch-up": func(s *shop, _ payment.ID, _ string) { s.catchesUp(); s.runWorkers() },
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t)
			id, review := s.reviewed()
			learn(s, id, "review.opened")
			if name == "by webhooks" {
				s.receives("payment_intent.succeeded", service.Applied)
			}
			if hold, shown := s.holds(id); hold != payment.HoldInReview || shown != review {
				t.Fatalf("held by %q, review %q", hold, shown)
			}
			s.closesReview(review, "approved")
			learn(s, id, "review.closed")
			if hold, shown := s.holds(id); hold != "" || shown != "" {
				t.Fatalf("held by %q, review %q", hold, shown)
			}
			if announced := s.announced(); announced["order.paid"] != 1 {
				t.Fatalf("announced %v", announced)
			}
		})
	}
}

// TestReviewAfterPaid: a review that opens after order.paid holds the order. Its approval sends
// order.updated, since order.paid is sent once. With any other end the hold stays until the money is
// refunded.
func TestReviewAfterPaid(t *testing.T) {
	for reason, want := range map[string]payment.Hold{
		"approved": "", "acknowledged": payment.HoldInReview, "redacted": payment.HoldInReview,
		"canceled": payment.HoldInReview,
	} {
		t.Run(reason, func(t *testing.T) {
			s := newShop(t)
			id, review := s.reviewed()
			s.receives("payment_intent.succeeded", service.Applied)
			s.receives("review.opened", service.Applied)
			s.receives("review.opened", service.Unchanged)
			if hold, shown := s.holds(id); hold != payment.HoldInReview || shown != review {
				t.Fatalf("held by %q, review %q", hold, shown)
			}
			s.closesReview(review, reason)
			s.receives("review.closed", service.Applied)
			if hold, shown := s.holds(id); hold != want || shown != "" {
				t.Fatalf("held by %q, review %q", hold, shown)
			}
			if announced := s.announced(); fmt.Sprint(announced) != "map[order.paid:1 order.updated:2]" {
				t.Fatalf("announced %v", announced)
			}
			if want == "" {
				return
			}
			if _, err := s.sim.Refund(string(id), 0); err != nil {
				t.Fatal(err)
			}
			s.receives("refund.created", service.Applied)
			if v := s.shows(id, payment.Refunded, 1000); *v.HoldReason != payment.HoldRefunded {
				t.Fatalf("held by %s", *v.HoldReason)
			}
		})
	}
}

// TestReviewIsNamed: a payment whose event names an unknown review is read, so that it is held before the
// next catch-up.
func TestReviewIsNamed(t *testing.T) {
	s := newShop(t)
	id, review := s.reviewed()
	s.sends(string(id), "payment_intent.succeeded", nil)
	s.receives("payment_intent.succeeded", service.Applied)
	if ids := s.dueReads(); len(ids) != 1 || ids[0] != id {
		t.Fatalf("reads of %v are due", ids)
	}
	s.reads(id)
	if hold, shown := s.holds(id); hold != payment.HoldInReview || shown != review {
		t.Fatalf("held by %q, review %q", hold, shown)
	}
	if ids := s.dueReads(); len(ids) != 0 {
		t.Fatalf("read, and due again: %v", ids)
	}
}

// TestReviewIsRebuilt: a rebuild restores reviews and details, and finds a review that a stored order lacks.
func TestReviewIsRebuilt(t *testing.T) {
	s := newShop(t)
	id, review := s.reviewed()
	for _, lost := range []bool{false, true} {
		s.receives(
			"payment_intent.succeeded",
			map[bool]service.Outcome{false: service.Applied, true: service.Unchanged}[lost],
		)
		if lost {
			s.redis.FlushAll()
		}
		s.rebuilds()
		v := s.shows(id, payment.Paid, 1000)
		if v.Fulfillable || v.Review == nil || v.Review.ID != review || v.Method == nil || v.ReceiptURL == nil {
			t.Fatalf("lost %v: %+v", lost, v)
		}
	}
}

// TestKeyMayNotReadReviews: with a key that may not read reviews, payments are still read, and one warning is logged.
// Events still begin and end a hold.
func TestKeyMayNotReadReviews(t *testing.T) {
	s := newShop(t)
	var log bytes.Buffer
	gateway := s.faultyStripe.Stripe.(*stripe.Gateway) //nolint:forcetypeassert // newShop sets it
	gateway.Logger = slog.New(slog.NewTextHandler(&log, nil))
	id, review := s.reviewed()
	s.sim.DenyExpansion("review")
	s.reads(id)
	if hold, _ := s.holds(id); hold != "" {
		t.Fatalf("held by %q", hold)
	}
	asked := s.requests("GET /v1/payment_intents/{intent}")
	s.reads(id)
	if again := s.requests("GET /v1/payment_intents/{intent}"); again != asked+1 {
		t.Fatalf("%d requests for one read, want 1", again-asked)
	}
	if n := strings.Count(log.String(), "may not read Radar reviews"); n != 1 {
		t.Fatalf("%d warnings in %s", n, log.String())
	}
	s.rebuilds()
	s.receives("review.opened", service.Applied)
	if hold, shown := s.holds(id); hold != payment.HoldInReview || shown != review {
		t.Fatalf("held by %q, review %q", hold, shown)
	}
	s.closesReview(review, "approved")
	s.receives("review.closed", service.Applied)
	if hold, _ := s.holds(id); hold != "" {
		t.Fatalf("held by %q", hold)
	}
	s.sim.DenyExpansion()
	gateway.Now = func() time.Time { return time.Now().Add(2 * time.Hour) }
	if _, err := s.sim.OpenReview(string(id), "manual"); err != nil {
		t.Fatal(err)
	}
	s.reads(id)
	if hold, _ := s.holds(id); hold != payment.HoldInReview {
		t.Fatal("the key may read reviews again, and none was read")
	}
}

// TestDetailStories: payment method details and receipt come from charge events and reads. A change of these
// alone sends no event. A charge of an unknown payment queues no read.
func TestDetailStories(t *testing.T) {
	s := newShop(t)
	made, before := s.creates(s.key(1000))
	if before.Method != nil || before.ReceiptURL != nil || before.Review != nil {
		t.Fatalf("the first view is %+v", before)
	}
	s.becomes(made.ID, payment.Succeeded)
	s.receives("payment_intent.succeeded", service.Applied)
	s.receives("charge.succeeded", service.Applied)
	v := s.shows(made.ID, payment.Paid, 1000)
	if v.Method == nil || v.Method.Type != "card" || *v.Method.Brand != "visa" || *v.Method.Last4 != "4242" ||
		v.ReceiptURL == nil {
		t.Fatalf("the method is %+v, the receipt %v", v.Method, v.ReceiptURL)
	}
	if err := s.sim.UpdateCharge(string(made.ID), "https://pay.example/receipt"); err != nil {
		t.Fatal(err)
	}
	s.reads(made.ID)
	after := s.shows(made.ID, payment.Paid, 1000)
	if *after.ReceiptURL != "https://pay.example/receipt" || after.Version <= v.Version {
		t.Fatalf("%s, version %d after %d", *after.ReceiptURL, after.Version, v.Version)
	}
	if announced := s.announced(); fmt.Sprint(announced) != "map[order.paid:1]" {
		t.Fatalf("announced %v", announced)
	}
	s.loseRedis()
	s.receives("charge.succeeded", service.Ignored)
	if ids := s.dueReads(); len(ids) != 0 {
		t.Fatalf("a charge has queued reads of %v", ids)
	}
	s.receives("payment_intent.succeeded", service.Applied)
	s.pass(time.Minute)
	s.catchesUp()
	if v := s.shows(made.ID, payment.Paid, 1000); v.Method == nil || v.ReceiptURL == nil {
		t.Fatalf("the view is %+v", v)
	}
}
