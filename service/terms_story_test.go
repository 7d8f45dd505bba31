package service_test

import (
	"testing"
	"time"

	"kasse/service/payment"
)

var termsStories = map[string]func(*shop){
	"a younger token sets the price": func(s *shop) {
		for rev, amount := range []int64{4200, 3900, 5100, 900, 1000} {
			s.creates(s.token(int64(rev+1), amount))
		}
		opened, v := s.creates(s.token(9, 10_000))
		if v.Amount != 10_000 || v.Attempt != 1 || len(s.payable()) != 1 {
			s.t.Fatalf("%+v", v)
		}
		s.atStripe(opened.ID, payment.RequiresPaymentMethod, 10_000)
	},
	"an older one, and one of the same age, pay today's": func(s *shop) {
		opened, _ := s.creates(s.token(5, 4200))
		for _, r := range []payment.CreateRequest{s.token(4, 100), s.token(5, 100)} {
			again, v := s.creates(r)
			if again.ID != opened.ID || v.Amount != 4200 {
				s.t.Fatalf("%+v", v)
			}
		}
		s.atStripe(opened.ID, payment.RequiresPaymentMethod, 4200)
	},
	"minting sets the price, before anybody presents the token": func(s *shop) {
		opened, _ := s.creates(s.token(1, 4200))
		rev, err := s.svc.RecordTerms(s.t.Context(), s.key(5000))
		if err != nil || rev <= 1 {
			s.t.Fatal(rev, err)
		}
		if again, v := s.creates(s.token(2, 4200)); again.ID != opened.ID || v.Amount != 5000 {
			s.t.Fatalf("%+v", v)
		}
		if _, v := s.creates(s.token(rev, 5000)); v.Amount != 5000 {
			s.t.Fatalf("%+v", v)
		}
	},
	"a key's create is of this moment": func(s *shop) {
		s.creates(s.token(1, 4200))
		s.creates(s.key(4200))
		before := time.Now().Add(-time.Minute).UnixMilli()
		if _, v := s.creates(s.token(before, 100)); v.Amount != 4200 {
			s.t.Fatalf("%+v", v)
		}
		s.refuses(s.key(100), payment.CodeOrderConflict)
	},
	"a token of another customer": func(s *shop) {
		s.creates(s.token(5, 4200))
		older, other := s.token(4, 4200), s.serviceEnv.customer()
		older.Terms.Customer = other
		s.refuses(older, payment.CodeOrderConflict)
		older.Terms.Customer = ""
		s.refuses(older, payment.CodeOrderConflict)
	},
	"a younger token may bring another customer: the next attempt": func(s *shop) {
		first, _ := s.creates(s.token(5, 4200))
		younger := s.token(6, 4200)
		younger.Terms.Customer = s.serviceEnv.customer()
		second, v := s.creates(younger)
		if second.ID == first.ID || v.Customer == nil || *v.Customer != younger.Terms.Customer {
			s.t.Fatalf("%+v", v)
		}
		s.refuses(s.token(5, 4200), payment.CodeOrderConflict)
	},
	"presented while a payment is on its way, they count all the same": func(s *shop) {
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
			s.t.Fatalf("%+v", v)
		}
		if announced := s.announced(); announced["order.held"] != 1 || announced["order.paid"] != 0 {
			s.t.Fatal(announced)
		}
	},
	"once won they are frozen": func(s *shop) {
		opened, _ := s.creates(s.token(1, 4200))
		s.becomes(opened.ID, payment.Succeeded)
		s.reads(opened.ID)
		if _, err := s.svc.RecordTerms(s.t.Context(), s.key(100)); err != nil {
			s.t.Fatal(err)
		}
		if e := s.refuses(
			s.token(9, 100), payment.CodeOrderAlreadyPaid,
		); view(s.t, e.Payment).State != payment.Paid {
			s.t.Fatalf("%s", e.Payment)
		}
		if v := s.shows(opened.ID, payment.Paid, 4200); !v.Fulfillable {
			s.t.Fatalf("%+v", v)
		}
	},
	"once closed too": func(s *shop) {
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
			s.t.Fatalf("%+v", v)
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

// dearer is a create with a newer token and a higher amount.
func (s *shop) dearer() payment.CreateRequest { return s.token(2, 5000) }

var cancelFirstStories = map[string]func(*shop){
	"in another state than requires_payment_method": func(s *shop) {
		first, _ := s.creates(s.token(1, 4200))
		s.becomes(first.ID, payment.RequiresAction)
		second, v := s.creates(s.dearer())
		if second.ID == first.ID || v.Attempt != 2 || v.Amount != 5000 || s.sim.Count(setsAmount) != 0 {
			s.t.Fatalf("%+v", v)
		}
		s.atStripe(first.ID, payment.Canceled, 4200)
		if v := s.shows(first.ID, payment.CanceledState, 4200); !v.Superseded {
			s.t.Fatalf("%+v", v)
		}
	},
	"another currency": func(s *shop) {
		first, _ := s.creates(s.token(1, 4200))
		r := s.token(2, 4200)
		r.Terms.Currency = "chf"
		second, v := s.creates(r)
		if second.ID == first.ID || v.Currency != "chf" || len(s.payable()) != 1 {
			s.t.Fatalf("%+v", v)
		}
	},
	"the customer is faster than the cancel": func(s *shop) {
		first, _ := s.creates(s.token(1, 4200))
		s.becomes(first.ID, payment.RequiresAction)
		s.faultyStripe.beforeCancel = func() { s.becomes(first.ID, payment.Succeeded) }
		if e := s.refuses(s.dearer(), payment.CodeOrderAlreadyPaid); view(s.t, e.Payment).Payment != first.ID {
			s.t.Fatalf("%s", e.Payment)
		}
		if v := s.shows(first.ID, payment.Paid, 4200); *v.HoldReason != payment.HoldAmount {
			s.t.Fatalf("%+v", v)
		}
	},
	"or has a debit under way by then": func(s *shop) {
		first, _ := s.creates(s.token(1, 4200))
		r := s.dearer()
		r.Terms.Currency = "chf"
		s.faultyStripe.beforeCancel = func() { s.becomes(first.ID, payment.Processing) }
		if e := s.refuses(r, payment.CodePaymentInProgress); view(s.t, e.Payment).State != payment.InProgress {
			s.t.Fatalf("%s", e.Payment)
		}
	},
	"no answer: the order keeps its attempt": func(s *shop) {
		first, _ := s.creates(s.token(1, 4200))
		s.becomes(first.ID, payment.RequiresAction)
		s.noAnswer(cancelsPayment, false)
		s.refuses(s.dearer(), payment.CodeStripeUnavailable)
		if payable := s.payable(); len(payable) != 1 || payable[0] != first.ID {
			s.t.Fatal(payable)
		}
		s.sim.ClearFaults()
		if second, v := s.creates(s.token(1, 4200)); second.ID == first.ID || v.Amount != 5000 {
			s.t.Fatalf("%+v", v)
		}
	},
	"cancelled, and the answer lost: the next try sees it": func(s *shop) {
		first, _ := s.creates(s.token(1, 4200))
		s.becomes(first.ID, payment.RequiresAction)
		s.noAnswer(cancelsPayment, true)
		s.refuses(s.dearer(), payment.CodeStripeUnavailable)
		if second, v := s.creates(s.dearer()); second.ID == first.ID || v.Attempt != 2 {
			s.t.Fatalf("%+v", v)
		}
	},
	"no answer in time: stripe_timeout": func(s *shop) {
		first, _ := s.creates(s.token(1, 4200))
		s.becomes(first.ID, payment.RequiresAction)
		hasty := s.gateway()
		hasty.Timeout = 200 * time.Millisecond
		s.faultyStripe.Stripe = hasty
		s.noAnswerInTime(cancelsPayment)
		s.refuses(s.dearer(), payment.CodeStripeTimeout)
		if payable := s.payable(); len(payable) != 1 || payable[0] != first.ID {
			s.t.Fatal(payable)
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
