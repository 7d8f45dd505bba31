package service_test

import (
	"strings"
	"testing"
	"time"

	"kasse/service"
	"kasse/service/payment"
	"kasse/service/stripe/stripesim"
)

const listsEvents = "GET /v1/events"

func (s *shop) catchesUp() {
	s.t.Helper()
	if err := s.svc.CatchUp(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

// catchUpStories change payments at Stripe, which a catch-up has to find.
var catchUpStories = map[string]func(*shop){
	"changes that no webhook has delivered": func(s *shop) {
		paid, _ := s.creates(s.key(4200))
		declined, _ := s.creates(order("order-2", s.customer, 100))
		s.becomes(paid.ID, payment.Succeeded)
		s.becomes(declined.ID, payment.RequiresPaymentMethod)
		s.catchesUp()
		s.runWorkers()
		s.shows(declined.ID, payment.Failed, 100)
		if v := s.shows(paid.ID, payment.Paid, 4200); !v.Fulfillable || s.announced()["order.paid"] != 1 {
			s.t.Fatalf("%+v, announced %v", v, s.announced())
		}
	},
	"since an hour before the end of the last pass": func(s *shop) {
		opened, _ := s.creates(s.key(4200))
		s.catchesUp()
		s.pass(2 * time.Hour)
		s.becomes(opened.ID, payment.Succeeded)
		s.pass(50 * time.Minute)
		s.catchesUp()
		s.shows(opened.ID, payment.Paid, 4200)
		s.pass(100 * time.Hour) // Kasse was down for longer than the period of a first pass
		second, _ := s.creates(order("order-2", s.customer, 100))
		s.becomes(second.ID, payment.Succeeded)
		s.pass(100 * time.Hour)
		s.catchesUp()
		s.shows(second.ID, payment.Paid, 100)
	},
	"a partition that went back three hours": func(s *shop) {
		opened, _ := s.creates(s.key(4200))
		s.catchesUp()
		restore := s.copyOrders()
		s.becomes(opened.ID, payment.Succeeded)
		s.catchesUp()
		s.shows(opened.ID, payment.Paid, 4200)
		s.pass(3 * time.Hour)
		s.catchesUp()
		restore()
		s.shows(opened.ID, payment.Pending, 4200)
		s.catchesUp()
		s.shows(opened.ID, payment.Paid, 4200)
	},
	"a failed pass is repeated": func(s *shop) {
		opened, _ := s.creates(s.key(4200))
		s.catchesUp()
		s.pass(100 * time.Hour)
		s.becomes(opened.ID, payment.Succeeded)
		s.pass(100 * time.Hour)
		s.fails(stripesim.Fault{Endpoint: "GET /v1/disputes", Kind: stripesim.ServerError, Times: -1})
		if err := s.svc.CatchUp(s.t.Context()); err == nil {
			s.t.Fatal("a failed pass returned no error")
		}
		s.sim.ClearFaults()
		s.catchesUp()
		s.shows(opened.ID, payment.Paid, 4200)
	},
	"more events than one page has": func(s *shop) {
		opened, _ := s.creates(s.key(4200))
		s.becomes(opened.ID, payment.Succeeded)
		for range 120 {
			s.ask("POST", "/v1/payment_intents", map[string][]string{"amount": {"100"}, "currency": {"eur"}})
		}
		before := s.sim.Count(listsEvents)
		s.catchesUp()
		s.shows(opened.ID, payment.Paid, 4200)
		if pages := s.sim.Count(listsEvents) - before; pages != 3 { // one page has charges and reviews
			s.t.Fatalf("%d pages were read", pages)
		}
	},
	"all others, although one record cannot be read": func(s *shop) {
		broken, _ := s.creates(s.key(4200))
		whole, _ := s.creates(order("order-2", s.customer, 100))
		s.becomes(whole.ID, payment.Succeeded)
		s.becomes(broken.ID, payment.Succeeded)
		for _, key := range s.redis.Keys() {
			if len(key) > len(broken.ID) && key[len(key)-len(broken.ID):] == string(broken.ID) {
				s.redis.HSet(key, "state", "{")
			}
		}
		s.catchesUp()
		s.shows(whole.ID, payment.Paid, 100)
	},
}

// copyOrders copies the orders, and the catch-up's cursors in their partitions. The returned function restores the
// copy. Other partitions stay as they are.
func (s *shop) copyOrders() (restore func()) {
	s.t.Helper()
	texts, hashes := map[string]string{}, map[string]map[string]string{}
	for _, key := range s.redis.Keys() {
		part, _, isOrder := strings.Cut(key, "}:order:")
		if !isOrder {
			continue
		}
		hashes[key] = map[string]string{}
		fields, _ := s.redis.HKeys(key)
		for _, field := range fields {
			hashes[key][field] = s.redis.HGet(key, field)
		}
		texts[part+"}:catchup"], _ = s.redis.Get(part + "}:catchup")
	}
	if len(texts) == 0 || texts["kasse:{p0}:catchup"] != "" {
		s.t.Fatal("the orders are in partition 0, or there are none")
	}
	return func() {
		for key, text := range texts {
			s.redis.Del(key)
			if text != "" {
				_ = s.redis.Set(key, text)
			}
		}
		for key, fields := range hashes {
			s.redis.Del(key)
			for field, value := range fields {
				s.redis.HSet(key, field, value)
			}
		}
	}
}

// TestCatchUpStories: no webhook is delivered. A catch-up finds the changes.
func TestCatchUpStories(t *testing.T) {
	for name, story := range catchUpStories {
		t.Run(name, func(t *testing.T) { story(newShop(t)) })
	}
}

// TestCatchUpRestoresLostOrders: the catch-up restores a lost order as a whole, even if order.paid was never
// sent. All its events are marked restored.
func TestCatchUpRestoresLostOrders(t *testing.T) {
	for name, sent := range map[string]bool{"order.paid was sent before": true, "order.paid was never sent": false} {
		for _, lost := range []string{"}:order:", "}:"} { // the orders, or their pointers and queues as well
			t.Run(name+", without "+lost, func(t *testing.T) {
				s := newShop(t)
				opened, _ := s.creates(s.key(4200))
				s.pass(time.Minute)
				s.becomes(opened.ID, payment.Succeeded)
				if sent {
					s.receives("payment_intent.succeeded", service.Applied)
				}
				before := s.feedEvents()
				for _, key := range s.redis.Keys() {
					kept := strings.HasSuffix(key, ":meta") || strings.HasSuffix(key, ":events")
					if strings.Contains(key, lost) && !kept {
						s.redis.Del(key)
					}
				}
				for range 2 {
					s.pass(10 * time.Minute)
					s.catchesUp()
					s.runWorkers()
				}
				if v := s.shows(opened.ID, payment.Paid, 4200); !v.Fulfillable {
					t.Fatalf("the view is %+v", v)
				}
				paid := 0
				for _, e := range s.feedEvents()[len(before):] {
					if !e.Restored {
						t.Errorf("%s %s is not marked restored", e.Type, e.ID)
					}
					if e.Type == "order.paid" {
						paid++
					}
				}
				if paid != 1 {
					t.Errorf("order.paid was sent %d times since", paid)
				}
			})
		}
	}
}

// feedEvents returns the events of the feed.
func (s *shop) feedEvents() []payment.FeedEvent {
	s.t.Helper()
	page, err := s.svc.Events(s.t.Context(), payment.FeedQuery{Limit: 500}, service.WaitOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	return page.Events
}

// TestRestoreStories: a page requests a payment that Redis has lost.
func TestRestoreStories(t *testing.T) {
	for name, story := range map[string]func(*shop){
		"a payment of ours is restored": func(s *shop) {
			opened, _ := s.creates(s.key(4200))
			s.redis.FlushAll()
			s.marks()
			s.misses(opened.ID, opened.ClientSecret)
			s.restores()
			v, err := s.svc.Status(s.t.Context(), service.Caller{Secret: opened.ClientSecret}, opened.ID)
			if err != nil || view(s.t, v.View).Amount != 4200 {
				s.t.Fatalf("got view %s, %v", v.View, err)
			}
			s.pass(time.Hour)
			if s.sweeps() != 1 {
				s.t.Fatal("the restored payment is not swept")
			}
			before := s.sim.Count(readsPayment)
			if s.restores(); s.sim.Count(readsPayment) != before {
				s.t.Fatal("the payment is read again")
			}
		},
		"a payment that Stripe does not know is read once": func(s *shop) {
			s.misses("pi_nobody", "pi_nobody_secret_x")
			before := s.sim.Count(readsPayment)
			for range 3 {
				s.restores()
			}
			if asked := s.sim.Count(readsPayment) - before; asked != 1 {
				s.t.Fatalf("Stripe got %d reads, want 1", asked)
			}
		},
		"a wrong secret causes no read": func(s *shop) {
			opened, _ := s.creates(s.key(4200))
			s.misses(opened.ID, "wrong")
			before := s.sim.Count(readsPayment)
			if s.restores(); s.sim.Count(readsPayment) != before {
				s.t.Fatal("Stripe got a read")
			}
		},
		"while Stripe is unreachable the payment stays queued": func(s *shop) {
			opened, _ := s.creates(s.key(4200))
			s.redis.FlushAll()
			s.marks()
			s.misses(opened.ID, opened.ClientSecret)
			s.noAnswer(readsPayment, false)
			if err := s.svc.RestoreNext(s.t.Context()); err == nil {
				s.t.Fatal("a restore without Stripe returned no error")
			}
			s.sim.ClearFaults()
			s.pass(2 * time.Minute)
			s.restores()
			s.shows(opened.ID, payment.Pending, 4200)
		},
	} {
		t.Run(name, func(t *testing.T) { story(newShop(t)) })
	}
}

const readsPayment = "GET /v1/payment_intents/{intent}"

// misses requests a payment as a page does, and gets 404 without a call to Stripe.
func (s *shop) misses(id payment.ID, secret payment.Secret) {
	s.t.Helper()
	before := s.sim.Count(readsPayment)
	_, err := s.svc.Status(s.t.Context(), service.Caller{Secret: secret}, id)
	s.wantCode(err, payment.CodeNotFound)
	if s.sim.Count(readsPayment) != before {
		s.t.Fatal("Stripe got a read")
	}
}

// restores runs the restore queue for one payment.
func (s *shop) restores() {
	s.t.Helper()
	if err := s.svc.RestoreNext(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}
