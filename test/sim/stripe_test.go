package sim_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"kasse/service/payment"
)

// stripe holds the reference state: every PaymentIntent, which follows the rules of Stripe's lifecycle page.
//
// Source: https://docs.stripe.com/payments/paymentintents/lifecycle
type stripe struct {
	sim     *simulation
	intents []*intent // oldest first
	events  []*event  // oldest first
	keys    map[string]storedResult

	refunds    []*refund // oldest first
	refundKeys map[string]storedRefund

	requests int
	charges  int
	sessions int
}

// intent is a PaymentIntent with its past states.
type intent struct {
	payment.Snapshot
	id           payment.ID
	origin       payment.Origin
	created      int64 // Unix seconds
	charged      int64 // time of its latest charge, in Unix seconds
	was          []payment.Snapshot
	paid         int   // its number among all successes, from 1; 0: not succeeded
	handedOut    bool  // a customer has its secret
	shownAge     int64 // rev of the newest price with which it was handed out, in Unix milliseconds
	isCopy       bool  // made by another user with a copy of Kasse's metadata
	read         bool  // the service has read it
	eventOmitted bool  // one of its events was omitted

	withdrawnBy *actor // the create that has canceled it, so that another attempt may follow
}

// payable reports whether the customer can pay now.
func (p *intent) payable() bool {
	return p.Status == payment.RequiresPaymentMethod || p.Status == payment.RequiresConfirmation ||
		p.Status == payment.RequiresAction
}

// storedResult is the result that Stripe stores for an idempotency key.
type storedResult struct {
	form   string
	until  time.Time
	answer payment.Answer
	err    *payment.Error
}

// form is the request of an attempt.
type form struct {
	Terms    payment.Terms     `json:"terms"`
	Metadata map[string]string `json:"metadata"`
}

func formOf(c payment.CreateRequest, terms payment.Terms, attempt int, rev int64) string {
	text, _ := json.Marshal(form{Terms: terms, Metadata: map[string]string{
		"kasse_service": "kasse", "kasse_order_id": string(c.Order),
		"kasse_attempt": strconv.Itoa(attempt), "kasse_rev": strconv.FormatInt(rev, 10),
	}})
	return string(text)
}

// clock returns the time of one of Stripe's machines, in Unix seconds. Their clocks differ a little.
func (s *stripe) clock() int64 {
	return time.Now().Add(s.sim.upTo(400*time.Millisecond) - 200*time.Millisecond).Unix()
}

func (s *stripe) intent(id payment.ID) *intent {
	for _, p := range s.intents {
		if p.id == id {
			return p
		}
	}
	return nil
}

// of returns the PaymentIntents that name an order, oldest first.
func (s *stripe) of(id payment.OrderID) []*intent {
	return slices.DeleteFunc(slices.Clone(s.intents), func(p *intent) bool { return p.origin.Order != id })
}

// show returns the PaymentIntent's current state.
func (p *intent) show() payment.Intent {
	snapshot := p.Snapshot
	if p.Failure != nil {
		snapshot.Failure = new(*p.Failure)
	}
	return payment.Intent{
		ID: p.id, Created: p.created, ClientSecret: payment.Secret(string(p.id) + "_secret_x"), Snapshot: snapshot,
	}
}

func (s *stripe) answer(p *intent) payment.Answer {
	s.requests++
	p.read = true
	a := payment.Answer{Intent: p.show(), RequestID: fmt.Sprintf("req_%d", s.requests), Date: s.clock()}
	if p.AmountReceived > 0 {
		a.Charged = p.charged
	}
	return a
}

// open makes a PaymentIntent, or returns the stored response of the key.
func (s *stripe) open(key, text string) (payment.Answer, error) {
	if k, known := s.keys[key]; known && time.Now().Before(k.until) && !s.sim.mutant.forgetKeys {
		return s.replay(k, text)
	}
	var f form
	if err := json.Unmarshal([]byte(text), &f); err != nil {
		return payment.Answer{}, err
	}
	// Source: https://docs.stripe.com/api/idempotent_requests, "after they're at least 24 hours old"
	k := storedResult{form: text, until: time.Now().Add(24*time.Hour + s.sim.upTo(time.Hour)), err: refusal(f.Terms)}
	failed := &payment.Error{Code: payment.CodeStripeError, Detail: "a failure that Stripe stores with the key"}
	switch {
	case k.err != nil:
	case s.sim.fault(0.03):
		k.err = failed
	case s.sim.fault(0.03):
		s.make(f, key)
		k.err = failed
	default:
		k.answer = s.answer(s.make(f, key))
	}
	s.keys[key] = k
	if k.err != nil {
		return payment.Answer{}, k.err
	}
	return k.answer, nil
}

// replay returns the stored response of an idempotency key, with a new date.
func (s *stripe) replay(k storedResult, text string) (payment.Answer, error) {
	if k.form != text {
		return payment.Answer{}, &payment.Error{
			Code: payment.CodeStripeError, Detail: "the key was used for another form", Replayed: true, Mismatch: true,
		}
	}
	if k.err != nil {
		e := *k.err
		e.Replayed = true
		return payment.Answer{}, &e
	}
	return s.repeated(k.answer).(payment.Answer), nil
}

// repeated returns the response to a call that the client has sent again: the first response with a new date.
func (s *stripe) repeated(value any) any {
	a, ok := value.(payment.Answer)
	if !ok {
		return value
	}
	s.requests++
	a.RequestID, a.Date, a.Stale = fmt.Sprintf("req_%d", s.requests), s.clock(), true
	return a
}

// tooSmall is an amount below Stripe's minimum, in minor units.
const tooSmall = 50

func refusal(t payment.Terms) *payment.Error {
	if t.Amount < tooSmall {
		return &payment.Error{Code: payment.CodeAmountOutOfRange, Detail: "too small", Refused: true}
	}
	return nil
}

// make makes a PaymentIntent with an idempotency key; an empty key stands for another user.
func (s *stripe) make(f form, key string) *intent {
	p := &intent{
		id: payment.ID(fmt.Sprintf("pi_%d", len(s.intents)+1)), created: s.clock(), isCopy: key == "",
		origin: payment.OriginOf(f.Metadata),
		Snapshot: payment.Snapshot{
			Status: payment.RequiresPaymentMethod, Amount: f.Terms.Amount, Currency: f.Terms.Currency,
			Customer: f.Terms.Customer, CaptureMethod: f.Terms.CaptureMethod,
			SetupFutureUsage: f.Terms.SetupFutureUsage, Metadata: f.Metadata,
		},
	}
	s.intents = append(s.intents, p)
	s.sim.tracef("  Stripe makes %s for attempt %d of %s: %d %s, customer %q", p.id, p.origin.Attempt, p.origin.Order,
		p.Amount, p.Currency, p.Customer)
	s.changed(p, "payment_intent.created")
	for _, e := range s.events {
		if e.payment == p {
			e.Key = key
		}
	}
	return p
}

func (s *stripe) session() payment.Session {
	s.sessions++
	return payment.Session{
		ClientSecret: payment.Secret(fmt.Sprintf("cuss_%d", s.sessions)), ExpiresAt: time.Now().Add(30 * time.Minute),
	}
}

// updateAmount changes the amount and clears the last error. Stripe makes no event of it.
func (s *stripe) updateAmount(id payment.ID, amount, rev int64) (payment.Answer, error) {
	p := s.intent(id)
	switch {
	case p == nil:
		return payment.Answer{}, missing()
	case amount < tooSmall:
		return payment.Answer{}, refusal(payment.Terms{Amount: amount})
	case !p.payable():
		return payment.Answer{}, s.refuse(p)
	}
	p.Amount, p.Failure, p.Metadata = amount, nil, maps.Clone(p.Metadata)
	p.Metadata["kasse_rev"] = strconv.FormatInt(rev, 10)
	s.sim.checkPrice(p)
	s.changed(p, "")
	return s.answer(p), nil
}

func (s *stripe) cancel(id payment.ID, by *actor) (payment.Answer, error) {
	p := s.intent(id)
	switch {
	case p == nil:
		return payment.Answer{}, missing()
	case !p.payable() && p.Status != payment.RequiresCapture:
		return payment.Answer{}, s.refuse(p)
	}
	p.withdrawnBy = by
	s.end(p)
	return s.answer(p), nil
}

func (s *stripe) setClosed(id payment.ID, why payment.Closure) error {
	p := s.intent(id)
	if p == nil {
		return missing()
	}
	p.Metadata = maps.Clone(p.Metadata)
	p.Metadata["kasse_closed"] = string(why)
	return nil
}

func (s *stripe) setForgotten(id payment.ID) error {
	p := s.intent(id)
	if p == nil {
		return missing()
	}
	p.Metadata = maps.Clone(p.Metadata)
	p.Metadata["kasse_forgotten"] = "true"
	return nil
}

func (s *stripe) retrieve(id payment.ID) (payment.Answer, error) {
	p := s.intent(id)
	if p == nil {
		return payment.Answer{}, missing()
	}
	a := s.answer(p)
	if p.AmountReceived > 0 {
		a.Reversals = s.reversals(p)
	}
	return a, nil
}

// refuse returns an error with the PaymentIntent's current state.
func (s *stripe) refuse(p *intent) error {
	shown := s.answer(p)
	return &payment.Error{Code: payment.CodeStripeError, Detail: "unexpected state", Refused: true, Intent: &shown}
}

func missing() error {
	return &payment.Error{Code: payment.CodeNotFound, Detail: "no such PaymentIntent", Refused: true}
}
