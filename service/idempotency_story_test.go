package service_test

import (
	"testing"
	"time"

	"kasse/service"
	"kasse/service/payment"
	"kasse/service/stripe/stripesim"
)

// forms returns the bodies of the creates that Stripe received, and their idempotency keys.
func (s *shop) forms() (bodies, keys []string) {
	for _, r := range s.sim.Requests() {
		if r.Endpoint == makesPayment {
			bodies, keys = append(bodies, r.Body), append(keys, r.IdempotencyKey)
		}
	}
	return bodies, keys
}

// failsAtStripe makes a create fail with 500, before or after Stripe has created the payment. The SDK's retry
// gets the stored 500.
func (s *shop) failsAtStripe(after bool) {
	s.t.Helper()
	s.fails(stripesim.Fault{Endpoint: makesPayment, Kind: stripesim.ServerError, After: after})
	s.refuses(s.key(4200), payment.CodeStripeError)
}

// unanswered drops the request or the response of a create: before or after Stripe has created the payment.
func (s *shop) unanswered(after bool) {
	s.t.Helper()
	s.noAnswer(makesPayment, after)
	s.refuses(s.token(1, 4200), payment.CodeStripeUnavailable)
	s.sim.ClearFaults()
}

// idempotencyStories repeat a create whose result is not known.
var idempotencyStories = map[string]func(*shop){
	"no answer: the same form again, also for another price": func(s *shop) {
		s.unanswered(true)
		opened, v := s.creates(s.token(2, 5000))
		if v.Attempt != 1 || v.Amount != 5000 || len(s.payable()) != 1 {
			s.t.Fatalf("the view is %+v", v)
		}
		s.atStripe(opened.ID, payment.RequiresPaymentMethod, 5000)
		bodies, keys := s.forms()
		for i := range bodies {
			if bodies[i] != bodies[0] || keys[i] != "kasse:kasse:order-1:1" {
				s.t.Fatalf("sent the forms %v with the keys %v", bodies, keys)
			}
		}
	},
	"rate limited: sent again": func(s *shop) {
		s.fails(stripesim.Fault{Endpoint: makesPayment, Kind: stripesim.RateLimited})
		s.refuses(s.key(4200), payment.CodeStripeRateLimited)
		if _, v := s.creates(s.key(4200)); v.Attempt != 1 {
			s.t.Fatalf("the view is %+v", v)
		}
	},
	"rate limited, and then other terms: the next attempt at once": func(s *shop) {
		s.fails(stripesim.Fault{Endpoint: makesPayment, Kind: stripesim.RateLimited})
		s.refuses(s.token(1, 10), payment.CodeStripeRateLimited)
		if _, v := s.creates(s.token(2, 4200)); v.Attempt != 2 || v.Amount != 4200 {
			s.t.Fatalf("the view is %+v", v)
		}
		s.refuses(s.key(10), payment.CodeOrderConflict)
	},
	"a replayed failure, and the payment exists: found in the list": func(s *shop) {
		s.failsAtStripe(true)
		made := s.payable()
		opened, v := s.creates(s.key(4200))
		if len(made) != 1 || opened.ID != made[0] || v.Attempt != 1 || s.sim.Count(listsPayments) == 0 {
			s.t.Fatalf("Stripe has %v, the view is %+v", made, v)
		}
	},
	"a replayed failure without a payment: the next attempt, a minute later": func(s *shop) {
		s.failsAtStripe(false)
		if e := s.refuses(s.key(4200), payment.CodeStripeUnavailable); e.RetryAfter != time.Minute {
			s.t.Fatalf("retry after %s, want a minute", e.RetryAfter)
		}
		s.pass(61 * time.Second)
		opened, v := s.creates(s.key(4200))
		if payable := s.payable(); v.Attempt != 2 || len(payable) != 1 || payable[0] != opened.ID {
			s.t.Fatalf("payable at Stripe: %v; the view is %+v", payable, v)
		}
	},
	"unknown for a day, and the payment exists: found in the list": func(s *shop) {
		s.unanswered(true)
		made := s.payable()
		s.pass(25 * time.Hour)
		opened, v := s.creates(s.key(4200))
		if len(made) != 1 || opened.ID != made[0] || v.Attempt != 1 || len(s.payable()) != 1 {
			s.t.Fatalf("Stripe has %v, the view is %+v", made, v)
		}
	},
	"unknown for a day, without a payment: the next attempt": func(s *shop) {
		s.unanswered(false)
		s.pass(25 * time.Hour)
		if _, v := s.creates(s.key(4200)); v.Attempt != 2 || len(s.payable()) != 1 {
			s.t.Fatalf("the view is %+v", v)
		}
	},
	"the lease is lost during the call to Stripe: the new holder's payment": func(s *shop) {
		other := s.replica(s.store, s.gateway())
		var taken service.Opened
		s.faultyStripe.beforeOpen = func() {
			s.pass(time.Minute)
			var err error
			if taken, err = other.Create(s.t.Context(), s.token(2, 5000)); err != nil {
				s.t.Error(err)
			}
		}
		opened, v := s.creates(s.token(1, 4200))
		if opened.ID != taken.ID || opened.New || v.Amount != 5000 || len(s.payable()) != 1 {
			s.t.Fatalf("%s after %s: %+v", opened.ID, taken.ID, v)
		}
		s.atStripe(opened.ID, payment.RequiresPaymentMethod, 5000)
	},
	"the lease is lost, and the order is closed meanwhile: order_closed": func(s *shop) {
		other := s.replica(s.store, s.gateway())
		s.faultyStripe.beforeOpen = func() {
			s.pass(time.Minute)
			taken, err := other.Create(s.t.Context(), s.token(1, 4200))
			if err != nil {
				s.t.Error(err)
			}
			if _, err := other.Cancel(s.t.Context(), taken.ID, ""); err != nil {
				s.t.Error(err)
			}
		}
		s.refuses(s.token(1, 4200), payment.CodeOrderClosed)
		if payable := s.payable(); len(payable) != 0 {
			s.t.Fatalf("payable at Stripe: %v", payable)
		}
	},
	"a token is minted during the call to Stripe: its price": func(s *shop) {
		s.faultyStripe.beforeOpen = func() {
			if _, err := s.svc.RecordTerms(s.t.Context(), s.key(5000)); err != nil {
				s.t.Error(err)
			}
		}
		opened, v := s.creates(s.token(1, 4200))
		if v.Amount != 5000 {
			s.t.Fatalf("the view is %+v", v)
		}
		s.atStripe(opened.ID, payment.RequiresPaymentMethod, 5000)
	},
}

// TestIdempotencyStories: an attempt's form is repeated until its result is known.
func TestIdempotencyStories(t *testing.T) {
	for name, story := range idempotencyStories {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			story(newShop(t))
		})
	}
}
