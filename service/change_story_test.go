package service_test

import (
	"errors"
	"testing"
	"time"

	"kasse/service/payment"
)

// changeAmountStories change the amount of a payment.
var changeAmountStories = map[string]func(*shop){
	"it becomes the order's price, for every token so far": func(s *shop) {
		opened, v := s.creates(s.token(1, 4200))
		stored, err := s.svc.ChangeAmount(s.t.Context(), opened.ID, v.Version, 3900)
		if err != nil || view(s.t, stored.View).Amount != 3900 || stored.Version <= v.Version {
			s.t.Fatalf("got error %v, view %s", err, stored.View)
		}
		s.atStripe(opened.ID, payment.RequiresPaymentMethod, 3900)
		if again, v := s.creates(s.token(2, 4200)); again.ID != opened.ID || v.Amount != 3900 {
			s.t.Fatalf("the view is %+v", v)
		}
		s.refuses(s.key(4200), payment.CodeOrderConflict)
	},
	"of a failed payment: it is pending again": func(s *shop) {
		opened, _ := s.creates(s.key(4200))
		s.confirm(opened.ID, "pm_card_chargeDeclined")
		s.reads(opened.ID)
		failed := s.shows(opened.ID, payment.Failed, 4200)
		if _, err := s.svc.ChangeAmount(s.t.Context(), opened.ID, failed.Version, 5000); err != nil {
			s.t.Fatal(err)
		}
		s.shows(opened.ID, payment.Pending, 5000)
	},
	"of an older version: version_mismatch": func(s *shop) {
		opened, v := s.creates(s.key(4200))
		_, err := s.svc.ChangeAmount(s.t.Context(), opened.ID, v.Version-1, 3900)
		s.wantCode(err, payment.CodeVersionMismatch)
		s.atStripe(opened.ID, payment.RequiresPaymentMethod, 4200)
	},
	"in another state: invalid_state": func(s *shop) {
		opened, _ := s.creates(s.key(4200))
		s.becomes(opened.ID, payment.RequiresAction)
		s.reads(opened.ID)
		v := s.shows(opened.ID, payment.ActionRequired, 4200)
		_, err := s.svc.ChangeAmount(s.t.Context(), opened.ID, v.Version, 3900)
		s.wantCode(err, payment.CodeInvalidState)
	},
	"the customer pays first: invalid_state with the current view": func(s *shop) {
		opened, v := s.creates(s.token(1, 4200))
		s.faultyStripe.beforeUpdate = func() { s.becomes(opened.ID, payment.Processing) }
		_, err := s.svc.ChangeAmount(s.t.Context(), opened.ID, v.Version, 3900)
		if e := s.wantCode(err, payment.CodeInvalidState); view(s.t, e.Payment).State != payment.InProgress {
			s.t.Fatalf("the error has the payment %s", e.Payment)
		}
		s.becomes(opened.ID, payment.Succeeded)
		s.reads(opened.ID)
		if v := s.shows(opened.ID, payment.Paid, 4200); !v.Fulfillable {
			s.t.Fatalf("the price was not changed: %+v", v)
		}
	},
	"the customer has paid the old price: held": func(s *shop) {
		opened, v := s.creates(s.token(1, 4200))
		s.noAnswer(setsAmount, false)
		_, err := s.svc.ChangeAmount(s.t.Context(), opened.ID, v.Version, 5000)
		s.wantCode(err, payment.CodeStripeUnavailable)
		s.becomes(opened.ID, payment.Succeeded)
		s.reads(opened.ID)
		if v := s.shows(opened.ID, payment.Paid, 4200); v.HoldReason == nil || *v.HoldReason != payment.HoldAmount {
			s.t.Fatalf("the view is %+v", v)
		}
	},
	"the lease is lost during the call to Stripe: an error with the current view": func(s *shop) {
		opened, v := s.creates(s.token(1, 4200))
		s.faultyStripe.afterUpdate = func() {
			s.pass(time.Minute)
			chf := s.token(s.now(), 4200)
			chf.Terms.Currency = "chf"
			if _, err := s.replica(s.store, s.gateway()).Create(s.t.Context(), chf); err != nil {
				s.t.Error(err)
			}
		}
		_, err := s.svc.ChangeAmount(s.t.Context(), opened.ID, v.Version, 3900)
		if e := s.wantCode(err, payment.CodeVersionMismatch); view(s.t, e.Payment).State != payment.CanceledState {
			s.t.Fatalf("the error has the payment %s", e.Payment)
		}
	},
	"no answer: it becomes the order's price, and the next create applies it": func(s *shop) {
		for _, after := range []bool{false, true} {
			amount := int64(3900)
			if after {
				amount = 3800
			}
			opened, v := s.creates(s.token(1, 4200))
			s.noAnswer(setsAmount, after)
			_, err := s.svc.ChangeAmount(s.t.Context(), opened.ID, v.Version, amount)
			s.wantCode(err, payment.CodeStripeUnavailable)
			s.sim.ClearFaults()
			if again, v := s.creates(s.token(1, 4200)); again.ID != opened.ID || v.Amount != amount {
				s.t.Fatalf("the view is %+v", v)
			}
		}
	},
	"refused by Stripe: the former price stays": func(s *shop) {
		opened, v := s.creates(s.token(1, 4200))
		between := time.Now().Add(-time.Minute).UnixMilli()
		_, err := s.svc.ChangeAmount(s.t.Context(), opened.ID, v.Version, 10)
		s.wantCode(err, payment.CodeAmountOutOfRange)
		if _, v := s.creates(s.token(1, 4200)); v.Amount != 4200 {
			s.t.Fatalf("the view is %+v", v)
		}
		if _, v := s.creates(s.token(between, 3900)); v.Amount != 3900 {
			s.t.Fatalf("a token older than the refusal: %+v", v)
		}
	},
}

// TestChangeAmountStories: a backend sets the price of an open order.
func TestChangeAmountStories(t *testing.T) {
	for name, story := range changeAmountStories {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			story(newShop(t))
		})
	}
}

// cancelStories cancel a payment.
var cancelStories = map[string]func(*shop){
	"closes the order, once": func(s *shop) {
		opened, _ := s.creates(s.key(4200))
		for range 2 {
			stored, err := s.svc.Cancel(s.t.Context(), opened.ID, "requested_by_customer")
			if err != nil || view(s.t, stored.View).State != payment.CanceledState {
				s.t.Fatalf("got error %v, view %s", err, stored.View)
			}
		}
		s.atStripe(opened.ID, payment.Canceled, 4200)
		s.refuses(s.token(9, 4200), payment.CodeOrderClosed)
		s.refuses(s.key(4200), payment.CodeOrderClosed)
		if whole := s.order(); !whole.Closed || view(s.t, whole.Payment).Payment != opened.ID {
			s.t.Fatalf("the order is %+v", whole)
		}
	},
	"reopened by a service key: the next attempt": func(s *shop) {
		opened, _ := s.creates(s.key(4200))
		if _, err := s.svc.Cancel(s.t.Context(), opened.ID, ""); err != nil {
			s.t.Fatal(err)
		}
		again := s.key(4200)
		again.Reopen = true
		second, v := s.creates(again)
		if second.ID == opened.ID || v.Attempt != 2 || s.order().Closed || len(s.payable()) != 1 {
			s.t.Fatalf("the view is %+v", v)
		}
		s.creates(s.token(1, 4200))
	},
	"no answer: closed at once, and the worker cancels": func(s *shop) {
		opened, _ := s.creates(s.key(4200))
		s.noAnswer(cancelsPayment, false)
		_, err := s.svc.Cancel(s.t.Context(), opened.ID, "")
		s.wantCode(err, payment.CodeStripeUnavailable)
		s.refuses(s.token(9, 4200), payment.CodeOrderClosed)
		s.sim.ClearFaults()
		s.runWorkers()
		s.atStripe(opened.ID, payment.Canceled, 4200)
		s.shows(opened.ID, payment.CanceledState, 4200)
	},
	"no answer, then reopened: cancelled before the next attempt": func(s *shop) {
		opened, _ := s.creates(s.key(4200))
		s.noAnswer(cancelsPayment, false)
		_, err := s.svc.Cancel(s.t.Context(), opened.ID, "")
		s.wantCode(err, payment.CodeStripeUnavailable)
		s.sim.ClearFaults()
		again := s.key(4200)
		again.Reopen = true
		if second, _ := s.creates(again); second.ID == opened.ID || len(s.payable()) != 1 {
			s.t.Fatalf("payable at Stripe: %v", s.payable())
		}
	},
	"the payment is processing meanwhile: invalid_state, and the order stays open": func(s *shop) {
		opened, _ := s.creates(s.key(4200))
		s.faultyStripe.beforeCancel = func() { s.becomes(opened.ID, payment.Processing) }
		_, err := s.svc.Cancel(s.t.Context(), opened.ID, "")
		if e := s.wantCode(err, payment.CodeInvalidState); view(s.t, e.Payment).State != payment.InProgress {
			s.t.Fatalf("the error has the payment %s", e.Payment)
		}
		if s.order().Closed {
			s.t.Fatal("the order is closed")
		}
		s.becomes(opened.ID, payment.RequiresPaymentMethod)
		s.pass(3 * time.Second)
		s.reads(opened.ID)
		if again, _ := s.creates(s.key(4200)); again.ID != opened.ID {
			s.t.Fatal("the payment was abandoned")
		}
	},
	"paid: invalid_state": func(s *shop) {
		opened, _ := s.creates(s.key(4200))
		s.faultyStripe.beforeCancel = func() { s.becomes(opened.ID, payment.Succeeded) }
		for range 2 {
			_, err := s.svc.Cancel(s.t.Context(), opened.ID, "")
			s.wantCode(err, payment.CodeInvalidState)
		}
		if v := s.shows(opened.ID, payment.Paid, 4200); !v.Fulfillable || s.order().Closed {
			s.t.Fatalf("the view is %+v", v)
		}
	},
	"of a superseded payment: invalid_state": func(s *shop) {
		first, _ := s.creates(s.key(4200))
		s.stripeCancels(first.ID)
		s.creates(s.key(4200))
		_, err := s.svc.Cancel(s.t.Context(), first.ID, "")
		s.wantCode(err, payment.CodeInvalidState)
	},
	"cancelled by Stripe, then by the backend: closed": func(s *shop) {
		opened, _ := s.creates(s.key(4200))
		s.stripeCancels(opened.ID)
		s.reads(opened.ID)
		if _, err := s.svc.Cancel(s.t.Context(), opened.ID, ""); err != nil || !s.order().Closed {
			s.t.Fatal(err)
		}
	},
	"a reason that Stripe does not know": func(s *shop) {
		_, err := s.svc.Cancel(s.t.Context(), "pi_1", "bored")
		if e := new(payment.Error); !errors.As(err, &e) || e.Code != payment.CodeInvalidRequest ||
			len(e.Fields) != 1 {
			s.t.Fatal(err)
		}
	},
}

// TestCancelStories: a backend cancels an order, and may reopen it.
func TestCancelStories(t *testing.T) {
	for name, story := range cancelStories {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			story(newShop(t))
		})
	}
}
