package service_test

import (
	"errors"
	"net/http"
	"net/url"
	"testing"
	"time"

	"kasse/service"
	"kasse/service/payment"
	"kasse/service/stripe/stripesim"
)

// code returns the code of an error; empty if it has none.
func code(err error) payment.Code {
	if e, ok := errors.AsType[*payment.Error](err); ok {
		return e.Code
	}
	return ""
}

// TestCreateStories: a create for an order in each state.
func TestCreateStories(t *testing.T) {
	t.Run("repeated: the same payment, a new session", testCreateRepeated)
	t.Run("other terms: order_conflict", testCreateOtherTermsOrderConflict)
	t.Run("paid: order_already_paid with the view", testCreatePaidOrderAlreadyPaid)
	t.Run("paid, and no webhook delivered: the repeat reads it", testCreatePaidWithoutWebhook)
	t.Run("authorized: payment_in_progress", testCreateInProgress)
	t.Run("cancelled at Stripe: the next attempt", testCreateCancelledAtStripe)
	t.Run("refused by Stripe: other terms are possible", testCreateRefusedByStripe)
	t.Run("the session fails: the repeat returns the same payment with a session", testCreateTheSessionFails)
}

func testCreateRepeated(t *testing.T) {
	t.Helper()
	w := newServiceEnv(t)
	svc := w.replica(w.store, w.gateway())
	request := order("order-1", w.customer(), 4200)
	first, err := svc.Create(t.Context(), request)
	if err != nil || !first.New {
		t.Fatalf("got new %t, %v", first.New, err)
	}
	again, err := svc.Create(t.Context(), request)
	if err != nil || again.New || again.ID != first.ID || again.ClientSecret != first.ClientSecret {
		t.Fatalf("got error %v, opened %+v", err, again)
	}
	if again.Session.ClientSecret == first.Session.ClientSecret {
		t.Fatal("a single-use secret was returned twice")
	}
}

func testCreateOtherTermsOrderConflict(t *testing.T) {
	t.Helper()
	w := newServiceEnv(t)
	svc := w.replica(w.store, w.gateway())
	if _, err := svc.Create(t.Context(), order("order-1", "", 4200)); err != nil {
		t.Fatal(err)
	}
	if _, err := svc.Create(t.Context(), order("order-1", "", 4300)); code(err) != payment.CodeOrderConflict {
		t.Fatal(err)
	}
	if n := len(w.payable()); n != 1 {
		t.Fatalf("%d payments are payable, want 1", n)
	}
}

func testCreatePaidOrderAlreadyPaid(t *testing.T) {
	t.Helper()
	w := newServiceEnv(t)
	svc := w.replica(w.store, w.gateway())
	w.deliverTo(svc)
	request := order("order-1", "", 4200)
	opened, err := svc.Create(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	w.confirm(opened.ID, "pm_card_visa")
	w.drained()
	_, err = svc.Create(t.Context(), request)
	var e *payment.Error
	if !errors.As(err, &e) || e.Code != payment.CodeOrderAlreadyPaid || view(t, e.Payment).State != payment.Paid {
		t.Fatal(err)
	}
}

func testCreatePaidWithoutWebhook(t *testing.T) {
	t.Helper()
	w := newServiceEnv(t)
	svc := w.replica(w.store, w.gateway())
	request := order("order-1", "", 4200)
	opened, err := svc.Create(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	w.confirm(opened.ID, "pm_card_visa")
	if _, err = svc.Create(t.Context(), request); code(err) != payment.CodeOrderAlreadyPaid {
		t.Fatal(err)
	}
}

func testCreateInProgress(t *testing.T) {
	t.Helper()
	w := newServiceEnv(t)
	svc := w.replica(w.store, w.gateway())
	request := order("order-1", "", 4200)
	request.Terms.CaptureMethod = payment.CaptureManual
	opened, err := svc.Create(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	w.confirm(opened.ID, "pm_card_visa")
	if _, err = svc.Create(t.Context(), request); code(err) != payment.CodePaymentInProgress {
		t.Fatal(err)
	}
}

func testCreateCancelledAtStripe(t *testing.T) {
	t.Helper()
	w := newServiceEnv(t)
	svc := w.replica(w.store, w.gateway())
	request := order("order-1", "", 4200)
	first, err := svc.Create(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	w.ask(http.MethodPost, "/v1/payment_intents/"+string(first.ID)+"/cancel", url.Values{})
	second, err := svc.Create(t.Context(), request)
	if err != nil || second.ID == first.ID || view(t, second.View).Attempt != 2 {
		t.Fatalf("got error %v, view %s", err, second.View)
	}
	whole, err := svc.Order(t.Context(), service.Caller{Key: "test"}, "order-1")
	if err != nil || view(t, whole.Payment).Payment != second.ID || len(whole.Superseded) != 1 ||
		!view(t, whole.Superseded[0]).Superseded {
		t.Fatalf("got error %v, payment %s, superseded %s", err, whole.Payment, whole.Superseded)
	}
}

func testCreateRefusedByStripe(t *testing.T) {
	t.Helper()
	w := newServiceEnv(t)
	svc := w.replica(w.store, w.gateway())
	unknown := order("order-1", "cus_nobody", 4200)
	if _, err := svc.Create(t.Context(), unknown); code(err) != payment.CodeCustomerNotFound {
		t.Fatal(err)
	}
	if _, err := svc.Create(t.Context(), order("order-1", w.customer(), 4300)); err != nil {
		t.Fatal(err)
	}
}

func testCreateTheSessionFails(t *testing.T) {
	t.Helper()
	w := newServiceEnv(t)
	svc := w.replica(w.store, w.gateway())
	request := order("order-1", w.customer(), 4200)
	if err := w.sim.AddFault(
		stripesim.Fault{Endpoint: "POST /v1/customer_sessions", Kind: stripesim.ServerError, Times: 3},
	); err != nil {
		t.Fatal(err)
	}
	if _, err := svc.Create(t.Context(), request); code(err) != payment.CodeStripeError {
		t.Fatal(err)
	}
	opened, err := svc.Create(t.Context(), request)
	if err != nil || opened.New || len(w.payable()) != 1 {
		t.Fatalf("got new %t, %v", opened.New, err)
	}
}

// TestSessionIsForTheCurrentPayment: a new customer session needs a payment that can be paid and has a customer.
func TestSessionIsForTheCurrentPayment(t *testing.T) {
	w := newServiceEnv(t)
	svc := w.replica(w.store, w.gateway())
	w.deliverTo(svc)
	opened, err := svc.Create(t.Context(), order("order-1", w.customer(), 4200))
	if err != nil {
		t.Fatal(err)
	}
	session, err := svc.RefreshSession(t.Context(), service.Caller{Key: "test"}, opened.ID, nil)
	if err != nil || session.ClientSecret == "" || session.ClientSecret == opened.Session.ClientSecret ||
		session.ExpiresAt.Before(time.Now()) {
		t.Fatal(err)
	}
	w.confirm(opened.ID, "pm_card_visa")
	w.drained()
	key := service.Caller{Key: "test"}
	if _, err := svc.RefreshSession(t.Context(), key, opened.ID, nil); code(err) != payment.CodeInvalidState {
		t.Fatal(err)
	}
	alone, err := svc.Create(t.Context(), order("order-2", "", 4200))
	if err != nil || alone.Session != nil {
		t.Fatalf("got session %v, %v", alone.Session, err)
	}
	if _, err := svc.RefreshSession(t.Context(), key, alone.ID, nil); code(err) != payment.CodeInvalidState {
		t.Fatal(err)
	}
}

// TestOrderOfAnotherAccount: the servers get the key of another account, which does not know the order's PaymentIntent.
// A create is then an error of Stripe, not a 404, since it names no payment.
func TestOrderOfAnotherAccount(t *testing.T) {
	w, other := newServiceEnv(t), newServiceEnv(t)
	first := order("order-1", "", 4200)
	if _, err := w.replica(w.store, w.gateway()).Create(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	_, err := w.replica(w.store, other.gateway()).Create(t.Context(), first)
	var e *payment.Error
	if !errors.As(err, &e) || e.Code != payment.CodeStripeError || !e.Refused {
		t.Errorf("got %v", err)
	}
}
