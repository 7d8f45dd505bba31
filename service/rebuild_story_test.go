package service_test

import (
	"encoding/json"
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

// loses wipes Redis, and gives the shop a new process that rebuilds it from Stripe.
func (s *shop) loses() {
	s.t.Helper()
	s.redis.FlushAll()
	s.rebuilds()
}

// rebuilds runs a rebuild to its end.
func (s *shop) rebuilds() (r service.Recovery) {
	s.t.Helper()
	rebuilt, svc := s.rebuilder(s.meddler)
	if err := svc.Rebuild(s.t.Context(), 720*time.Hour, &r); err != nil {
		s.t.Fatal(err)
	}
	if err := rebuilt.FinishRebuild(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	return r
}

// rebuilder is a process that has begun a rebuild.
func (s *shop) rebuilder(g service.Stripe) (*store.Store, *service.Service) {
	s.t.Helper()
	client, err := store.Connect("single", "redis://"+s.redis.Addr()+"/0")
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = client.Close() })
	rebuilt := store.New(client, s.store.Options)
	if _, err := rebuilt.BeginRebuild(s.t.Context(), store.Identity{Service: "kasse"}); err != nil {
		s.t.Fatal(err)
	}
	return rebuilt, s.replica(rebuilt, g)
}

// dump is everything that a backend can see of the orders, but for what a rebuild cannot know: when each change was
// seen.
func (s *shop) dump(orders ...payment.OrderID) map[string]any {
	s.t.Helper()
	all := map[string]any{}
	seen := func(text []byte) any {
		var v map[string]any
		if len(text) > 0 {
			if err := json.Unmarshal(text, &v); err != nil {
				s.t.Fatal(err)
			}
		}
		v["fulfillable_at"] = v["fulfillable_at"] != nil
		if v["state"] == "canceled" {
			delete(v, "failure") // an update of the metadata clears it at Stripe
		}
		delete(v, "version")
		delete(v, "updated_at")
		return v
	}
	for _, id := range orders {
		o, err := s.svc.Order(s.t.Context(), service.Caller{Key: "test"}, id)
		if err != nil {
			s.t.Fatalf("%s: %v", id, err)
		}
		superseded := []any{}
		for _, text := range o.Superseded {
			superseded = append(superseded, seen(text))
		}
		all[string(id)] = map[string]any{"closed": o.Closed, "payment": seen(o.Payment), "superseded": superseded}
	}
	return all
}

// same fails the test where the dumps differ.
func (s *shop) same(before, after map[string]any) {
	s.t.Helper()
	for id := range before {
		if was, is := fmt.Sprint(before[id]), fmt.Sprint(after[id]); was != is {
			s.t.Errorf("%s was\n%s, is\n%s", id, was, is)
		}
	}
}

// settled reads all payments, so that Redis knows what Stripe does.
func (s *shop) settled() {
	s.t.Helper()
	s.catchesUp()
	for range 5 {
		s.attend()
	}
}

// fates are what may have become of an order when Redis is lost. Each opens its order, and leaves it as it is.
var fates = map[payment.OrderID]func(s *shop, r payment.CreateRequest){
	"pending": func(s *shop, r payment.CreateRequest) { s.creates(r) },
	"failed": func(s *shop, r payment.CreateRequest) {
		opened, _ := s.creates(r)
		s.becomes(opened.ID, payment.RequiresPaymentMethod)
	},
	"action": func(s *shop, r payment.CreateRequest) {
		opened, _ := s.creates(r)
		s.becomes(opened.ID, payment.RequiresAction)
	},
	"authorized": func(s *shop, r payment.CreateRequest) {
		opened, _ := s.creates(r)
		s.becomes(opened.ID, payment.RequiresCapture)
		s.reads(opened.ID) // only then it is known until when it may be captured
	},
	"paid": func(s *shop, r payment.CreateRequest) {
		opened, _ := s.creates(r)
		s.becomes(opened.ID, payment.Succeeded)
	},
	"partly-refunded": func(s *shop, r payment.CreateRequest) { s.returns(r, 1000) },
	"refunded":        func(s *shop, r payment.CreateRequest) { s.returns(r, 0) },
	"disputed": func(s *shop, r payment.CreateRequest) {
		opened, _ := s.creates(r)
		s.becomes(opened.ID, payment.Succeeded)
		if _, err := s.sim.OpenDispute(string(opened.ID), "fraudulent", false); err != nil {
			s.t.Fatal(err)
		}
	},
	"closed": func(s *shop, r payment.CreateRequest) {
		opened, _ := s.creates(r)
		if _, err := s.svc.Cancel(s.t.Context(), opened.ID, "requested_by_customer"); err != nil {
			s.t.Fatal(err)
		}
	},
	"closed-after-stripe": func(s *shop, r payment.CreateRequest) {
		opened, _ := s.creates(r)
		s.stripeCancels(opened.ID)
		s.reads(opened.ID)
		if _, err := s.svc.Cancel(s.t.Context(), opened.ID, ""); err != nil {
			s.t.Fatal(err)
		}
	},
	"exhausted": func(s *shop, r payment.CreateRequest) {
		opened, _ := s.creates(r)
		for range s.svc.MaxFailures + 1 {
			s.confirm(opened.ID, "pm_card_visa_chargeDeclined")
		}
	},
	"reopened": func(s *shop, r payment.CreateRequest) {
		opened, _ := s.creates(r)
		if _, err := s.svc.Cancel(s.t.Context(), opened.ID, ""); err != nil {
			s.t.Fatal(err)
		}
		s.attend()
		r.Reopen = true
		s.creates(r)
	},
	"third-attempt": func(s *shop, r payment.CreateRequest) {
		for range 2 {
			opened, _ := s.creates(r)
			s.stripeCancels(opened.ID)
			s.reads(opened.ID)
		}
		opened, _ := s.creates(r)
		s.becomes(opened.ID, payment.Succeeded)
	},
}

// returns pays an order and gives an amount back, 0 all of it.
func (s *shop) returns(r payment.CreateRequest, amount int64) {
	s.t.Helper()
	opened, _ := s.creates(r)
	s.becomes(opened.ID, payment.Succeeded)
	if _, err := s.sim.Refund(string(opened.ID), amount); err != nil {
		s.t.Fatal(err)
	}
}

// hasWon looks at two payments of an order that have both succeeded.
func (s *shop) hasWon(winner, duplicate payment.ID) {
	s.t.Helper()
	if v := s.shows(winner, payment.Paid, 4200); !v.Fulfillable || v.Superseded ||
		view(s.t, s.order().Payment).Payment != winner {
		s.t.Fatalf("%+v", v)
	}
	if v := s.shows(duplicate, payment.Paid, 4200); v.HoldReason == nil || *v.HoldReason != payment.HoldDuplicate ||
		v.FulfillableAt != nil {
		s.t.Fatalf("%+v", v)
	}
}

// TestRebuildBringsAllBack: what backends saw before Redis was lost, they see again, and twice rebuilt is as good.
func TestRebuildBringsAllBack(t *testing.T) {
	s := newShop(t)
	s.svc.MaxFailures = 2
	orders := slices.Sorted(maps.Keys(fates))
	for _, id := range orders {
		fates[id](s, order(string(id), s.customer, 4200))
	}
	for i := range 120 { // another system's, on the same account
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

func TestRebuildStories(t *testing.T) {
	for name, story := range map[string]func(*shop){
		"a second success stays one": func(s *shop) {
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
		"an open order goes on with the same payment": func(s *shop) {
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
			s.attend() // the worker cancels at Stripe
			s.loses()
			s.refuses(s.token(9, 4200), payment.CodeOrderClosed)
			r := s.key(4200)
			r.Reopen = true
			if _, v := s.creates(r); v.Attempt != 2 {
				s.t.Fatalf("%+v", v)
			}
		},
		"no create before its end, and one that died is begun again": func(s *shop) {
			opened, _ := s.creates(s.key(4200))
			s.becomes(opened.ID, payment.Succeeded)
			s.reads(opened.ID)
			other, _ := s.creates(order("order-2", s.customer, 100))
			s.redis.FlushAll()
			refused := func() {
				s.t.Helper()
				if _, err := s.svc.Create(s.t.Context(), s.key(4200)); err == nil {
					s.t.Fatal("it was sold again")
				}
				s.refuses(order("order-3", s.customer, 1), payment.CodeStoreUnavailable)
				if _, err := s.store.Check(s.t.Context(), store.Identity{Service: "kasse"}); err == nil {
					s.t.Fatal("it is taken for whole")
				}
			}
			for step := 1; step < 12; step++ {
				rebuilt, _ := s.rebuilder(s.meddler)
				m := &mortal{Store: rebuilt, Stripe: s.meddler, left: step}
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
		"what is lost of a Redis that is otherwise whole": func(s *shop) {
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
		"the first success has won, also where its charge is younger": func(s *shop) {
			late, current := twoPayable(s)
			s.becomes(late, payment.Processing)
			s.pass(time.Second)
			s.becomes(current, payment.Succeeded)
			s.reads(current)
			s.pass(time.Minute) // the bank has answered by now
			s.reads(late)
			s.loses()
			s.hasWon(current, late)
		},
	} {
		t.Run(name, func(t *testing.T) { story(newShop(t)) })
	}
}
