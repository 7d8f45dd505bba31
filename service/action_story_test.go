package service_test

import (
	"testing"
	"time"

	"kasse/service/payment"
)

// TestActions: the view has the customer's next step and the time at which it expires. If the step is done outside the
// page, the page waits.
func TestActions(t *testing.T) {
	for kind, want := range map[string]struct {
		currency, next string
		poll           int
		expires        bool
	}{
		"oxxo_display_details":               {"mxn", "wait", 60_000, true},
		"boleto_display_details":             {"brl", "wait", 60_000, true},
		"konbini_display_details":            {"jpy", "wait", 60_000, true},
		"multibanco_display_details":         {"eur", "wait", 60_000, true},
		"display_bank_transfer_instructions": {"eur", "wait", 60_000, false},
		"verify_with_microdeposits":          {"usd", "wait", 60_000, false},
		"use_stripe_sdk":                     {"eur", "authenticate", 2_000, false},
		"brand_new_display_qr_code":          {"eur", "authenticate", 2_000, true},
	} {
		t.Run(kind, func(t *testing.T) {
			s := newShop(t)
			r := s.key(1000)
			r.Terms.Currency = want.currency
			made, before := s.creates(r)
			if before.Action != nil {
				t.Fatalf("action %+v before it starts", before.Action)
			}
			if err := s.sim.StartAction(string(made.ID), kind, 72*time.Hour); err != nil {
				t.Fatal(err)
			}
			s.receives("payment_intent.requires_action", "applied")
			v := s.shows(made.ID, payment.ActionRequired, 1000)
			if v.Action == nil || v.Action.Type != kind || (v.Action.ExpiresAt != nil) != want.expires {
				t.Fatalf("action %+v", v.Action)
			}
			if v.Next != want.next || *v.PollAfter != want.poll {
				t.Fatalf("next is %s, poll_after %d ms; want %s, %d ms", v.Next, *v.PollAfter, want.next, want.poll)
			}
			if want.expires && v.Action.ExpiresAt.Sub(v.UpdatedAt).Round(time.Hour) != 72*time.Hour {
				t.Fatalf("the action expires at %v", v.Action.ExpiresAt)
			}
			s.stripeCancels(made.ID)
			s.reads(made.ID)
			if v := s.shows(made.ID, payment.CanceledState, 1000); v.Action != nil {
				t.Fatalf("action %+v of a cancelled payment", v.Action)
			}
		})
	}
}

// TestVoucherIsNotAbandoned: a payment with a voucher is not cancelled as abandoned before the voucher expires.
func TestVoucherIsNotAbandoned(t *testing.T) {
	s := newShop(t)
	s.svc.AbandonAfter = 24 * time.Hour
	r := s.key(1000)
	r.Terms.Currency = "mxn"
	made, _ := s.creates(r)
	if err := s.sim.StartAction(string(made.ID), "oxxo_display_details", 72*time.Hour); err != nil {
		t.Fatal(err)
	}
	s.receives("payment_intent.requires_action", "applied")
	for range 71 {
		s.pass(time.Hour)
		s.sweeps()
	}
	s.shows(made.ID, payment.ActionRequired, 1000)
	if n := s.requests("POST /v1/payment_intents/{intent}/cancel"); n != 0 {
		t.Fatalf("cancelled %d times", n)
	}
}

// requests returns the number of calls of an endpoint.
func (s *shop) requests(endpoint string) int { return s.sim.Count(endpoint) }
