package service_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"kasse/service"
	"kasse/service/payment"
)

// twoPayable returns two payable payments of the order. The first attempt had no response and is abandoned, since
// Stripe lists nothing. The second is the order's current payment.
func twoPayable(s *shop) (late, current payment.ID) {
	s.t.Helper()
	s.faultyStripe.loses = true
	if _, err := s.svc.Create(s.t.Context(), s.key(4200)); !errors.Is(err, errDead) {
		s.t.Fatal(err)
	}
	late = s.payable()[0]
	s.faultyStripe.loses, s.faultyStripe.findsNothing = false, true
	s.pass(25 * time.Hour)
	opened, v := s.creates(s.key(4200))
	if v.Attempt != 2 || len(s.payable()) != 2 {
		s.t.Fatalf("the view is %+v", v)
	}
	return late, opened.ID
}

// winnerStories pay an order that may have two payable payments.
var winnerStories = map[string]func(*shop){
	"paid once": func(s *shop) {
		s.deliverTo(s.svc)
		opened, _ := s.creates(s.key(4200))
		s.confirm(opened.ID, "pm_card_visa")
		s.drained()
		s.reads(opened.ID)
		v := s.shows(opened.ID, payment.Paid, 4200)
		if !v.Fulfillable || v.FulfillableAt == nil || v.HoldReason != nil || v.Superseded {
			s.t.Fatalf("the view is %+v", v)
		}
		if announced := s.announced(); announced["order.paid"] != 1 || len(announced) != 1 {
			s.t.Fatalf("announced %v", announced)
		}
	},
	"the payment of an abandoned attempt appears: never returned, cancelled by the worker": func(s *shop) {
		late, current := twoPayable(s)
		s.reads(late)
		s.runWorkers()
		s.atStripe(late, payment.Canceled, 4200)
		if v := s.shows(late, payment.CanceledState, 4200); !v.Superseded {
			s.t.Fatalf("the view is %+v", v)
		}
		if again, _ := s.creates(s.key(4200)); again.ID != current {
			s.t.Fatal("another payment is current")
		}
		if announced := s.announced(); announced["superseded.canceled"] != 1 || len(announced) != 1 {
			s.t.Fatalf("announced %v", announced)
		}
	},
	"a late success wins, and the open one is cancelled": func(s *shop) {
		late, current := twoPayable(s)
		s.becomes(late, payment.Succeeded)
		s.reads(late)
		if v := s.shows(late, payment.Paid, 4200); !v.Fulfillable || v.Superseded {
			s.t.Fatalf("the view is %+v", v)
		}
		if v := s.shows(current, payment.Pending, 4200); !v.Superseded {
			s.t.Fatalf("the view is %+v", v)
		}
		s.refuses(s.key(4200), payment.CodeOrderAlreadyPaid)
		_, err := s.svc.RefreshSession(s.t.Context(), service.Caller{Key: "test"}, current, nil)
		s.wantCode(err, payment.CodeInvalidState)
		s.runWorkers()
		s.atStripe(current, payment.Canceled, 4200)
		if announced := s.announced(); announced["order.paid"] != 1 || announced["superseded.canceled"] != 1 {
			s.t.Fatalf("announced %v", announced)
		}
	},
	"a second success is a duplicate": func(s *shop) {
		late, current := twoPayable(s)
		for _, id := range []payment.ID{late, current} {
			s.becomes(id, payment.Succeeded)
		}
		s.reads(current)
		s.reads(late)
		if v := s.shows(current, payment.Paid, 4200); !v.Fulfillable {
			s.t.Fatalf("the view is %+v", v)
		}
		if v := s.shows(late, payment.Paid, 4200); v.Fulfillable || v.FulfillableAt != nil ||
			*v.HoldReason != payment.HoldDuplicate {
			s.t.Fatalf("the view is %+v", v)
		}
		if announced := s.announced(); announced["order.paid"] != 1 || announced["order.duplicate_payment"] != 1 {
			s.t.Fatalf("announced %v", announced)
		}
		if whole := s.order(); view(s.t, whole.Payment).Payment != current {
			s.t.Fatalf("the order's payment is %s", whole.Payment)
		}
	},
}

// TestWinnerStories: the first successful payment wins its order, with any attempt number.
func TestWinnerStories(t *testing.T) {
	for name, story := range winnerStories {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			story(newShop(t))
		})
	}
}

// TestWinnerHealsAfterACrashAnywhere: the worker that reads a late success dies before or after each of its calls.
// Afterwards no other payment is returned, and the order is paid once.
func TestWinnerHealsAfterACrashAnywhere(t *testing.T) {
	for _, after := range []bool{false, true} {
		died := true
		for step := 1; died; step++ {
			t.Run(fmt.Sprintf("after=%v/call=%d", after, step), func(t *testing.T) {
				died = false
				s := newShop(t)
				late, current := twoPayable(s)
				s.becomes(late, payment.Succeeded)
				m := &crashing{Store: s.store, Stripe: s.gateway(), left: step, after: after}
				died = errors.Is(s.replica(m, m).Read(t.Context(), late), errDead)
				if opened, err := s.svc.Create(t.Context(), s.key(4200)); err == nil && opened.ID != current {
					t.Fatalf("returned %s, and %s is payable", opened.ID, current)
				} else if err != nil {
					s.wantCode(err, payment.CodeOrderAlreadyPaid)
				}
				s.reads(late)
				s.refuses(s.key(4200), payment.CodeOrderAlreadyPaid)
				s.runWorkers()
				s.atStripe(current, payment.Canceled, 4200)
				if announced := s.announced(); announced["order.paid"] != 1 || announced["superseded.canceled"] != 1 {
					t.Fatalf("announced %v", announced)
				}
			})
		}
	}
}

// TestFailureStories: too many failures of an order, over all its payments, close it.
func TestFailureStories(t *testing.T) {
	for name, story := range map[string]func(*shop){
		"over several payments": func(s *shop) {
			s.deliverTo(s.svc)
			first, _ := s.creates(s.token(1, 4200))
			s.confirm(first.ID, "pm_card_chargeDeclined")
			s.confirm(first.ID, "pm_card_chargeDeclined")
			s.drained()
			chf := s.token(2, 4200)
			chf.Terms.Currency = "chf"
			second, _ := s.creates(chf)
			s.confirm(second.ID, "pm_card_chargeDeclined")
			s.drained()
			if second.ID == first.ID || !s.order().Closed {
				s.t.Fatalf("the order is %+v", s.order())
			}
			s.refuses(chf, payment.CodeAttemptsExhausted)
			s.runWorkers()
			s.atStripe(second.ID, payment.Canceled, 4200)
			reopened := s.key(4200)
			reopened.Terms.Currency, reopened.Reopen = "chf", true
			third, _ := s.creates(reopened)
			s.confirm(third.ID, "pm_card_chargeDeclined")
			s.drained()
			if s.order().Closed {
				s.t.Fatal("the failures before the reopening count")
			}
		},
		"a late event of a superseded payment: the open payment is cancelled": func(s *shop) {
			first, _ := s.creates(s.token(1, 4200))
			for range 3 {
				s.confirm(first.ID, "pm_card_chargeDeclined")
			}
			late := s.events()
			chf := s.token(2, 4200)
			chf.Terms.Currency = "chf"
			second, _ := s.creates(chf)
			for _, event := range late {
				if _, err := s.svc.Webhook(s.t.Context(), event, signed(event, time.Now())); err != nil {
					s.t.Fatal(err)
				}
			}
			s.refuses(chf, payment.CodeAttemptsExhausted)
			s.runWorkers()
			s.atStripe(second.ID, payment.Canceled, 4200)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			s.svc.MaxFailures = 2
			story(s)
		})
	}
}
