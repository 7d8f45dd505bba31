package service_test

import (
	"slices"
	"testing"

	"kasse/service/payment"
)

// found returns the orders in the index, sorted by id: those of a customer, or all.
func (s *shop) found(customer payment.CustomerID) (ids []payment.OrderID) {
	s.t.Helper()
	orders, next, err := s.svc.Orders(s.t.Context(), payment.OrderQuery{Customer: customer, Limit: 100})
	if err != nil || next != "" {
		s.t.Fatalf("got next %q, %v", next, err)
	}
	for _, o := range orders {
		ids = append(ids, o.ID)
	}
	slices.Sort(ids)
	return ids
}

// finds fails the test unless the index has these orders of the shop's customer, and one of a guest.
func (s *shop) finds(when string, own ...payment.OrderID) {
	s.t.Helper()
	if got := s.found(s.customer); !slices.Equal(got, own) {
		s.t.Errorf("%s: the customer's orders are %v, want %v", when, got, own)
	}
	all := append(slices.Clone(own), "guest-1")
	slices.Sort(all)
	if got := s.found(""); !slices.Equal(got, all) {
		s.t.Errorf("%s: all orders are %v, want %v", when, got, all)
	}
}

// TestIndexIsRestored: an order that Redis has lost is in the index again after each way of restoring it.
func TestIndexIsRestored(t *testing.T) {
	s := newShop(t)
	s.creates(order("order-1", s.customer, 4200))
	s.creates(order("guest-1", "", 4200))
	opened, _ := s.creates(order("order-2", s.customer, 4200))
	s.finds("first", "order-1", "order-2")
	s.loses()
	s.finds("rebuilt", "order-1", "order-2")

	s.redis.FlushAll()
	s.marks()
	if got := s.found(""); len(got) != 0 {
		t.Fatalf("found %v after a loss", got)
	}
	s.deliverTo(s.svc)
	if err := s.svc.Read(t.Context(), view(t, opened.View).Payment); err != nil { // as the restore queue does
		t.Fatal(err)
	}
	if got := s.found(s.customer); !slices.Equal(got, []payment.OrderID{"order-2"}) {
		t.Errorf("restored: got %v", got)
	}
	s.creates(order("order-1", s.customer, 4200)) // Stripe's payment is adopted as its attempt
	s.creates(order("guest-1", "", 4200))
	s.finds("adopted", "order-1", "order-2")
}

// TestIndexedOrderMovesToItsCustomer: the order is listed under the customer of its current payment.
func TestIndexedOrderMovesToItsCustomer(t *testing.T) {
	s := newShop(t)
	s.creates(order("order-1", s.customer, 4200))
	other := s.serviceEnv.customer()
	again := order("order-1", other, 4200)
	again.Reopen = true
	s.creates(again)
	if former, now := s.found(s.customer), s.found(other); len(former) != 0 ||
		!slices.Equal(now, []payment.OrderID{"order-1"}) {
		t.Errorf("the former customer finds %v, the new one %v", former, now)
	}
}

// TestRebuildIndexesStoredOrders: orders that were saved without the index are in it after a rebuild. Without the
// index, their next change removes them.
func TestRebuildIndexesStoredOrders(t *testing.T) {
	s := newShop(t)
	s.svc.OrderIndex = false
	s.creates(order("order-1", s.customer, 4200))
	s.creates(order("guest-1", "", 4200))
	s.svc.OrderIndex = true
	if got := s.found(""); len(got) != 0 {
		t.Fatalf("found %v without an index", got)
	}
	s.rebuilds()
	s.finds("rebuilt", "order-1")
	s.svc.OrderIndex = false
	if _, err := s.svc.RecordTerms(s.t.Context(), order("guest-1", "", 4300)); err != nil {
		t.Fatal(err)
	}
	s.svc.OrderIndex = true
	if got := s.found(""); !slices.Equal(got, []payment.OrderID{"order-1"}) {
		t.Errorf("found %v after a change without the index", got)
	}
}
