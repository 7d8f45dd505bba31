package service_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"kasse/service"
	"kasse/service/payment"
	"kasse/store"
)

// receives delivers Stripe's events of some types, oldest first.
func (s *shop) receives(types string, want service.Outcome) {
	s.t.Helper()
	events := s.list("/v1/events?limit=100&type=" + types)
	if len(events) == 0 {
		s.t.Fatalf("no events of %s", types)
	}
	for _, event := range slices.Backward(events) {
		body, err := json.Marshal(event)
		if err != nil {
			s.t.Fatal(err)
		}
		outcome, err := s.svc.Webhook(s.t.Context(), body, signed(body, time.Now()))
		if err != nil || outcome != want {
			s.t.Fatalf("%s: %s %v, want %s", event["type"], outcome, err, want)
		}
	}
}

// loseRedis replaces Redis by an empty one.
func (s *shop) loseRedis() {
	s.t.Helper()
	s.redis.FlushAll()
	if err := s.store.Mark(s.t.Context(), store.Identity{Service: "kasse"}); err != nil {
		s.t.Fatal(err)
	}
}

// TestReturnsBeforeThePayment: events about refunds and disputes have none of our metadata. Without a record
// of the payment a refund changes nothing. A dispute queues a read, which restores the payment, its order and its
// refunds.
func TestReturnsBeforeThePayment(t *testing.T) {
	s := newShop(t)
	made, _ := s.creates(s.key(1000))
	s.becomes(made.ID, payment.Succeeded)
	if _, err := s.sim.Refund(string(made.ID), 300); err != nil {
		t.Fatal(err)
	}
	if _, err := s.sim.OpenDispute(string(made.ID), "", false); err != nil {
		t.Fatal(err)
	}
	s.loseRedis()
	s.receives("charge.refunded", service.Unchanged)
	s.receives("refund.created", service.Unchanged)
	if _, err := s.store.LoadView(t.Context(), made.ID); !errors.Is(err, payment.ErrNotFound) {
		t.Fatalf("restored by a refund, without a read: %v", err)
	}
	s.runWorkers()
	if v := s.shows(made.ID, payment.Disputed, 1000); v.AmountRefunded != 300 || v.Dispute == nil {
		t.Fatalf("the view is %+v", v)
	}
	s.receives("charge.dispute.created", service.Applied)
	s.runWorkers()
	if v := s.shows(made.ID, payment.Disputed, 1000); v.AmountRefunded != 300 || v.Dispute == nil {
		t.Fatalf("the view is %+v", v)
	}
}

// TestFirstSeenPaid: a payment that is first seen as paid is read, since it may have been refunded before.
func TestFirstSeenPaid(t *testing.T) {
	s := newShop(t)
	made, _ := s.creates(s.key(1000))
	s.becomes(made.ID, payment.Succeeded)
	if _, err := s.sim.Refund(string(made.ID), 0); err != nil {
		t.Fatal(err)
	}
	s.loseRedis()
	s.receives("charge.refunded", service.Unchanged)
	s.receives("payment_intent.succeeded", service.Applied)
	s.shows(made.ID, payment.Paid, 1000)
	s.runWorkers()
	s.shows(made.ID, payment.Refunded, 1000)
}

// TestReturnsBeforeTheOpening: refunds from before the record are read once the payment has received money,
// even if the payment was first seen unpaid. (That write removes the read that a dispute queued.)
func TestReturnsBeforeTheOpening(t *testing.T) {
	s := newShop(t)
	made, _ := s.creates(s.key(1000))
	s.becomes(made.ID, payment.Succeeded)
	if _, err := s.sim.Refund(string(made.ID), 300); err != nil {
		t.Fatal(err)
	}
	if _, err := s.sim.OpenDispute(string(made.ID), "", false); err != nil {
		t.Fatal(err)
	}
	s.loseRedis()
	s.receives("refund.created", service.Unchanged)
	s.receives("charge.dispute.created", service.Unchanged)
	s.receives("payment_intent.created", service.Applied)
	s.receives("payment_intent.succeeded", service.Applied)
	s.runWorkers()
	if v := s.shows(made.ID, payment.Disputed, 1000); v.AmountRefunded != 300 || v.Dispute == nil {
		t.Fatalf("the view is %+v", v)
	}
}

// TestForeignReturns: refunds and disputes of payments that are not ours queue one read, and leave only the
// mark that the payments are not ours.
func TestForeignReturns(t *testing.T) {
	s := newShop(t)
	made := s.ask(http.MethodPost, "/v1/payment_intents", url.Values{"amount": {"1000"}, "currency": {"eur"}})
	name, _ := made["id"].(string)
	id := payment.ID(name)
	s.becomes(id, payment.Succeeded)
	if _, err := s.sim.Refund(string(id), 100); err != nil {
		t.Fatal(err)
	}
	if _, err := s.sim.OpenDispute(string(id), "", false); err != nil {
		t.Fatal(err)
	}
	before := s.redis.Dump()
	s.receives("refund.created", service.Unchanged)
	s.receives("charge.refunded", service.Unchanged)
	s.receives("charge.dispute.created", service.Unchanged)
	if ids, err := s.store.ClaimReads(t.Context(), 100, time.Minute); err != nil || len(ids) != 1 {
		t.Fatalf("reads of %v are due, %v", ids, err)
	}
	if err := s.svc.Read(t.Context(), id); !errors.Is(err, payment.ErrNotFound) {
		t.Fatal(err)
	}
	if err := s.store.DropRead(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	s.receives("refund.created", service.Ignored)
	s.receives("charge.dispute.created", service.Ignored)
	if ids, err := s.store.ClaimReads(t.Context(), 100, time.Minute); err != nil || len(ids) != 0 {
		t.Fatalf("read again on the same day: %v %v", ids, err)
	}
	s.redis.FastForward(25 * time.Hour)
	if got := s.redis.Dump(); got != before {
		t.Fatalf("Redis was\n%s\nand is\n%s", before, got)
	}
}

// TestRefundOutlivesRedis: a refund's metadata names its call, so a repeat is recognized after Redis was lost
// and Stripe has dropped the key.
func TestRefundOutlivesRedis(t *testing.T) {
	s := newShop(t)
	made, _ := s.creates(s.key(1000))
	s.becomes(made.ID, payment.Succeeded)
	s.reads(made.ID)
	amount := int64(300)
	request := payment.RefundRequest{Payment: made.ID, Caller: "shop", Key: "refund-1", Amount: &amount}
	first, err := s.svc.Refund(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	s.loseRedis()
	s.pass(48 * time.Hour)
	again, err := s.svc.Refund(t.Context(), request)
	if err != nil || !again.Replayed || again.Refund.ID != first.Refund.ID {
		t.Fatalf("the repeat returned %+v, %v", again, err)
	}
	request.Amount = nil
	if again, err = s.svc.Refund(t.Context(), request); err != nil || again.Refund.ID != first.Refund.ID {
		t.Fatalf("the repeat returned %+v, %v", again, err)
	}
	other := int64(200)
	request.Amount = &other
	_, err = s.svc.Refund(t.Context(), request)
	s.wantCode(err, payment.CodeIdempotencyKeyReused)
	if v := s.shows(made.ID, payment.PartiallyRefunded, 1000); v.AmountRefunded != 300 {
		t.Fatalf("the view is %+v", v)
	}
}
