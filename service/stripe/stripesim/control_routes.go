package stripesim

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"time"
)

type (
	// faultBody is a Fault whose delay is in Go's notation.
	faultBody struct {
		Fault
		Delay span `json:"delay,omitempty"`
	}
	latencyBody struct {
		Endpoint string `json:"endpoint"`
		Delay    span   `json:"delay"`
	}
	clockBody struct {
		Advance span `json:"advance"`
	}
	ratesBody struct {
		Duplicate float64 `json:"duplicate"`
		Reorder   float64 `json:"reorder"`
		Drop      float64 `json:"drop"`
	}
	drainBody struct {
		Timeout span `json:"timeout"`
	}
)

// done is the response of a route without a result.
var done = document{"done": true}

func ended(err error) (any, error) { return done, err }

func named(id string, err error) (any, error) { return document{"id": id}, err }

// controlRoutes are all routes of the control surface.
func (s *Server) controlRoutes() []controlRoute {
	return slices.Concat(s.serverRoutes(), s.eventRoutes(), s.deliveryRoutes(), s.paymentRoutes(), s.moneyRoutes())
}

func (s *Server) serverRoutes() []controlRoute {
	return []controlRoute{
		plainRoute("GET /stats", "requests by endpoint, objects, deliveries outstanding",
			func() (any, error) { return s.stats(), nil }),
		plainRoute("GET /requests", "the requests the API received, oldest first",
			func() (any, error) { return s.Requests(), nil }),
		plainRoute("POST /reset", "forget every object, event, key and fault",
			func() (any, error) { s.Reset(); return done, nil }),
		plainRoute("GET /faults", "faults that no request has met yet", func() (any, error) { return s.Faults(), nil }),
		plainRoute("DELETE /faults", "end all faults and latencies",
			func() (any, error) { s.ClearFaults(); return done, nil }),
		routeWithBody("POST /faults", "make requests meet a fault",
			faultBody{Fault: Fault{Endpoint: "POST /v1/payment_intents", Kind: Dropped, After: true, Times: 1}},
			func(_ *http.Request, in faultBody) (any, error) {
				in.Fault.Delay = time.Duration(in.Delay)
				return ended(s.AddFault(in.Fault))
			}),
		routeWithBody("POST /latency", "make an endpoint, or all, slow", latencyBody{
			Delay: span(200 * time.Millisecond),
		},
			func(_ *http.Request, in latencyBody) (any, error) {
				return ended(s.SetLatency(in.Endpoint, time.Duration(in.Delay)))
			}),
		routeWithBody("POST /rates", "change the rates of events that are repeated, late, or never made",
			ratesBody{Duplicate: 0.1},
			func(_ *http.Request, in ratesBody) (any, error) {
				s.SetRates(in.Duplicate, in.Reorder, in.Drop)
				return done, nil
			}),
		plainRoute(
			"GET /clock", "the simulator's time",
			func() (any, error) { return document{"now": s.Now().UTC()}, nil },
		),
		routeWithBody("POST /clock", "move the clock forward", clockBody{Advance: span(24 * time.Hour)},
			func(_ *http.Request, in clockBody) (any, error) {
				s.Advance(time.Duration(in.Advance))
				return document{"now": s.Now().UTC()}, nil
			}),
		plainRoute(
			"GET /webhooks", "the endpoints, without their secrets",
			func() (any, error) { return s.webhooks(), nil },
		),
		plainRoute("DELETE /webhooks", "send no more events",
			func() (any, error) { s.RemoveWebhooks(); return done, nil }),
		routeWithBody("POST /webhooks", "send events to a further endpoint",
			Webhook{URL: "http://127.0.0.1:8080/webhooks/stripe", Secret: "whsec_"},
			func(_ *http.Request, in Webhook) (any, error) { s.AddWebhook(in); return done, nil }),
		routeWithBody("POST /drain", "wait until every event has arrived", drainBody{Timeout: span(10 * time.Second)},
			func(r *http.Request, in drainBody) (any, error) {
				ctx, cancel := context.WithTimeout(r.Context(), time.Duration(either(in.Timeout, span(10*time.Second))))
				defer cancel()
				return ended(s.Drain(ctx))
			}),
	}
}

// stats is the response of GET /stats.
func (s *Server) stats() document {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.account
	return document{
		"now": a.now().UTC(), "requests": maps.Clone(s.requestLog.counts), "undelivered": a.outbox.undelivered,
		"events_made": len(a.events.rows), "events_due": a.eventFaults.made,
		"objects": document{
			"customers": len(a.customers.rows), "payment_intents": len(a.intents.rows), "charges": len(a.charges.rows),
			"refunds":  len(a.refunds.rows),
			"disputes": len(a.disputes.rows), "customer_sessions": len(a.sessions),
		},
	}
}

func (s *Server) webhooks() []Webhook {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []Webhook{}
	for _, h := range s.account.hooks {
		shown := h.Webhook
		shown.Secret = ""
		out = append(out, shown)
	}
	return out
}
