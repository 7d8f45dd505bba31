package service_test

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"testing"
	"time"

	"kasse/service"
	"kasse/service/payment"
	"kasse/store"
)

// TestRebuildBringsAllBack: after a rebuild, and after a second one, backends see the same as before the loss.
func TestRebuildBringsAllBack(t *testing.T) {
	s := newShop(t)
	s.svc.MaxFailures = 2
	orders := slices.Sorted(maps.Keys(orderStates))
	for _, id := range orders {
		orderStates[id](s, order(string(id), s.customer, 4200))
	}
	for i := range 120 { // of another system on the same account
		s.ask("POST", "/v1/payment_intents", url.Values{"amount": {fmt.Sprint(100 + i)}, "currency": {"eur"}})
	}
	s.sim.SettleAll()
	s.settled()
	before := s.dump(orders...)
	s.loses()
	s.same(before, s.dump(orders...))
	if announced := s.announced(); announced["order.paid"] == 0 || announced["order.paid"] > len(orders) {
		t.Fatalf("announced: %v", announced)
	}
	announced := s.announced()
	if again := s.rebuilds(); again.Orders != len(orders) {
		t.Fatalf("a second rebuild: %+v", again)
	}
	s.same(before, s.dump(orders...))
	if !maps.Equal(announced, s.announced()) {
		t.Fatalf("announced twice: %v, then %v", announced, s.announced())
	}
	page, err := s.svc.Events(t.Context(), payment.FeedQuery{Limit: 500}, service.WaitOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range page.Events {
		if !e.Restored {
			t.Errorf("%s %s is announced as new", e.Type, e.ID)
		}
	}
}

// rebuildStories lose Redis, or a part of it, and rebuild it.
var rebuildStories = map[string]func(*shop){
	"a second success stays a duplicate": func(s *shop) {
		late, current := twoPayable(s)
		s.becomes(current, payment.Succeeded)
		s.reads(current)
		s.pass(time.Minute)
		s.becomes(late, payment.Succeeded)
		s.reads(late)
		s.loses()
		s.hasWon(current, late)
		s.refuses(s.key(4200), payment.CodeOrderAlreadyPaid)
	},
	"a paid order is not sold again": func(s *shop) {
		opened, _ := s.creates(s.key(4200))
		s.becomes(opened.ID, payment.Succeeded)
		s.reads(opened.ID)
		s.loses()
		s.refuses(s.key(4200), payment.CodeOrderAlreadyPaid)
	},
	"an open order keeps its payment": func(s *shop) {
		opened, v := s.creates(s.key(4200))
		s.loses()
		again, now := s.creates(s.key(4200))
		if again.ID != opened.ID || now.Version <= v.Version {
			s.t.Fatalf("%+v after %+v", now, v)
		}
		s.becomes(opened.ID, payment.Succeeded)
		s.reads(opened.ID)
		s.shows(opened.ID, payment.Paid, 4200)
	},
	"a closed order stays closed, and may be reopened": func(s *shop) {
		opened, _ := s.creates(s.key(4200))
		if _, err := s.svc.Cancel(s.t.Context(), opened.ID, ""); err != nil {
			s.t.Fatal(err)
		}
		s.runWorkers() // the worker cancels it at Stripe
		s.loses()
		s.refuses(s.token(9, 4200), payment.CodeOrderClosed)
		r := s.key(4200)
		r.Reopen = true
		if _, v := s.creates(r); v.Attempt != 2 {
			s.t.Fatalf("the view is %+v", v)
		}
	},
	"no create succeeds before its end, and a rebuild that died is started again": func(s *shop) {
		opened, _ := s.creates(s.key(4200))
		s.becomes(opened.ID, payment.Succeeded)
		s.reads(opened.ID)
		other, _ := s.creates(order("order-2", s.customer, 100))
		s.redis.FlushAll()
		refused := func() {
			s.t.Helper()
			if _, err := s.svc.Create(s.t.Context(), s.key(4200)); err == nil {
				s.t.Fatal("the order was sold again")
			}
			s.refuses(order("order-3", s.customer, 1), payment.CodeStoreUnavailable)
			if _, err := s.store.Check(s.t.Context(), store.Identity{Service: "kasse"}); err == nil {
				s.t.Fatal("Check accepts a Redis that is not rebuilt")
			}
		}
		for step := 1; step < 12; step++ {
			rebuilt, _ := s.rebuilder(s.faultyStripe)
			m := &crashing{Store: rebuilt, Stripe: s.faultyStripe, left: step}
			dying := s.replica(m, m)
			if err := dying.Rebuild(s.t.Context(), 720*time.Hour, &service.Recovery{}); err == nil {
				break
			}
			refused()
		}
		s.rebuilds()
		s.shows(opened.ID, payment.Paid, 4200)
		s.shows(other.ID, payment.Pending, 100)
		s.refuses(s.key(4200), payment.CodeOrderAlreadyPaid)
		if announced := s.announced(); announced["order.paid"] != 1 {
			s.t.Fatalf("announced %v", announced)
		}
	},
	"lost keys of a Redis that keeps its marks": func(s *shop) {
		opened, _ := s.creates(s.key(4200))
		s.becomes(opened.ID, payment.Succeeded)
		s.reads(opened.ID)
		before := s.dump("order-1")
		for _, key := range s.redis.Keys() {
			if len(key) > 9 && (key[7] == 'p' || key[len(key)-7:] == "order-1") && key[len(key)-4:] != "meta" {
				s.redis.Del(key)
			}
		}
		s.rebuilds()
		s.same(before, s.dump("order-1"))
	},
	"the first success wins, also if its charge is younger": func(s *shop) {
		late, current := twoPayable(s)
		s.becomes(late, payment.Processing)
		s.pass(time.Second)
		s.becomes(current, payment.Succeeded)
		s.reads(current)
		s.pass(time.Minute) // the bank has confirmed it by then
		s.reads(late)
		s.loses()
		s.hasWon(current, late)
	},
}

// TestRebuildStories: a rebuild restores orders from Stripe.
func TestRebuildStories(t *testing.T) {
	for name, story := range rebuildStories {
		t.Run(name, func(t *testing.T) { story(newShop(t)) })
	}
}
