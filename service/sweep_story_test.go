package service_test

import (
	"context"
	"testing"
	"time"

	"kasse/service/payment"
)

// sweeps runs the sweep until nothing is due, and returns how many payments it read.
func (s *shop) sweeps() int {
	s.t.Helper()
	read, err := s.svc.SweepDue(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return read
}

// sweepStories sweep running payments.
var sweepStories = map[string]func(*shop){
	"a payment without an event is read": func(s *shop) {
		opened, _ := s.creates(s.key(4200))
		s.becomes(opened.ID, payment.Succeeded)
		if s.sweeps() != 0 {
			s.t.Fatal("a payment was swept before it was due")
		}
		s.pass(16 * time.Minute)
		s.sweeps()
		s.shows(opened.ID, payment.Paid, 4200)
		s.pass(48 * time.Hour)
		if s.sweeps() != 0 {
			s.t.Fatal("a final payment is read again")
		}
	},
	"a payment that does not change is read at growing intervals": func(s *shop) {
		s.creates(s.key(4200))
		read := 0
		for range 70 {
			s.pass(time.Minute)
			read += s.sweeps()
		}
		if read != 3 {
			s.t.Fatalf("read %d times in 70 minutes, want after about 15, 30 and 60", read)
		}
	},
	"a payment in authentication is read within minutes": func(s *shop) {
		opened, _ := s.creates(s.key(4200))
		s.becomes(opened.ID, payment.RequiresAction)
		s.reads(opened.ID)
		s.becomes(opened.ID, payment.Succeeded)
		s.pass(2*time.Minute + time.Second)
		s.sweeps()
		s.shows(opened.ID, payment.Paid, 4200)
	},
	"an unpaid payment is abandoned, and the order stays open": func(s *shop) {
		s.svc.AbandonAfter = 168 * time.Hour
		opened, _ := s.creates(s.key(4200))
		for range 7 {
			s.shows(opened.ID, payment.Pending, 4200)
			s.pass(24*time.Hour + time.Second)
			s.sweeps()
		}
		s.shows(opened.ID, payment.CanceledState, 4200)
		found := s.ask("GET", "/v1/payment_intents/"+string(opened.ID), nil)
		if reason := found["cancellation_reason"]; reason != "abandoned" {
			s.t.Fatalf("the cancellation reason is %v, want abandoned", reason)
		}
		if s.order().Closed {
			s.t.Fatal("the order is closed")
		}
		if _, next := s.creates(s.key(4200)); next.Attempt != 2 || next.State != payment.Pending {
			s.t.Fatalf("the next create: %+v", next)
		}
	},
	"without AbandonAfter an unpaid payment stays": func(s *shop) {
		opened, _ := s.creates(s.key(4200))
		for range 20 {
			s.pass(24*time.Hour + time.Second)
			s.sweeps()
		}
		s.shows(opened.ID, payment.Pending, 4200)
	},
	"a payment that is paid just before it is abandoned": func(s *shop) {
		s.svc.AbandonAfter = time.Hour
		opened, _ := s.creates(s.key(4200))
		s.pass(time.Hour + time.Second)
		s.faultyStripe.beforeCancel = func() { s.becomes(opened.ID, payment.Succeeded) }
		s.sweeps()
		if v := s.shows(opened.ID, payment.Paid, 4200); !v.Fulfillable {
			s.t.Fatalf("the view is %+v", v)
		}
	},
	"an authorized payment is never abandoned": func(s *shop) {
		s.svc.AbandonAfter = time.Hour
		opened, _ := s.creates(s.key(4200))
		s.becomes(opened.ID, payment.RequiresCapture)
		s.reads(opened.ID)
		s.pass(2 * time.Hour)
		s.sweeps()
		s.atStripe(opened.ID, payment.RequiresCapture, 4200)
	},
	"the payment of a closed order is canceled": func(s *shop) {
		opened, _ := s.creates(s.key(4200))
		o, now, err := s.store.LoadOrder(s.t.Context(), payment.Ref{Order: "order-1"})
		if err != nil {
			s.t.Fatal(err)
		}
		o.Rules.MaxFailures = 10
		closed, changes := o.Apply(payment.OrderClosed{Why: payment.ClosedByCancel}, now)
		changes.Reads = nil // as if the queue had lost it
		if _, err := s.store.SaveOrder(s.t.Context(), closed, changes); err != nil {
			s.t.Fatal(err)
		}
		s.pass(16 * time.Minute)
		s.sweeps()
		s.runWorkers()
		s.shows(opened.ID, payment.CanceledState, 4200)
		s.atStripe(opened.ID, payment.Canceled, 4200)
	},
	"an order whose payments were all canceled expires, and its pointers expire later": func(s *shop) {
		first, _ := s.creates(s.key(4200))
		s.stripeCancels(first.ID)
		s.reads(first.ID)
		pointer, order := s.expiry("pi:"+string(first.ID)), s.expiry("order:order-1")
		if order == 0 || pointer <= order {
			s.t.Fatalf("the pointer expires in %s, the order in %s", pointer, order)
		}
		second, _ := s.creates(s.key(4200))
		if s.expiry("order:order-1") != 0 {
			s.t.Fatal("an open order expires")
		}
		s.becomes(second.ID, payment.Succeeded)
		s.reads(second.ID)
		s.redis.FastForward(24 * time.Hour)
		s.reads(second.ID) // a late event writes the order again
		pointer, order = s.expiry("pi:"+string(second.ID)), s.expiry("order:order-1")
		if order == 0 || pointer <= order {
			s.t.Fatalf("the pointer expires in %s, the order in %s", pointer, order)
		}
	},
}

// TestSweepStories: no webhook is delivered. The sweep finds the changes.
func TestSweepStories(t *testing.T) {
	for name, story := range sweepStories {
		t.Run(name, func(t *testing.T) { story(newShop(t)) })
	}
}

// expiry returns the time to live of the key with this suffix; zero if it does not expire.
func (s *shop) expiry(suffix string) time.Duration {
	s.t.Helper()
	for _, key := range s.redis.Keys() {
		if len(key) > len(suffix) && key[len(key)-len(suffix):] == suffix {
			return s.redis.TTL(key)
		}
	}
	s.t.Fatalf("there is no key that ends in %s", suffix)
	return 0
}

// TestWantedReadsComeFirst: while a payment waits for a read that its record needs, no sweep uses the budget.
func TestWantedReadsComeFirst(t *testing.T) {
	s := newShop(t)
	s.creates(s.key(4200))
	uncertain, _ := s.creates(order("order-2", s.customer, 100))
	s.pass(time.Hour)
	o, now, err := s.store.LoadOrder(t.Context(), payment.Ref{Order: "order-2"}, uncertain.ID)
	if err != nil {
		t.Fatal(err)
	}
	o.Rules.MaxFailures = 10
	again, changes := o.Apply(
		payment.SessionChosen{Payment: uncertain.ID, Session: payment.SessionFeatures{Remove: true}}, now,
	)
	changes.Reads = []payment.Due{{Payment: uncertain.ID, At: now}}
	changes.Sweeps = changes.Reads
	if _, err := s.store.SaveOrder(t.Context(), again, changes); err != nil {
		t.Fatal(err)
	}
	before := s.sim.Count("GET /v1/payment_intents/{intent}")
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := s.svc.SweepDue(ctx); err == nil {
		t.Fatal("the sweep did not wait")
	}
	if after := s.sim.Count("GET /v1/payment_intents/{intent}"); after != before {
		t.Fatalf("Stripe got %d reads, want none", after-before)
	}
	s.runWorkers()
	if s.pass(2 * time.Minute); s.sweeps() == 0 {
		t.Fatal("nothing is swept after the read")
	}
}
