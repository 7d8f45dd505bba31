package stripesim

import (
	"context"
	"maps"
	"net/http"
	"time"
)

type (
	// faultOrder is a Fault whose delay is written as people write it.
	faultOrder struct {
		Fault
		Delay span `json:"delay,omitempty"`
	}
	latencyOrder struct {
		Endpoint string `json:"endpoint"`
		Delay    span   `json:"delay"`
	}
	clockOrder struct {
		Advance span `json:"advance"`
	}
	ratesOrder struct {
		Duplicate float64 `json:"duplicate"`
		Reorder   float64 `json:"reorder"`
		Drop      float64 `json:"drop"`
	}
	statusOrder struct {
		Status string `json:"status"`
	}
	outcomeOrder struct {
		Fail bool `json:"fail"`
	}
	amountOrder struct {
		Amount int64 `json:"amount"`
	}
	disputeOrder struct {
		Reason  string `json:"reason"`
		Inquiry bool   `json:"inquiry"`
	}
	methodOrder struct {
		PaymentMethod  string `json:"payment_method"`
		AllowRedisplay string `json:"allow_redisplay"`
	}
	drainOrder struct {
		Timeout span `json:"timeout"`
	}
)

// done is the answer of a lever that has nothing to tell.
var done = document{"done": true}

func ended(err error) (any, error) { return done, err }

func named(id string, err error) (any, error) { return document{"id": id}, err }

// levers is the control surface.
func (s *Server) levers() []lever {
	return append(s.machineLevers(), s.paymentLevers()...)
}

func (s *Server) machineLevers() []lever {
	return []lever{
		plainLever("GET /stats", "requests by endpoint, objects, deliveries outstanding", func() (any, error) { return s.stats(), nil }),
		plainLever("GET /requests", "the requests the API received, oldest first", func() (any, error) { return s.Requests(), nil }),
		plainLever("POST /reset", "forget every object, event, key and fault", func() (any, error) { s.Reset(); return done, nil }),
		plainLever("GET /faults", "faults that wait for a request", func() (any, error) { return s.Faults(), nil }),
		plainLever("DELETE /faults", "end all faults and latencies", func() (any, error) { s.ClearFaults(); return done, nil }),
		pulled("POST /faults", "let requests meet a fault", faultOrder{Fault: Fault{Endpoint: "POST /v1/payment_intents", Kind: Dropped, After: true, Times: 1}},
			func(_ *http.Request, in faultOrder) (any, error) {
				in.Fault.Delay = time.Duration(in.Delay)
				return ended(s.AddFault(in.Fault))
			}),
		pulled("POST /latency", "make an endpoint, or all, slow", latencyOrder{Delay: span(200 * time.Millisecond)},
			func(_ *http.Request, in latencyOrder) (any, error) {
				return ended(s.SetLatency(in.Endpoint, time.Duration(in.Delay)))
			}),
		pulled("POST /rates", "change the rates of events that are repeated, late, or never made", ratesOrder{Duplicate: 0.1},
			func(_ *http.Request, in ratesOrder) (any, error) {
				s.SetRates(in.Duplicate, in.Reorder, in.Drop)
				return done, nil
			}),
		plainLever("GET /clock", "the simulator's time", func() (any, error) { return document{"now": s.Now().UTC()}, nil }),
		pulled("POST /clock", "move the clock forward", clockOrder{Advance: span(24 * time.Hour)}, func(_ *http.Request, in clockOrder) (any, error) {
			s.Advance(time.Duration(in.Advance))
			return document{"now": s.Now().UTC()}, nil
		}),
		plainLever("GET /webhooks", "the endpoints, without their secrets", func() (any, error) { return s.webhooks(), nil }),
		plainLever("DELETE /webhooks", "send events to nobody from now on", func() (any, error) { s.RemoveWebhooks(); return done, nil }),
		pulled("POST /webhooks", "send events to a further endpoint", Webhook{URL: "http://127.0.0.1:8080/webhooks/stripe", Secret: "whsec_"},
			func(_ *http.Request, in Webhook) (any, error) { s.AddWebhook(in); return done, nil }),
		pulled("POST /drain", "wait until every event has arrived", drainOrder{Timeout: span(10 * time.Second)}, func(r *http.Request, in drainOrder) (any, error) {
			ctx, cancel := context.WithTimeout(r.Context(), time.Duration(either(in.Timeout, span(10*time.Second))))
			defer cancel()
			return ended(s.Drain(ctx))
		}),
	}
}

func (s *Server) paymentLevers() []lever {
	return []lever{
		plainLever("POST /settle", "settle every debit and refund under way", func() (any, error) { s.SettleAll(); return done, nil }),
		pulled("POST /payments/{id}/settle", "the bank's answer to a debit", outcomeOrder{}, func(r *http.Request, in outcomeOrder) (any, error) {
			return ended(s.Settle(r.PathValue("id"), !in.Fail))
		}),
		pulled("POST /payments/{id}/status", "bring a payment to a status, with the events on the way", statusOrder{"succeeded"},
			func(r *http.Request, in statusOrder) (any, error) {
				return ended(s.SetStatus(r.PathValue("id"), in.Status))
			}),
		pulled("POST /payments/{id}/authenticate", "answer the bank page or challenge", outcomeOrder{},
			func(r *http.Request, in outcomeOrder) (any, error) {
				return ended(s.Authenticate(r.PathValue("id"), !in.Fail))
			}),
		pulled("POST /payments/{id}/refund", "give back an amount; 0 is all that is left", amountOrder{500},
			func(r *http.Request, in amountOrder) (any, error) {
				return named(s.Refund(r.PathValue("id"), in.Amount))
			}),
		pulled("POST /payments/{id}/dispute", "dispute the charge", disputeOrder{Reason: "fraudulent"},
			func(r *http.Request, in disputeOrder) (any, error) {
				return named(s.OpenDispute(r.PathValue("id"), in.Reason, in.Inquiry))
			}),
		pulled("POST /disputes/{id}", "won, lost or under_review", statusOrder{"won"}, func(r *http.Request, in statusOrder) (any, error) {
			return ended(s.MoveDispute(r.PathValue("id"), in.Status))
		}),
		pulled("POST /refunds/{id}", "pending, requires_action, succeeded, failed or canceled", statusOrder{"failed"},
			func(r *http.Request, in statusOrder) (any, error) {
				return ended(s.MoveRefund(r.PathValue("id"), in.Status))
			}),
		pulled("POST /customers/{id}/payment_methods", "save a payment method", methodOrder{"pm_card_visa", "always"},
			func(r *http.Request, in methodOrder) (any, error) {
				return named(s.SaveMethod(r.PathValue("id"), in.PaymentMethod, in.AllowRedisplay))
			}),
	}
}

// stats is what GET /stats tells.
func (s *Server) stats() document {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.account
	return document{
		"now": a.now().UTC(), "requests": maps.Clone(s.journal.counts), "undelivered": a.outbox.undelivered, "events_made": len(a.events.rows), "events_due": a.mischief.made,
		"objects": document{
			"customers": len(a.customers.rows), "payment_intents": len(a.intents.rows), "charges": len(a.charges.rows), "refunds": len(a.refunds.rows),
			"disputes": len(a.disputes.rows), "customer_sessions": len(a.sessions),
		},
	}
}

func (s *Server) webhooks() []Webhook {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []Webhook{}
	for _, h := range s.account.hooks {
		out = append(out, Webhook{URL: h.URL, Events: h.Events})
	}
	return out
}
