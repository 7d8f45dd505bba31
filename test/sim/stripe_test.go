package sim_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"kasse/service"
)

// stripe knows the truth: what has become of every payment, by the rules of Stripe's lifecycle page.
//
// Source: https://docs.stripe.com/payments/paymentintents/lifecycle
type stripe struct {
	world   *world
	intents []*intent // oldest first
	events  []*event  // oldest first
	keys    map[string]kept

	refunds    []*refund // oldest first
	refundKeys map[string]keptRefund

	requests int
	charges  int
	sessions int
}

// intent is a PaymentIntent, with all that it has ever been.
type intent struct {
	service.Snapshot
	id      service.PaymentID
	origin  service.Origin
	created int64 // Unix seconds
	was     []service.Snapshot
	paid    int   // its place among all that succeeded, from 1; 0: it has not
	handed  bool  // a customer has its secret
	shown   int64 // age of the youngest price that it was handed out at, in Unix milliseconds
	strange bool  // made by somebody else
	asked   bool  // Stripe was asked about it
	silent  bool  // an event of it was never made
}

// payable reports whether the customer could pay now.
func (p *intent) payable() bool {
	return p.Status == service.RequiresPaymentMethod || p.Status == service.RequiresConfirmation || p.Status == service.RequiresAction
}

// kept is what Stripe remembers of an idempotency key.
type kept struct {
	form   string
	at     time.Time
	answer service.Answer
	err    *service.Error
}

// keysKept is how long Stripe remembers a key at least.
//
// Source: https://docs.stripe.com/api/idempotent_requests
const keysKept = 24 * time.Hour

// form is what is sent for an attempt.
type form struct {
	Terms    service.Terms     `json:"terms"`
	Metadata map[string]string `json:"metadata"`
}

func formOf(c service.CreateRequest, terms service.Terms, attempt int, rev int64) string {
	text, _ := json.Marshal(form{Terms: terms, Metadata: map[string]string{
		"kasse_service": "kasse", "kasse_order_id": string(c.Order),
		"kasse_attempt": strconv.Itoa(attempt), "kasse_rev": strconv.FormatInt(rev, 10),
	}})
	return string(text)
}

// clock is that of one of Stripe's machines; they differ a little.
func (s *stripe) clock() int64 {
	return time.Now().Add(s.world.upTo(400*time.Millisecond) - 200*time.Millisecond).Unix()
}

func (s *stripe) intent(id service.PaymentID) *intent {
	for _, p := range s.intents {
		if p.id == id {
			return p
		}
	}
	return nil
}

// of returns the payments that name an order, oldest first.
func (s *stripe) of(id service.OrderID) []*intent {
	return slices.DeleteFunc(slices.Clone(s.intents), func(p *intent) bool { return p.origin.Order != id })
}

// show copies a payment as it is now.
func (p *intent) show() service.Intent {
	snapshot := p.Snapshot
	if p.Failure != nil {
		snapshot.Failure = new(*p.Failure)
	}
	return service.Intent{ID: p.id, Created: p.created, ClientSecret: service.Secret(string(p.id) + "_secret_x"), Snapshot: snapshot}
}

func (s *stripe) answer(p *intent) service.Answer {
	s.requests++
	p.asked = true
	return service.Answer{Intent: p.show(), RequestID: fmt.Sprintf("req_%d", s.requests), Date: s.clock()}
}

// open makes a payment, or answers what it has answered to the key before.
func (s *stripe) open(key, text string) (service.Answer, error) {
	if k, known := s.keys[key]; known && time.Since(k.at) < keysKept && !s.world.mutant.forgetKeys {
		return s.replay(k, text)
	}
	var f form
	if err := json.Unmarshal([]byte(text), &f); err != nil {
		return service.Answer{}, err
	}
	k := kept{form: text, at: time.Now(), err: refusal(f.Terms)}
	failed := &service.Error{Code: service.CodeStripeError, Detail: "a failure that Stripe remembers"}
	switch {
	case k.err != nil:
	case s.world.fault(0.03):
		k.err = failed
	case s.world.fault(0.03):
		s.make(f, false)
		k.err = failed
	default:
		k.answer = s.answer(s.make(f, false))
	}
	s.keys[key] = k
	if k.err != nil {
		return service.Answer{}, k.err
	}
	return k.answer, nil
}

// replay answers what was answered before, under a new date.
func (s *stripe) replay(k kept, text string) (service.Answer, error) {
	if k.form != text {
		return service.Answer{}, &service.Error{Code: service.CodeStripeError, Detail: "the key was used for another form"}
	}
	if k.err != nil {
		e := *k.err
		e.Replayed = true
		return service.Answer{}, &e
	}
	return s.repeated(k.answer).(service.Answer), nil
}

// repeated is what a client hears that has sent its call again: what was answered at first, under a new date.
func (s *stripe) repeated(value any) any {
	a, ok := value.(service.Answer)
	if !ok {
		return value
	}
	s.requests++
	a.RequestID, a.Date, a.Stale = fmt.Sprintf("req_%d", s.requests), s.clock(), true
	return a
}

// tooSmall is what Stripe does not charge, in minor units.
const tooSmall = 50

func refusal(t service.Terms) *service.Error {
	if t.Amount < tooSmall {
		return &service.Error{Code: service.CodeAmountOutOfRange, Detail: "too small", Refused: true}
	}
	return nil
}

func (s *stripe) make(f form, strange bool) *intent {
	p := &intent{
		id: service.PaymentID(fmt.Sprintf("pi_%d", len(s.intents)+1)), created: s.clock(), strange: strange, origin: service.OriginOf(f.Metadata),
		Snapshot: service.Snapshot{
			Status: service.RequiresPaymentMethod, Amount: f.Terms.Amount, Currency: f.Terms.Currency, Customer: f.Terms.Customer,
			CaptureMethod: f.Terms.CaptureMethod, SetupFutureUsage: f.Terms.SetupFutureUsage, Metadata: f.Metadata,
		},
	}
	s.intents = append(s.intents, p)
	s.world.note("  Stripe makes %s for %s attempt %d over %d", p.id, p.origin.Order, p.origin.Attempt, p.Amount)
	s.happened(p, "payment_intent.created")
	return p
}

// find lists what names the attempt. What a list shows may be older than its date.
func (s *stripe) find(order service.OrderID, a service.Attempt) *service.Answer {
	for _, p := range s.intents {
		if p.origin.Order == order && p.origin.Attempt == a.Number && !p.strange {
			found := s.answer(p)
			found.Stale = true
			return &found
		}
	}
	return nil
}

func (s *stripe) session() service.Session {
	s.sessions++
	return service.Session{ClientSecret: service.Secret(fmt.Sprintf("cuss_%d", s.sessions)), ExpiresAt: time.Now().Add(30 * time.Minute)}
}

// updateAmount makes no event, and clears the last error.
func (s *stripe) updateAmount(id service.PaymentID, amount, rev int64) (service.Answer, error) {
	p := s.intent(id)
	switch {
	case p == nil:
		return service.Answer{}, missing()
	case amount < tooSmall:
		return service.Answer{}, refusal(service.Terms{Amount: amount})
	case !p.payable():
		return service.Answer{}, s.refuse(p)
	}
	p.Amount, p.Failure, p.Metadata = amount, nil, maps.Clone(p.Metadata)
	p.Metadata["kasse_rev"] = strconv.FormatInt(rev, 10)
	s.world.judgePrice(p)
	s.happened(p, "")
	return s.answer(p), nil
}

func (s *stripe) cancel(id service.PaymentID) (service.Answer, error) {
	p := s.intent(id)
	switch {
	case p == nil:
		return service.Answer{}, missing()
	case !p.payable() && p.Status != service.RequiresCapture:
		return service.Answer{}, s.refuse(p)
	}
	s.end(p)
	return s.answer(p), nil
}

func (s *stripe) retrieve(id service.PaymentID) (service.Answer, error) {
	p := s.intent(id)
	if p == nil {
		return service.Answer{}, missing()
	}
	a := s.answer(p)
	if p.AmountReceived > 0 {
		a.Returns = s.returns(p)
	}
	return a, nil
}

// refuse says no, and shows the payment as it is.
func (s *stripe) refuse(p *intent) error {
	shown := s.answer(p)
	return &service.Error{Code: service.CodeStripeError, Detail: "unexpected state", Refused: true, Intent: &shown}
}

func missing() error {
	return &service.Error{Code: service.CodeNotFound, Detail: "no such PaymentIntent", Refused: true}
}
