package service_test

import (
	"testing"
	"time"

	"kasse/service/payment"
)

// termsStories change the terms of an order.
var termsStories = map[string]func(*shop){
	"a newer token sets the price": func(s *shop) {
		for rev, amount := range []int64{4200, 3900, 5100, 900, 1000} {
			s.creates(s.token(int64(rev+1), amount))
		}
		opened, v := s.creates(s.token(9, 10_000))
		if v.Amount != 10_000 || v.Attempt != 1 || len(s.payable()) != 1 {
			s.t.Fatalf("the view is %+v", v)
		}
		s.atStripe(opened.ID, payment.RequiresPaymentMethod, 10_000)
	},
	"an older token, and one of the same age, get the current price": func(s *shop) {
		opened, _ := s.creates(s.token(5, 4200))
		for _, r := range []payment.CreateRequest{s.token(4, 100), s.token(5, 100)} {
			again, v := s.creates(r)
			if again.ID != opened.ID || v.Amount != 4200 {
				s.t.Fatalf("the view is %+v", v)
			}
		}
		s.atStripe(opened.ID, payment.RequiresPaymentMethod, 4200)
	},
	"minting sets the price, before the token is presented": func(s *shop) {
		opened, _ := s.creates(s.token(1, 4200))
		rev, err := s.svc.RecordTerms(s.t.Context(), s.key(5000))
		if err != nil || rev <= 1 {
			s.t.Fatalf("got rev %d, %v", rev, err)
		}
		if again, v := s.creates(s.token(2, 4200)); again.ID != opened.ID || v.Amount != 5000 {
			s.t.Fatalf("the view is %+v", v)
		}
		if _, v := s.creates(s.token(rev, 5000)); v.Amount != 5000 {
			s.t.Fatalf("the view is %+v", v)
		}
	},
	"the terms of a create by a key are of the present": func(s *shop) {
		s.creates(s.token(1, 4200))
		s.creates(s.key(4200))
		before := time.Now().Add(-time.Minute).UnixMilli()
		if _, v := s.creates(s.token(before, 100)); v.Amount != 4200 {
			s.t.Fatalf("the view is %+v", v)
		}
		s.refuses(s.key(100), payment.CodeOrderConflict)
	},
	"an older token of another customer: order_conflict": func(s *shop) {
		s.creates(s.token(5, 4200))
		older, other := s.token(4, 4200), s.serviceEnv.customer()
		older.Terms.Customer = other
		s.refuses(older, payment.CodeOrderConflict)
		older.Terms.Customer = ""
		s.refuses(older, payment.CodeOrderConflict)
	},
	"a newer token of another customer: the next attempt": func(s *shop) {
		first, _ := s.creates(s.token(5, 4200))
		newer := s.token(6, 4200)
		newer.Terms.Customer = s.serviceEnv.customer()
		second, v := s.creates(newer)
		if second.ID == first.ID || v.Customer == nil || *v.Customer != newer.Terms.Customer {
			s.t.Fatalf("the view is %+v", v)
		}
		s.refuses(s.token(5, 4200), payment.CodeOrderConflict)
	},
	"new terms count although a payment is processing": func(s *shop) {
		s.deliverTo(s.svc)
		opened, _ := s.creates(s.token(1, 4200))
		s.becomes(opened.ID, payment.Processing)
		s.drained()
		s.refuses(s.token(2, 5000), payment.CodePaymentInProgress)
		if err := s.sim.Settle(string(opened.ID), true); err != nil {
			s.t.Fatal(err)
		}
		s.drained()
		if v := s.shows(opened.ID, payment.Paid, 4200); v.Fulfillable || *v.HoldReason != payment.HoldAmount {
			s.t.Fatalf("the view is %+v", v)
		}
		if announced := s.announced(); announced["order.held"] != 1 || announced["order.paid"] != 0 {
			s.t.Fatalf("announced %v", announced)
		}
	},
	"a won order keeps its terms": func(s *shop) {
		opened, _ := s.creates(s.token(1, 4200))
		s.becomes(opened.ID, payment.Succeeded)
		s.reads(opened.ID)
		if _, err := s.svc.RecordTerms(s.t.Context(), s.key(100)); err != nil {
			s.t.Fatal(err)
		}
		e := s.refuses(s.token(9, 100), payment.CodeOrderAlreadyPaid)
		if view(s.t, e.Payment).State != payment.Paid {
			s.t.Fatalf("the error has the payment %s", e.Payment)
		}
		if v := s.shows(opened.ID, payment.Paid, 4200); !v.Fulfillable {
			s.t.Fatalf("the view is %+v", v)
		}
	},
	"a closed order keeps its terms": func(s *shop) {
		opened, _ := s.creates(s.token(1, 4200))
		if _, err := s.svc.Cancel(s.t.Context(), opened.ID, ""); err != nil {
			s.t.Fatal(err)
		}
		if _, err := s.svc.RecordTerms(s.t.Context(), s.key(100)); err != nil {
			s.t.Fatal(err)
		}
		s.refuses(s.token(9, 100), payment.CodeOrderClosed)
		again := s.key(4200)
		again.Reopen = true
		if _, v := s.creates(again); v.Amount != 4200 || v.Attempt != 2 {
			s.t.Fatalf("the view is %+v", v)
		}
	},
}

// TestTermsStories: the terms with the highest rev win for every caller, and the payment follows them.
func TestTermsStories(t *testing.T) {
	for name, story := range termsStories {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			story(newShop(t))
		})
	}
}

// higher returns a create with a newer token and a higher amount.
func (s *shop) higher() payment.CreateRequest { return s.token(2, 5000) }

// cancelFirstStories change terms that an update cannot change.
var cancelFirstStories = map[string]func(*shop){
	"a state other than requires_payment_method": func(s *shop) {
		first, _ := s.creates(s.token(1, 4200))
		s.becomes(first.ID, payment.RequiresAction)
		second, v := s.creates(s.higher())
		if second.ID == first.ID || v.Attempt != 2 || v.Amount != 5000 || s.sim.Count(setsAmount) != 0 {
			s.t.Fatalf("the view is %+v", v)
		}
		s.atStripe(first.ID, payment.Canceled, 4200)
		if v := s.shows(first.ID, payment.CanceledState, 4200); !v.Superseded {
			s.t.Fatalf("the view is %+v", v)
		}
	},
	"another currency": func(s *shop) {
		first, _ := s.creates(s.token(1, 4200))
		r := s.token(2, 4200)
		r.Terms.Currency = "chf"
		second, v := s.creates(r)
		if second.ID == first.ID || v.Currency != "chf" || len(s.payable()) != 1 {
			s.t.Fatalf("the view is %+v", v)
		}
	},
	"the customer pays before the cancel: order_already_paid": func(s *shop) {
		first, _ := s.creates(s.token(1, 4200))
		s.becomes(first.ID, payment.RequiresAction)
		s.faultyStripe.beforeCancel = func() { s.becomes(first.ID, payment.Succeeded) }
		if e := s.refuses(s.higher(), payment.CodeOrderAlreadyPaid); view(s.t, e.Payment).Payment != first.ID {
			s.t.Fatalf("the error has the payment %s", e.Payment)
		}
		if v := s.shows(first.ID, payment.Paid, 4200); *v.HoldReason != payment.HoldAmount {
			s.t.Fatalf("the view is %+v", v)
		}
	},
	"a debit is processing before the cancel: payment_in_progress": func(s *shop) {
		first, _ := s.creates(s.token(1, 4200))
		r := s.higher()
		r.Terms.Currency = "chf"
		s.faultyStripe.beforeCancel = func() { s.becomes(first.ID, payment.Processing) }
		if e := s.refuses(r, payment.CodePaymentInProgress); view(s.t, e.Payment).State != payment.InProgress {
			s.t.Fatalf("the error has the payment %s", e.Payment)
		}
	},
	"no answer: the order keeps its attempt": func(s *shop) {
		first, _ := s.creates(s.token(1, 4200))
		s.becomes(first.ID, payment.RequiresAction)
		s.noAnswer(cancelsPayment, false)
		s.refuses(s.higher(), payment.CodeStripeUnavailable)
		if payable := s.payable(); len(payable) != 1 || payable[0] != first.ID {
			s.t.Fatalf("payable at Stripe: %v", payable)
		}
		s.sim.ClearFaults()
		if second, v := s.creates(s.token(1, 4200)); second.ID == first.ID || v.Amount != 5000 {
			s.t.Fatalf("the view is %+v", v)
		}
	},
	"canceled, and the answer is lost: the next try reads it": func(s *shop) {
		first, _ := s.creates(s.token(1, 4200))
		s.becomes(first.ID, payment.RequiresAction)
		s.noAnswer(cancelsPayment, true)
		s.refuses(s.higher(), payment.CodeStripeUnavailable)
		if second, v := s.creates(s.higher()); second.ID == first.ID || v.Attempt != 2 {
			s.t.Fatalf("the view is %+v", v)
		}
	},
	"no answer in time: stripe_timeout": func(s *shop) {
		first, _ := s.creates(s.token(1, 4200))
		s.becomes(first.ID, payment.RequiresAction)
		gateway := s.gateway()
		gateway.Timeout = 200 * time.Millisecond
		s.faultyStripe.Stripe = gateway
		s.noAnswerInTime(cancelsPayment)
		s.refuses(s.higher(), payment.CodeStripeTimeout)
		if payable := s.payable(); len(payable) != 1 || payable[0] != first.ID {
			s.t.Fatalf("payable at Stripe: %v", payable)
		}
	},
}

// TestTermsCancelFirst: if an update is not possible, the next attempt opens after Stripe has confirmed the
// cancellation.
func TestTermsCancelFirst(t *testing.T) {
	for name, story := range cancelFirstStories {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			story(newShop(t))
		})
	}
}
