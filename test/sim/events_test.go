package sim_test

import (
	"fmt"
	"time"

	"kasse/service/payment"
)

// event is one of Stripe's events. It is delivered until it is acknowledged.
type event struct {
	payment.StripeEvent
	payment  *intent
	inFlight bool // a delivery is running
	acked    bool
	ackedAt  time.Time
	losses   int  // Redis's losses when the acknowledged delivery began
	ignored  bool // it was acknowledged when its payment had no record
}

// announce makes an event of a PaymentIntent.
func (s *stripe) announce(p *intent, kind string) {
	if s.sim.settings.omitEvents && s.sim.fault(0.02) {
		s.sim.tracef("  Stripe omits the event %s of %s", kind, p.id)
		p.eventOmitted = true
		return
	}
	shown := p.show()
	e := s.newEvent(p, kind)
	e.Intent = &shown
	if s.sim.fault(0.02) { // Stripe sends some events twice
		twin := *e
		twin.ID += "b"
		s.events = append(s.events, &twin)
	}
}

// newEvent makes an event without content. Its id does not reveal its order.
func (s *stripe) newEvent(p *intent, kind string) *event {
	e := &event{payment: p, StripeEvent: payment.StripeEvent{
		ID: fmt.Sprintf("evt_%03d", (len(s.events)+1)*37%997), Type: kind, Created: s.clock(), APIVersion: "2024-06-20",
	}}
	s.events = append(s.events, e)
	return e
}

// parse returns the event of an id, as a webhook or a list has it.
func (s *stripe) parse(id string) (payment.StripeEvent, error) {
	for _, e := range s.events {
		if e.ID == id {
			return e.show(), nil
		}
	}
	return payment.StripeEvent{}, &payment.Error{Code: payment.CodeInvalidSignature, Detail: "no such event"}
}

func (e *event) show() payment.StripeEvent {
	shown := e.StripeEvent
	if shown.Intent != nil {
		shown.Intent = new(*e.Intent)
	}
	return shown
}

// facts returns the event's facts, as the service merges them.
func (e *event) facts() []payment.RecordFact {
	if e.Intent == nil {
		return e.Facts
	}
	return []payment.RecordFact{e.Fact()}
}
