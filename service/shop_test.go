package service_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"testing"
	"time"

	"kasse/service"
	"kasse/service/payment"
	"kasse/service/stripe/stripesim"
)

// Endpoints of Stripe in which stories cause faults.
const (
	makesPayment   = "POST /v1/payment_intents"
	cancelsPayment = "POST /v1/payment_intents/{intent}/cancel"
	setsAmount     = "POST /v1/payment_intents/{intent}"
	listsPayments  = "GET /v1/payment_intents"
)

// shop is one order with one replica. A webhook is delivered only if the story does that.
type shop struct {
	*serviceEnv
	svc          *service.Service
	faultyStripe *faultyStripe
	customer     payment.CustomerID
	passed       time.Duration
}

// faultyStripe runs a story's function just before or after a call to Stripe, and may drop results.
type faultyStripe struct {
	service.Stripe
	beforeOpen, beforeCancel, beforeUpdate, afterUpdate func()

	loses        bool // the response of OpenPayment is lost
	findsNothing bool // FindPayments returns nothing
}

func (m *faultyStripe) OpenPayment(ctx context.Context, key, form string) (payment.Answer, error) {
	do(&m.beforeOpen)
	answer, err := m.Stripe.OpenPayment(ctx, key, form)
	if m.loses {
		return payment.Answer{}, errDead
	}
	return answer, err
}

func (m *faultyStripe) CancelPayment(ctx context.Context, id payment.ID, reason string) (payment.Answer, error) {
	do(&m.beforeCancel)
	return m.Stripe.CancelPayment(ctx, id, reason)
}

func (m *faultyStripe) UpdateAmount(ctx context.Context, id payment.ID, amount, rev int64) (payment.Answer, error) {
	do(&m.beforeUpdate)
	defer do(&m.afterUpdate)
	return m.Stripe.UpdateAmount(ctx, id, amount, rev)
}

func (m *faultyStripe) FindPayments(
	ctx context.Context, order payment.OrderID, customer payment.CustomerID, since, until time.Time,
) ([]payment.Answer, error) {
	if m.findsNothing {
		return nil, nil
	}
	return m.Stripe.FindPayments(ctx, order, customer, since, until)
}

// do runs the function once.
func do(act *func()) {
	if f := *act; f != nil {
		*act = nil
		f()
	}
}

func newShop(t *testing.T) *shop {
	t.Helper()
	s := &shop{serviceEnv: newServiceEnv(t)}
	s.faultyStripe = &faultyStripe{Stripe: s.gateway()}
	s.svc = s.replica(s.store, s.faultyStripe)
	s.customer = s.serviceEnv.customer()
	return s
}

// token returns a create with a token of this rev, in Unix milliseconds.
func (s *shop) token(rev, amount int64) payment.CreateRequest {
	r := s.key(amount)
	r.Rev = rev
	return r
}

// key returns a create by a service key.
func (s *shop) key(amount int64) payment.CreateRequest { return order("order-1", s.customer, amount) }

// creates sends a create that must succeed.
func (s *shop) creates(r payment.CreateRequest) (service.Opened, payment.View) {
	s.t.Helper()
	opened, err := s.svc.Create(s.t.Context(), r)
	if err != nil {
		s.t.Fatal(err)
	}
	return opened, view(s.t, opened.View)
}

// refuses sends a create and requires an error with this code.
func (s *shop) refuses(r payment.CreateRequest, want payment.Code) *payment.Error {
	s.t.Helper()
	_, err := s.svc.Create(s.t.Context(), r)
	return s.wantCode(err, want)
}

// wantCode requires an error with this code.
func (s *shop) wantCode(err error, want payment.Code) *payment.Error {
	s.t.Helper()
	var e *payment.Error
	if !errors.As(err, &e) || e.Code != want {
		s.t.Fatalf("got error %v, want %s", err, want)
	}
	return e
}

// shows checks a payment's view.
func (s *shop) shows(id payment.ID, state payment.State, amount int64) payment.View {
	s.t.Helper()
	stored, err := s.svc.Status(s.t.Context(), service.Caller{Key: "test"}, id)
	if err != nil {
		s.t.Fatal(err)
	}
	v := view(s.t, stored.View)
	if v.State != state || v.Amount != amount {
		s.t.Fatalf("%s shows %s over %d, want %s over %d", id, v.State, v.Amount, state, amount)
	}
	return v
}

// atStripe checks a payment's state at Stripe.
func (s *shop) atStripe(id payment.ID, status payment.Status, amount float64) {
	s.t.Helper()
	found := s.ask(http.MethodGet, "/v1/payment_intents/"+string(id), nil)
	if found["status"] != string(status) || found["amount"] != amount {
		s.t.Fatalf("at Stripe: %v over %v, want %s over %v", found["status"], found["amount"], status, amount)
	}
}

func (s *shop) stripeCancels(id payment.ID) {
	s.t.Helper()
	s.ask(http.MethodPost, "/v1/payment_intents/"+string(id)+"/cancel", url.Values{})
}

// becomes sets a payment's status at Stripe, as an action of its customer or bank does.
func (s *shop) becomes(id payment.ID, status payment.Status) {
	s.t.Helper()
	if err := s.sim.SetStatus(string(id), string(status)); err != nil {
		s.t.Fatal(err)
	}
}

// fails adds a fault of Stripe.
func (s *shop) fails(f stripesim.Fault) {
	s.t.Helper()
	if err := s.sim.AddFault(f); err != nil {
		s.t.Fatal(err)
	}
}

// noAnswer breaks every connection to the endpoint until the faults are cleared.
func (s *shop) noAnswer(endpoint string, after bool) {
	s.t.Helper()
	s.fails(stripesim.Fault{Endpoint: endpoint, Kind: stripesim.Dropped, After: after, Times: -1})
}

// noAnswerInTime makes every call of the endpoint hang until the faults are cleared.
func (s *shop) noAnswerInTime(endpoint string) {
	s.t.Helper()
	s.fails(stripesim.Fault{Endpoint: endpoint, Kind: stripesim.Timeout, Times: -1})
}

// pass moves the clocks of Redis and Stripe.
func (s *shop) pass(d time.Duration) {
	s.passed += d
	s.sim.Advance(d)
	s.later(s.passed)
}

// now returns Redis's time, in Unix milliseconds.
func (s *shop) now() int64 { return time.Now().Add(s.passed).UnixMilli() }

// runWorkers reads the payments whose reads are due, and attends to the orders in the attention queue, once.
func (s *shop) runWorkers() {
	s.t.Helper()
	ids, err := s.store.ClaimReads(s.t.Context(), 100, time.Minute)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, id := range ids {
		if err := s.svc.ReadWithinBudget(s.t.Context(), id); err != nil {
			s.t.Fatal(err)
		}
	}
	orders, err := s.store.ClaimOrders(s.t.Context(), 100, time.Minute)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, id := range orders {
		if err := s.svc.AttendOrder(s.t.Context(), id); err != nil {
			s.t.Fatal(err)
		}
	}
}

// reads reads one payment at Stripe.
func (s *shop) reads(id payment.ID) {
	s.t.Helper()
	if err := s.svc.Read(s.t.Context(), id); err != nil {
		s.t.Fatal(err)
	}
}

// order returns the order as a service key sees it.
func (s *shop) order() service.OrderView {
	s.t.Helper()
	whole, err := s.svc.Order(s.t.Context(), service.Caller{Key: "test"}, "order-1")
	if err != nil {
		s.t.Fatal(err)
	}
	return whole
}

// announced counts the sent events by type.
func (s *shop) announced() map[string]int {
	s.t.Helper()
	page, err := s.svc.Events(s.t.Context(), payment.FeedQuery{Limit: 500}, service.WaitOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	count := map[string]int{}
	for _, e := range page.Events {
		count[e.Type]++
	}
	return count
}
