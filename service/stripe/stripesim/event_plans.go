package stripesim

import (
	"fmt"
	"net/http"
	"time"
)

// eventPlan decides the events of a payment's next change.
type eventPlan struct {
	delivery string
	delay    time.Duration // of a late event
	change   uint64        // number of the change, once it has begun
}

// deliveries are the choices of PlanEvents.
var deliveries = []string{"lost", "doubled", "late"}

const defaultLateness = 10 * time.Second

// PlanEvents plans the delivery of all events of a payment's next change. "lost" delivers none of them, but
// Stripe lists them. "doubled" delivers each twice. "late" delivers them after the delay, 10 s if zero. An
// empty delivery ends the plan.
func (s *Server) PlanEvents(paymentIntent, delivery string, delay time.Duration) error {
	return s.withIntent(paymentIntent, func(a *account, pi *intent) *failure {
		switch delivery {
		case "":
			delete(a.eventPlans, pi.ID)
		case "lost", "doubled", "late":
			if delay <= 0 {
				delay = defaultLateness
			}
			a.eventPlans[pi.ID] = &eventPlan{delivery: delivery, delay: delay}
			a.activity.add(Activity{Kind: "plan", At: a.opts.Now(), PaymentIntent: pi.ID, Plan: delivery})
		default:
			return invalid("", "delivery", "Invalid delivery: %s; must be one of %v", delivery, deliveries)
		}
		return nil
	})
}

// planFor returns the plan for a new event of the payment; the zero value without a plan. A plan ends with
// its change.
func (a *account) planFor(payment string) eventPlan {
	plan := a.eventPlans[payment]
	if plan == nil {
		return eventPlan{}
	}
	if plan.change == 0 {
		plan.change = a.changes
	}
	if plan.change != a.changes {
		delete(a.eventPlans, payment)
		return eventPlan{}
	}
	return *plan
}

// dispatch sends an event according to its payment's plan. delay comes from the fault rates.
func (a *account) dispatch(e *event, delay time.Duration) {
	plan := a.planFor(e.payment)
	switch plan.delivery {
	case "lost":
		e.PendingWebhooks = 0
		a.activity.add(e.activity("lost", a.opts.Now()))
	case "doubled":
		a.send(e, delay)
		a.send(e, delay)
	case "late":
		a.activity.add(e.activity("late", a.opts.Now()))
		a.send(e, max(delay, plan.delay))
	default:
		a.send(e, delay)
	}
}

// ResendEvent delivers an earlier event to every endpoint again, unchanged.
func (s *Server) ResendEvent(id string) error {
	return s.locked(func(a *account) error {
		e, ok := a.events.find(id)
		if !ok {
			return missing("event", id, "id")
		}
		a.send(e, 0)
		return nil
	})
}

// LetPass lets d pass for all timers: work that is due within d is done now, with its events. The clock
// stays, so that callers with their own clock accept the events.
func (s *Server) LetPass(d time.Duration) {
	_ = s.locked(func(a *account) error {
		for i := range a.scheduler {
			a.scheduler[i].at = a.scheduler[i].at.Add(-max(0, d))
		}
		a.runDue()
		return nil
	})
}

type (
	eventPlanBody struct {
		Delivery string `json:"delivery"` // "lost", "doubled" or "late"; empty ends the plan
		Delay    span   `json:"delay,omitempty"`
	}
	passBody struct {
		Time span `json:"time"`
	}
)

// deliveryRoutes control the delivery of events and show the activity.
func (s *Server) deliveryRoutes() []controlRoute {
	return []controlRoute{
		{
			Route: "GET /activity", handle: s.showActivity,
			Does: "requests and deliveries after=NUMBER, oldest first; with wait=25s it waits for the first",
		},
		routeWithBody("POST /payments/{id}/next_events", "the events of the next change are lost, repeated or late",
			eventPlanBody{"late", span(defaultLateness)}, func(r *http.Request, in eventPlanBody) (any, error) {
				return ended(s.PlanEvents(r.PathValue("id"), in.Delivery, time.Duration(in.Delay)))
			}),
		{
			Route: "POST /events/{id}/resend", Does: "deliver an event again, as it was",
			handle: func(r *http.Request) (any, error) { return ended(s.ResendEvent(r.PathValue("id"))) },
		},
		routeWithBody("POST /pass", "run now what is due within a time; the clock stays", passBody{
			span(120 * time.Hour),
		},
			func(_ *http.Request, in passBody) (any, error) {
				if in.Time <= 0 {
					return nil, fmt.Errorf("time must be more than zero, such as 120h")
				}
				s.LetPass(time.Duration(in.Time))
				return done, nil
			}),
	}
}
