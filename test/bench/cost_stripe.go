package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"kasse/service/stripe/stripesim"
	"kasse/test/wait"
)

// startStripe starts a simulated Stripe that sends its events to this program.
func (s *costSetup) startStripe(ctx context.Context) (err error) {
	s.events.all = map[string][]byte{}
	s.sim = stripesim.New(stripesim.Options{
		Seed: 1, Webhooks: []stripesim.Webhook{{URL: s.Serve(&s.events).URL, Secret: hookSecret}},
	})
	s.OnClose(s.sim.Close)
	s.stripe = s.Serve(s.sim).URL
	s.counting = s.Serve(http.HandlerFunc(s.countReads)).URL
	s.endpoint = s.Serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusNoContent)
		s.pushed.Add(1)
	})).URL
	s.customer, err = newCustomer(ctx, s.stripe)
	return err
}

// countReads counts the reads of payments. Its list of events is empty. Otherwise the catch-up at a server's start
// would find the events before this program delivers them.
func (s *costSetup) countReads(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet && r.URL.Path == "/v1/events" {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"object":"list","data":[],"has_more":false,"url":"/v1/events"}`)
		return
	}
	s.sim.ServeHTTP(w, r)
	if r.Method == http.MethodGet && strings.HasPrefix(r.URL.Path, "/v1/payment_intents/") {
		s.reads.Add(1)
	}
}

// pushSettings returns the settings of a server with an endpoint.
func (s *costSetup) pushSettings() map[string]string {
	return map[string]string{
		"EVENT_ALLOW_PRIVATE": "true",
		"EVENT_ENDPOINTS":     s.endpoint + "/events=whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
	}
}

// eventBook records the events of the simulated Stripe.
type eventBook struct {
	mu  sync.Mutex
	all map[string][]byte // bodies by payment and type
}

func (e *eventBook) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var event struct {
		Type string
		Data struct {
			Object struct {
				ID            string
				PaymentIntent string `json:"payment_intent"`
			}
		}
	}
	if err != nil || json.Unmarshal(body, &event) != nil {
		return
	}
	payment := event.Data.Object.PaymentIntent
	if payment == "" {
		payment = event.Data.Object.ID
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all[payment+" "+event.Type] = body
}

// deliveries waits for the events of a type about the payments, and returns a signed delivery of each.
func (e *eventBook) deliveries(ctx context.Context, kind string, payments []cart) ([][]byte, error) {
	var all [][]byte
	err := wait.For(ctx, func() error {
		e.mu.Lock()
		defer e.mu.Unlock()
		all = all[:0]
		for _, c := range payments {
			body := e.all[c.payment+" "+kind]
			if body == nil {
				return fmt.Errorf("no %s about %s", kind, c.payment)
			}
			all = append(all, delivery(body))
		}
		return nil
	})
	return all, err
}

// pay sets the status of payments at Stripe to succeeded.
func (s *costSetup) pay(payments []cart) error {
	var all []error
	for _, c := range payments {
		all = append(all, s.sim.SetStatus(c.payment, "succeeded"))
	}
	return errors.Join(all...)
}
