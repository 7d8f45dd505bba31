package service_test

import (
	"context"
	"testing"
	"time"

	"kasse/service/payment"
)

// sweeps runs the sweep until nothing is due.
func (s *shop) sweeps() int {
	s.t.Helper()
	read, err := s.svc.SweepDue(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return read
}

var sweepStories = map[string]func(*shop){
	"a payment of which no event was made": func(s *shop) {
		opened, _ := s.creates(s.key(4200))
		s.becomes(opened.ID, payment.Succeeded)
		if s.sweeps() != 0 {
			s.t.Fatal("it is not due yet")
		}
		s.pass(16 * time.Minute)
		s.sweeps()
		s.shows(opened.ID, payment.Paid, 4200)
		s.pass(48 * time.Hour)
		if s.sweeps() != 0 {
			s.t.Fatal("a final payment is read again")
		}
	},
	"seldom, while nothing changes": func(s *shop) {
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
	"an authentication within minutes": func(s *shop) {
		opened, _ := s.creates(s.key(4200))
		s.becomes(opened.ID, payment.RequiresAction)
		s.reads(opened.ID)
		s.becomes(opened.ID, payment.Succeeded)
		s.pass(2*time.Minute + time.Second)
		s.sweeps()
		s.shows(opened.ID, payment.Paid, 4200)
	},
	"no payment: abandoned, and the order stays open": func(s *shop) {
		s.svc.AbandonAfter = 168 * time.Hour
		opened, _ := s.creates(s.key(4200))
		for range 7 {
			s.shows(opened.ID, payment.Pending, 4200)
			s.pass(24*time.Hour + time.Second)
			s.sweeps()
		}
		s.shows(opened.ID, payment.CanceledState, 4200)
		if said := s.ask(
			"GET", "/v1/payment_intents/"+string(opened.ID), nil,
		); said["cancellation_reason"] != "abandoned" {
			s.t.Fatalf("cancelled for %v", said["cancellation_reason"])
		}
		if s.order().Closed {
			s.t.Fatal("the order is closed")
		}
		if _, next := s.creates(s.key(4200)); next.Attempt != 2 || next.State != payment.Pending {
			s.t.Fatalf("the next create: %+v", next)
		}
	},
	"no payment, and nothing is abandoned": func(s *shop) {
		opened, _ := s.creates(s.key(4200))
		for range 20 {
			s.pass(24*time.Hour + time.Second)
			s.sweeps()
		}
		s.shows(opened.ID, payment.Pending, 4200)
	},
	"paid just before it is abandoned": func(s *shop) {
		s.svc.AbandonAfter = time.Hour
		opened, _ := s.creates(s.key(4200))
		s.pass(time.Hour + time.Second)
		s.faultyStripe.beforeCancel = func() { s.becomes(opened.ID, payment.Succeeded) }
		s.sweeps()
		if v := s.shows(opened.ID, payment.Paid, 4200); !v.Fulfillable {
			s.t.Fatalf("%+v", v)
		}
	},
	"what was authorised waits for its capture, however long that takes": func(s *shop) {
		s.svc.AbandonAfter = time.Hour
		opened, _ := s.creates(s.key(4200))
		s.becomes(opened.ID, payment.RequiresCapture)
		s.reads(opened.ID)
		s.pass(2 * time.Hour)
		s.sweeps()
		s.atStripe(opened.ID, payment.RequiresCapture, 4200)
	},
	"an order was closed, and its payment never canceled": func(s *shop) {
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
		s.attend()
		s.shows(opened.ID, payment.CanceledState, 4200)
		s.atStripe(opened.ID, payment.Canceled, 4200)
	},
	"an order whose payments were all cancelled is forgotten some day, after them": func(s *shop) {
		first, _ := s.creates(s.key(4200))
		s.stripeCancels(first.ID)
		s.reads(first.ID)
		pointer, order := s.expiry("pi:"+string(first.ID)), s.expiry("order:order-1")
		if order == 0 || pointer <= order {
			s.t.Fatalf("the pointer goes in %s, the order in %s", pointer, order)
		}
		second, _ := s.creates(s.key(4200))
		if s.expiry("order:order-1") != 0 {
			s.t.Fatal("an open order is forgotten")
		}
		s.becomes(second.ID, payment.Succeeded)
		s.reads(second.ID)
		s.redis.FastForward(24 * time.Hour)
		s.reads(second.ID) // a late event writes the order again
		pointer, order = s.expiry("pi:"+string(second.ID)), s.expiry("order:order-1")
		if order == 0 || pointer <= order {
			s.t.Fatalf("the pointer goes in %s, the order in %s", pointer, order)
		}
	},
}

// TestSweepStories: no webhook is ever delivered.
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
	s.t.Fatalf("there is no %s", suffix)
	return 0
}

// TestDoubtsComeFirst: while an uncertain payment waits for its read, no sweep uses the budget.
func TestDoubtsComeFirst(t *testing.T) {
	s := newShop(t)
	s.creates(s.key(4200))
	doubtful, _ := s.creates(order("order-2", s.customer, 100))
	s.pass(time.Hour)
	o, now, err := s.store.LoadOrder(t.Context(), payment.Ref{Order: "order-2"}, doubtful.ID)
	if err != nil {
		t.Fatal(err)
	}
	o.Rules.MaxFailures = 10
	again, changes := o.Apply(
		payment.SessionChosen{Payment: doubtful.ID, Session: payment.SessionFeatures{Remove: true}}, now,
	)
	changes.Reads = []payment.Due{{Payment: doubtful.ID, At: now}}
	changes.Sweeps = changes.Reads
	if _, err := s.store.SaveOrder(t.Context(), again, changes); err != nil {
		t.Fatal(err)
	}
	before := s.sim.Count("GET /v1/payment_intents/{intent}")
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := s.svc.SweepDue(ctx); err == nil {
		t.Fatal("it did not wait")
	}
	if after := s.sim.Count("GET /v1/payment_intents/{intent}"); after != before {
		t.Fatalf("Stripe was asked %d times", after-before)
	}
	s.attend()
	if s.pass(2 * time.Minute); s.sweeps() == 0 {
		t.Fatal("nothing is swept once the doubt is settled")
	}
}
