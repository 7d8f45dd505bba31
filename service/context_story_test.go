package service_test

import (
	"testing"

	"kasse/service"
	"kasse/service/payment"
)

// TestContextOfAnotherAccount: an event of another account is ignored, even if it names a payment of ours. An
// event with our account or none is applied, and so is every event while the key's account is unknown.
func TestContextOfAnotherAccount(t *testing.T) {
	for name, tt := range map[string]struct {
		own, context string
		want         service.Outcome
	}{
		"another":               {"acct_own", "acct_other", service.Ignored},
		"our own":               {"acct_own", "acct_own", service.Applied},
		"null":                  {"acct_own", "null", service.Applied},
		"none":                  {"acct_own", "", service.Applied},
		"while ours is unknown": {"", "acct_other", service.Applied},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t)
			s.svc.SetAccount(tt.own)
			made, _ := s.creates(s.key(1000))
			s.sim.SetEventOrigin(tt.context, "")
			s.becomes(made.ID, payment.Succeeded)
			s.receives("payment_intent.succeeded", tt.want)
			want := payment.Paid
			if tt.want == service.Ignored {
				want = payment.Pending
			}
			s.shows(made.ID, want, 1000)
		})
	}
}

// TestUndecodableEventOfAnotherAccount: an event of another account that cannot be decoded is ignored. Nothing is
// stored.
func TestUndecodableEventOfAnotherAccount(t *testing.T) {
	s := newShop(t)
	s.svc.SetAccount("acct_own")
	made, _ := s.creates(s.key(1000))
	s.sim.SetEventOrigin("acct_other", "")
	before := s.redis.Dump()
	s.sends(string(made.ID), "payment_intent.brand_new", map[string]any{"status": "paused"})
	s.receives("payment_intent.brand_new", service.Ignored)
	if got := s.redis.Dump(); got != before {
		t.Fatalf("Redis was\n%s\nand is\n%s", before, got)
	}
}
