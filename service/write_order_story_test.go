package service_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"kasse/service"
	"kasse/service/payment"
	"kasse/store"
)

// TestWithdrawnPaymentIsMarkedBeforeStripeIsAsked: an event about the cancelled payment may arrive before
// Stripe's response. It must not be announced as the order's end.
func TestWithdrawnPaymentIsMarkedBeforeStripeIsAsked(t *testing.T) {
	s := newShop(t)
	s.deliverTo(s.svc)
	first, _ := s.creates(s.token(1, 4200))
	s.becomes(first.ID, payment.RequiresAction)
	s.drained()
	s.faultyStripe.beforeCancel = func() {
		if v := s.shows(first.ID, payment.ActionRequired, 4200); !v.Superseded {
			t.Error("Stripe is asked to cancel a payment that is not marked superseded")
		}
		s.stripeCancels(first.ID)
		s.drained()
	}
	second, v := s.creates(s.token(2, 5000))
	if second.ID == first.ID || v.Attempt != 2 || v.Superseded {
		t.Fatalf("the view is %+v", v)
	}
	s.drained()
	if announced := s.announced(); announced["order.canceled"] != 0 || announced["superseded.canceled"] != 1 ||
		announced["order.reopened"] != 1 {
		t.Errorf("announced %v", announced)
	}
}

// withoutPointers is a store whose server of the pointers is unreachable.
type withoutPointers struct{ service.Store }

func (withoutPointers) SavePointer(context.Context, payment.ID, payment.OrderID, time.Time) error {
	return &payment.Error{Code: payment.CodeStoreUnavailable, Detail: "The server of the pointers does not answer."}
}

// TestPointerIsWrittenBeforeTheAnswer: a payment without a pointer is not returned. The repeat writes the
// pointer.
func TestPointerIsWrittenBeforeTheAnswer(t *testing.T) {
	s := newShop(t)
	opened, err := s.replica(withoutPointers{s.store}, s.gateway()).Create(t.Context(), s.key(4200))
	if s.wantCode(err, payment.CodeStoreUnavailable); opened.ClientSecret != "" || opened.ID != "" {
		t.Errorf("%s was returned without a pointer", opened.ID)
	}
	again, v := s.creates(s.key(4200))
	if v.Attempt != 1 || len(s.payable()) != 1 {
		t.Fatalf("the view is %+v", v)
	}
	if order, found, err := s.store.FindOrder(t.Context(), again.ID); order != "order-1" || !found || err != nil {
		t.Errorf("the pointer leads to %q, found %t, %v", order, found, err)
	}
}

// TestCopyOfMetadataIsNotAdopted: a PaymentIntent with the metadata of an attempt that has another payment is
// foreign. It does not take over the order, wins nothing, and is not changed.
func TestCopyOfMetadataIsNotAdopted(t *testing.T) {
	s := newShop(t)
	s.deliverTo(s.svc)
	opened, _ := s.creates(s.key(4200))
	made := s.ask(http.MethodPost, "/v1/payment_intents", url.Values{
		"amount": {"4200"}, "currency": {"eur"}, "customer": {string(s.customer)}, "metadata[kasse_service]": {"kasse"},
		"metadata[kasse_order_id]": {"order-1"}, "metadata[kasse_attempt]": {"1"},
	})
	name, _ := made["id"].(string)
	copied := payment.ID(name)
	s.confirm(copied, "pm_card_visa")
	s.drained()
	s.runWorkers()
	if whole := s.order(); view(t, whole.Payment).Payment != opened.ID || len(whole.Superseded) != 0 {
		t.Errorf("the order's payment is %s, superseded are %s", whole.Payment, whole.Superseded)
	}
	if v := s.shows(copied, payment.Paid, 4200); v.Fulfillable {
		t.Errorf("the copy is fulfillable: %+v", v)
	}
	if announced := s.announced(); announced["order.paid"] != 0 {
		t.Errorf("announced %v", announced)
	}
	s.atStripe(opened.ID, payment.RequiresPaymentMethod, 4200)
}

// losePointer removes a payment's pointer from Redis.
func (w *serviceEnv) losePointer(id payment.ID) {
	w.t.Helper()
	removed := 0
	for _, key := range w.redis.Keys() {
		if strings.HasSuffix(key, string(id)) && w.redis.Del(key) {
			removed++
		}
	}
	if removed != 1 {
		w.t.Fatalf("%d of the keys %v are pointers", removed, w.redis.Keys())
	}
}

// TestLostPointerIsWrittenAfterAConflict: Redis loses a payment's pointer, and another replica has saved the
// order. The next event is saved after a conflict, together with the pointer.
func TestLostPointerIsWrittenAfterAConflict(t *testing.T) {
	w := newServiceEnv(t)
	here, elsewhere := w.replica(w.store, w.gateway()), w.replica(w.store, w.gateway())
	opened, err := here.Create(t.Context(), order("order-1", w.customer(), 4200))
	if err != nil {
		t.Fatal(err)
	}
	deliver := func(to *service.Service, status payment.Status, at int64) {
		t.Helper()
		body, signature := w.shows(opened.ID, status, at)
		if outcome, err := to.Webhook(t.Context(), body, signature); outcome != service.Applied || err != nil {
			t.Fatalf("%s is %s, %v", status, outcome, err)
		}
	}
	now := time.Now().Unix()
	deliver(here, payment.RequiresAction, now)
	deliver(elsewhere, payment.Processing, now+1)
	w.losePointer(opened.ID)
	deliver(here, payment.Succeeded, now+2)
	if order, found, err := w.store.FindOrder(t.Context(), opened.ID); order != "order-1" || !found || err != nil {
		t.Errorf("the pointer leads to %q, found %t, %v", order, found, err)
	}
}

// losing answers FindOrder once with a pointer that Redis loses right after.
type losing struct {
	*store.Store

	asked int
	lost  int // which question that is
}

func (l *losing) FindOrder(ctx context.Context, id payment.ID) (payment.OrderID, bool, error) {
	if l.asked++; l.asked == l.lost {
		return "order-1", true, nil
	}
	return l.Store.FindOrder(ctx, id)
}

// TestPointerLostDuringALookup: a pointer is missing, and a lookup begins. Another event writes the pointer, the lookup
// reads it, and Redis loses it again. The caller must still get the payment, not a 404.
func TestPointerLostDuringALookup(t *testing.T) {
	w := newServiceEnv(t)
	opened, err := w.replica(w.store, w.gateway()).Create(t.Context(), order("order-1", w.customer(), 4200))
	if err != nil {
		t.Fatal(err)
	}
	for name, call := range map[string]func(*service.Service) error{
		"status": func(svc *service.Service) error {
			_, err := svc.Status(t.Context(), service.Caller{Key: "shop"}, opened.ID)
			return err
		},
		"cancel": func(svc *service.Service) error {
			_, err := svc.Cancel(t.Context(), opened.ID, "")
			return err
		},
	} {
		w.losePointer(opened.ID)
		l := &losing{Store: w.store, lost: 2} // the lookup's
		if name == "cancel" {
			l.lost = 3 // the first is the call's own
		}
		svc := w.replica(l, w.gateway())
		if err := call(svc); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, found, err := w.store.FindOrder(t.Context(), opened.ID); !found || err != nil {
			t.Errorf("%s: after %d questions the pointer is found: %t, %v", name, l.asked, found, err)
		}
	}
}
