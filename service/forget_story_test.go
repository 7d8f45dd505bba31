package service_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"time"

	"kasse/service"
	"kasse/service/payment"
	"kasse/store"
	"kasse/store/storetest"
)

// person has the words that must not be in Redis after the order was forgotten.
var person = []string{"Lovelace", "augusta", "Marylebone", "James"}

// method is the payment method in records and views.
const method = `"last4":"4242"`

// personal returns a create with personal data in every member that may have some.
func (s *shop) personal() payment.CreateRequest {
	r := s.key(4999)
	r.Metadata = map[string]string{"name": "Ada & Lovelace"}
	r.ReceiptEmail, r.Description = "augusta@example.com", "a book for Marylebone"
	r.Shipping = &payment.Shipping{
		Name: "Lovelace", Address: payment.Address{Line1: "12 St James's Square", Country: "GB"},
	}
	return r
}

// redisHolds returns those words of the person that are in Redis.
func (s *shop) redisHolds() (words []string) {
	client, err := store.Connect("single", "redis://"+s.redis.Addr()+"/0")
	if err != nil {
		s.t.Fatal(err)
	}
	defer client.Close()
	text := fmt.Sprint(storetest.DumpAll(s.t.Context(), client))
	for _, word := range append([]string{method}, person...) {
		if strings.Contains(text, word) {
			words = append(words, word)
		}
	}
	return words
}

// forgets forgets the order.
func (s *shop) forgets() service.Forgotten {
	s.t.Helper()
	done, err := s.svc.Forget(s.t.Context(), "order-1")
	if err != nil {
		s.t.Fatal(err)
	}
	return done
}

// TestForget: a finished order keeps its states and sums, and loses its personal data in the order, the views
// and the stream. No event, read, loss or rebuild restores it.
func TestForget(t *testing.T) {
	s := newShop(t)
	made, _ := s.creates(s.personal())
	_, err := s.svc.Forget(t.Context(), "order-1")
	if err == nil || !strings.Contains(err.Error(), "is pending; cancel it") {
		t.Fatalf("an order that can be paid: %v", err)
	}
	s.confirm(made.ID, "pm_card_visa")
	s.receives("payment_intent.succeeded", service.Applied)
	s.reads(made.ID)
	before := s.shows(made.ID, payment.Paid, 4999)
	if words := s.redisHolds(); len(words) == 0 || before.Metadata["name"] != "Ada & Lovelace" ||
		before.Method == nil || before.ReceiptURL == nil {
		t.Fatalf("before: %v, %+v", words, before)
	}

	if done := s.forgets(); done.Payments != 1 || done.Events != 2 {
		t.Errorf("forgotten: %+v", done)
	}
	after := s.shows(made.ID, payment.Paid, 4999)
	if len(after.Metadata) > 0 || after.Method != nil || after.ReceiptURL != nil || after.Customer == nil ||
		*after.Customer != s.customer || !after.Fulfillable ||
		!after.FulfillableAt.Equal(*before.FulfillableAt) || after.AmountReceived != 4999 {
		t.Errorf("after: %+v", after)
	}
	s.holdsNothing("after forgetting")
	if got := s.announced(); got["order.paid"] != 1 || got["order.updated"] != 1 {
		t.Errorf("events: %v", got)
	}
	if done := s.forgets(); done != (service.Forgotten{}) {
		t.Errorf("forgotten again: %+v", done)
	}

	s.receives("payment_intent.created", service.Unchanged)
	s.receives("payment_intent.succeeded", service.Unchanged)
	s.reads(made.ID)
	s.holdsNothing("after events and a read")
	s.ask("POST", "/v1/refunds", url.Values{"payment_intent": {string(made.ID)}, "amount": {"999"}})
	s.reads(made.ID)
	s.shows(made.ID, payment.PartiallyRefunded, 4999)
	s.holdsNothing("after a refund")
	s.loses()
	s.shows(made.ID, payment.PartiallyRefunded, 4999)
	s.holdsNothing("after a loss and a rebuild")
	s.loseRedis()
	s.reads(made.ID)
	s.shows(made.ID, payment.PartiallyRefunded, 4999)
	s.holdsNothing("after a loss and a read")
}

// holdsNothing fails the test if Redis has a word of the person.
func (s *shop) holdsNothing(when string) {
	s.t.Helper()
	if words := s.redisHolds(); len(words) > 0 {
		s.t.Errorf("%s Redis has %v", when, words)
	}
}

// TestForgetRefuses: Forget returns an error with a reason for an order that is unknown or not finished. A forgotten
// order with a new attempt is not finished.
func TestForgetRefuses(t *testing.T) {
	s := newShop(t)
	_, err := s.svc.Forget(t.Context(), "order-9")
	s.wantCode(err, payment.CodeNotFound)
	made, _ := s.creates(s.personal())
	_, err = s.svc.Forget(t.Context(), "order-1")
	s.wantCode(err, payment.CodeInvalidState)
	s.stripeCancels(made.ID)
	s.receives("payment_intent.canceled", service.Applied)
	s.forgets()
	s.holdsNothing("after forgetting a cancelled order")
	next, v := s.creates(s.personal())
	if v.Attempt != 2 || v.Metadata["name"] != "Ada & Lovelace" {
		t.Errorf("the next attempt is %+v", v)
	}
	_, err = s.svc.Forget(t.Context(), "order-1")
	if e := s.wantCode(err, payment.CodeInvalidState); !strings.Contains(e.Detail, string(next.ID)) {
		t.Errorf("detail %q", e.Detail)
	}
	s.stripeCancels(next.ID)
	s.reads(next.ID)
	s.forgets()
	s.holdsNothing("after forgetting the next attempt")
}

// TestForgetContinues: if Stripe is unreachable the command fails, and the next one does the rest.
func TestForgetContinues(t *testing.T) {
	s := newShop(t)
	made, _ := s.creates(s.personal())
	s.stripeCancels(made.ID)
	s.receives("payment_intent.canceled", service.Applied)
	s.noAnswer(setsAmount, false) // the mark uses the same path
	if _, err := s.svc.Forget(t.Context(), "order-1"); err == nil {
		t.Fatal("Forget succeeded without Stripe")
	}
	s.sim.ClearFaults()
	if done := s.forgets(); done.Events != 2 {
		t.Errorf("the rest: %+v", done)
	}
	s.holdsNothing("after the second try")
}

// TestForgetIsAudited: the log and the payment's history name the command.
func TestForgetIsAudited(t *testing.T) {
	s := newShop(t)
	var log bytes.Buffer
	s.svc = service.New(s.store, s.faultyStripe, service.Options{
		Name: "kasse", StripeTimeout: stripeTimeout, StripeReads: 100, MaxFailures: 10,
		Logger: slog.New(slog.NewJSONHandler(&log, nil)),
	})
	made, _ := s.creates(s.personal())
	s.stripeCancels(made.ID)
	s.reads(made.ID)
	s.forgets()
	_, _ = s.svc.Forget(t.Context(), "order-9")
	for _, want := range []string{
		`"audit":true,"operation":"forget","result":"ok","order_id":"order-1"`,
		`"audit":true,"operation":"forget","result":"failed","order_id":"order-9"`,
	} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log has no %s: %s", want, &log)
		}
	}
	history, err := s.svc.History(t.Context(), made.ID)
	if err != nil {
		t.Fatal(err)
	}
	if last := history[len(history)-1]; last.By == nil || last.By.Operation != "forget" || last.By.Key != nil ||
		last.Cause != payment.CauseAPI {
		t.Errorf("the history ends with %+v", last)
	}
}

// TestLostAttemptDropsItsForm: the form of an attempt without a response contains personal data. It is
// dropped once Stripe can no longer create its payment, even if no customer returns.
func TestLostAttemptDropsItsForm(t *testing.T) {
	s := newShop(t)
	s.noAnswer(makesPayment, false)
	if _, err := s.svc.Create(t.Context(), s.personal()); err == nil {
		t.Fatal("a create without an answer succeeded")
	}
	s.sim.ClearFaults()
	if words := s.redisHolds(); len(words) != len(person) {
		t.Fatalf("the stored form has %v", words)
	}
	s.pass(2 * time.Hour)
	s.runWorkers()
	if words := s.redisHolds(); len(words) != len(person) {
		t.Fatalf("Stripe still accepts the form, and Redis has only %v of it", words)
	}
	s.pass(24 * time.Hour)
	s.runWorkers()
	s.holdsNothing("after 26 hours")
	if done, err := s.svc.Forget(t.Context(), "order-1"); err != nil || done != (service.Forgotten{}) {
		t.Errorf("the order is not finished: %+v %v", done, err)
	}
}

// TestFoundAttemptDropsItsForm: if Stripe has created the payment, the form is dropped when the payment is
// found.
func TestFoundAttemptDropsItsForm(t *testing.T) {
	s := newShop(t)
	s.noAnswer(makesPayment, true)
	if _, err := s.svc.Create(t.Context(), s.personal()); err == nil {
		t.Fatal("a create without an answer succeeded")
	}
	s.sim.ClearFaults()
	s.pass(2 * time.Minute)
	s.runWorkers()
	for _, word := range s.redisHolds() {
		if word != "Lovelace" { // it is in the payment's metadata
			t.Errorf("Redis has %s", word)
		}
	}
	if ids := s.order().Payment; ids == nil {
		t.Error("the payment was not found")
	}
}
