package service_test

import (
	"encoding/json"
	"fmt"
	"time"

	"kasse/service"
	"kasse/service/payment"
	"kasse/store"
)

// loses wipes Redis and starts a new process that rebuilds it from Stripe.
func (s *shop) loses() {
	s.t.Helper()
	s.redis.FlushAll()
	s.rebuilds()
}

// rebuilds runs a rebuild to its end.
func (s *shop) rebuilds() (r service.Recovery) {
	s.t.Helper()
	rebuilt, svc := s.rebuilder(s.faultyStripe)
	if err := svc.Rebuild(s.t.Context(), 720*time.Hour, &r); err != nil {
		s.t.Fatal(err)
	}
	if err := rebuilt.FinishRebuild(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	return r
}

// rebuilder returns the store and the service of a process that has begun a rebuild.
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

// dump returns everything that a backend can see of the orders, except the times of changes, which a rebuild
// cannot know.
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

// same fails the test if the dumps differ.
func (s *shop) same(before, after map[string]any) {
	s.t.Helper()
	for id := range before {
		if want, got := fmt.Sprint(before[id]), fmt.Sprint(after[id]); got != want {
			s.t.Errorf("%s is\n%s, want\n%s", id, got, want)
		}
	}
}

// settled catches up and reads all payments, so that Redis has the same state as Stripe.
func (s *shop) settled() {
	s.t.Helper()
	s.catchesUp()
	for range 5 {
		s.runWorkers()
	}
}

// orderStates are the states of an order when Redis is lost. Each function opens its order and leaves it in that
// state.
var orderStates = map[payment.OrderID]func(s *shop, r payment.CreateRequest){
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
		s.reads(opened.ID) // only a read has the capture deadline
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
		s.runWorkers()
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

// returns pays an order and refunds an amount, 0 for all of it.
func (s *shop) returns(r payment.CreateRequest, amount int64) {
	s.t.Helper()
	opened, _ := s.creates(r)
	s.becomes(opened.ID, payment.Succeeded)
	if _, err := s.sim.Refund(string(opened.ID), amount); err != nil {
		s.t.Fatal(err)
	}
}

// hasWon checks two payments of an order that have both succeeded.
func (s *shop) hasWon(winner, duplicate payment.ID) {
	s.t.Helper()
	if v := s.shows(winner, payment.Paid, 4200); !v.Fulfillable || v.Superseded ||
		view(s.t, s.order().Payment).Payment != winner {
		s.t.Fatalf("the view is %+v", v)
	}
	if v := s.shows(duplicate, payment.Paid, 4200); v.HoldReason == nil || *v.HoldReason != payment.HoldDuplicate ||
		v.FulfillableAt != nil {
		s.t.Fatalf("the view is %+v", v)
	}
}
