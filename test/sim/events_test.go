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
}

// announce makes an event. Its id tells nothing of its place.
func (s *stripe) announce(p *intent, kind string) {
	shown := p.show()
	e := &event{payment: p, Notice: service.Notice{
		ID: fmt.Sprintf("evt_%03d", (len(s.events)+1)*37%997), Type: kind, Created: s.clock(), APIVersion: "2024-06-20", Intent: &shown,
	}}
	s.events = append(s.events, e)
	if s.world.fault(0.02) { // Stripe makes some twice
		twin := *e
		twin.ID += "b"
		s.events = append(s.events, &twin)
	}
}

// announceReturn makes the event of a Refund.
func (s *stripe) announceReturn(p *intent, kind string, seen service.RefundSeen) {
	s.events = append(s.events, &event{payment: p, Notice: service.Notice{
		ID: fmt.Sprintf("evt_%03d", (len(s.events)+1)*37%997), Type: kind, Created: s.clock(), APIVersion: "2024-06-20",
		Payment: p.id, Returned: []service.Fact{seen},
	}})
}

func (s *stripe) notice(id string) (service.Notice, error) {
	for _, e := range s.events {
		if e.ID == id {
			n := e.Notice
			if e.Intent != nil {
				shown := *e.Intent
				n.Intent = &shown
			}
			return n, nil
		}
	}
	return service.Notice{}, &service.Error{Code: service.CodeInvalidSignature, Detail: "no such event"}
}

// fact is what an event says, as the service merges it.
func (e *event) fact() service.Fact {
	if e.Intent == nil {
		return e.Returned[0]
	}
	seen := service.Sighting{At: e.Created, Event: e.ID, APIVersion: e.APIVersion, Snapshot: e.Intent.Snapshot}
	if e.Type == "payment_intent.created" {
		return service.Opening{Sighting: seen}
	}
	return service.Event{Sighting: seen}
}
