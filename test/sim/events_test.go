package sim_test

import (
	"fmt"

	"kasse/service"
)

// event is one that Stripe has made, and delivers until it is acknowledged.
type event struct {
	service.Notice
	payment *intent
	flying  bool // a delivery is under way
	acked   bool
	ignored bool // it was acknowledged when its payment had no record
}

// announce makes an event of a payment.
func (s *stripe) announce(p *intent, kind string) {
	if s.world.fault(0.02) { // and fails to make some at all
		s.world.note("  Stripe makes no event of it: %s of %s", kind, p.id)
		p.silent = true
		return
	}
	shown := p.show()
	e := s.newEvent(p, kind)
	e.Intent = &shown
	if s.world.fault(0.02) { // Stripe makes some twice
		twin := *e
		twin.ID += "b"
		s.events = append(s.events, &twin)
	}
}

// newEvent makes one without content. Its id tells nothing of its place.
func (s *stripe) newEvent(p *intent, kind string) *event {
	e := &event{payment: p, Notice: service.Notice{
		ID: fmt.Sprintf("evt_%03d", (len(s.events)+1)*37%997), Type: kind, Created: s.clock(), APIVersion: "2024-06-20",
	}}
	s.events = append(s.events, e)
	return e
}

func (s *stripe) notice(id string) (service.Notice, error) {
	for _, e := range s.events {
		if e.ID == id {
			n := e.Notice
			if n.Intent != nil {
				n.Intent = new(*e.Intent)
			}
			return n, nil
		}
	}
	return service.Notice{}, &service.Error{Code: service.CodeInvalidSignature, Detail: "no such event"}
}

// facts are what an event says, as the service merges it.
func (e *event) facts() []service.Fact {
	if e.Intent == nil {
		return e.Returned
	}
	seen := service.Sighting{At: e.Created, Event: e.ID, APIVersion: e.APIVersion, Snapshot: e.Intent.Snapshot}
	if e.Type == "payment_intent.created" {
		return []service.Fact{service.Opening{Sighting: seen}}
	}
	return []service.Fact{service.Event{Sighting: seen}}
}
