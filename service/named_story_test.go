package service_test

import (
	"strings"
	"testing"
	"time"

	"kasse/service/payment"
)

// sends sends an event about an object, with some members changed, and delivers it.
func (s *shop) sends(id, kind string, set map[string]any) {
	s.t.Helper()
	if _, err := s.sim.SendEvent(id, kind, set); err != nil {
		s.t.Fatal(err)
	}
}

// dueReads returns the payments whose read is due within five seconds.
func (s *shop) dueReads() []payment.ID {
	s.t.Helper()
	s.pass(5 * time.Second)
	ids, err := s.store.ClaimReads(s.t.Context(), 100, time.Minute)
	if err != nil {
		s.t.Fatal(err)
	}
	return ids
}

// undecodableEventsCases send an event that cannot be decoded.
var undecodableEventsCases = map[string]func(*shop, payment.ID){
	"an unknown status": func(s *shop, id payment.ID) {
		s.becomes(id, payment.Succeeded)
		s.sends(string(id), "payment_intent.brand_new", map[string]any{"status": "paused"})
		s.receives("payment_intent.brand_new", "quarantined")
		s.shows(id, payment.Pending, 1000)
		if ids := s.dueReads(); len(ids) != 1 || ids[0] != id {
			s.t.Fatalf("reads of %v are due", ids)
		}
		s.reads(id)
		s.shows(id, payment.Paid, 1000)
		if ids := s.dueReads(); len(ids) != 0 {
			s.t.Fatalf("reads of %v are due after the read", ids)
		}
	},
	"a refund whose amount is text": func(s *shop, id payment.ID) {
		s.becomes(id, payment.Succeeded)
		s.reads(id)
		refund, err := s.sim.Refund(string(id), 300)
		if err != nil {
			s.t.Fatal(err)
		}
		s.sends(refund, "refund.brand_new", map[string]any{"amount": "300"})
		s.receives("refund.brand_new", "quarantined")
		s.shows(id, payment.Paid, 1000)
		s.pass(5 * time.Second)
		s.runWorkers()
		s.shows(id, payment.PartiallyRefunded, 1000)
		if ids := s.dueReads(); len(ids) != 0 {
			s.t.Fatalf("reads of %v are due after the read", ids)
		}
	},
	"found by the catch-up": func(s *shop, id payment.ID) {
		s.becomes(id, payment.Processing)
		s.sends(string(id), "payment_intent.succeeded", map[string]any{"status": "paused"})
		s.catchesUp()
		if ids := s.dueReads(); len(ids) != 1 || ids[0] != id {
			s.t.Fatalf("reads of %v are due", ids)
		}
	},
	"of an order that was lost": func(s *shop, id payment.ID) {
		s.becomes(id, payment.Succeeded)
		s.loseRedis()
		s.sends(string(id), "payment_intent.brand_new", map[string]any{"status": "paused"})
		s.receives("payment_intent.brand_new", "quarantined")
		s.runWorkers()
		s.shows(id, payment.Paid, 1000)
	},
	"a refund of a payment of which only the pointer is left": func(s *shop, id payment.ID) {
		s.becomes(id, payment.Succeeded)
		s.reads(id)
		refund, err := s.sim.Refund(string(id), 300)
		if err != nil {
			s.t.Fatal(err)
		}
		for _, key := range s.redis.Keys() {
			if strings.Contains(key, "}:order:") {
				s.redis.Del(key)
			}
		}
		if ids := s.dueReads(); len(ids) != 0 {
			s.t.Fatalf("reads of %v are due before the event", ids)
		}
		s.sends(refund, "refund.brand_new", map[string]any{"amount": "300"})
		s.receives("refund.brand_new", "quarantined")
		if ids := s.dueReads(); len(ids) != 1 || ids[0] != id {
			s.t.Fatalf("reads of %v are due", ids)
		}
		s.reads(id)
		s.shows(id, payment.PartiallyRefunded, 1000)
	},
	"of another shop": func(s *shop, id payment.ID) {
		s.loseRedis()
		s.sends(string(id), "payment_intent.brand_new", map[string]any{
			"status": "paused", "metadata": map[string]any{"kasse_service": "bakery"},
		})
		s.receives("payment_intent.brand_new", "quarantined")
		if ids := s.dueReads(); len(ids) != 0 {
			s.t.Fatalf("reads of %v are due", ids)
		}
	},
}

// TestUndecodableEvents: an event that cannot be decoded and names a payment of ours queues one read.
func TestUndecodableEvents(t *testing.T) {
	for name, story := range undecodableEventsCases {
		t.Run(name, func(t *testing.T) {
			s := newShop(t)
			made, _ := s.creates(s.key(1000))
			story(s, made.ID)
		})
	}
}

// TestFormerStatuses: statuses from before API 2019-02-11 are translated, and a failed attempt counts.
func TestFormerStatuses(t *testing.T) {
	s := newShop(t)
	made, _ := s.creates(s.key(1000))
	s.sends(string(made.ID), "payment_intent.requires_action", map[string]any{"status": "requires_source_action"})
	s.receives("payment_intent.requires_action", "applied")
	if v := s.shows(made.ID, payment.ActionRequired, 1000); v.Status != payment.RequiresAction {
		t.Fatalf("the view is %+v", v)
	}
	s.pass(2 * time.Second)
	s.sends(string(made.ID), "payment_intent.payment_failed", map[string]any{
		"status": "requires_source", "latest_charge": "ch_1",
		"last_payment_error": map[string]any{"code": "card_declined", "charge": "ch_1"},
	})
	s.receives("payment_intent.payment_failed", "applied")
	if v := s.shows(made.ID, payment.Failed, 1000); v.Status != payment.RequiresPaymentMethod || v.Failure == nil {
		t.Fatalf("the view is %+v", v)
	}
}
