package service_test

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"kasse/service"
	"kasse/service/payment"
	"kasse/service/stripe/stripesim"
)

// receiveThinEvents registers an endpoint for the simulator's thin events. The returned function returns the next event
// of a type.
func (s *shop) receiveThinEvents() (next func(kind string) []byte) {
	s.t.Helper()
	bodies := make(chan []byte, 100)
	endpoint := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		bodies <- body
	}))
	s.t.Cleanup(endpoint.Close)
	s.sim.AddWebhook(stripesim.Webhook{URL: endpoint.URL, Secret: webhookSecret, Thin: true})
	return func(kind string) []byte {
		s.drained()
		for {
			if body := <-bodies; bytes.Contains(body, []byte(kind)) {
				return body
			}
		}
	}
}

// anomalyCounter counts anomalies by name.
type anomalyCounter map[service.Anomaly]int

func (c anomalyCounter) Anomaly(what service.Anomaly)                { c[what]++ }
func (anomalyCounter) WebhookHandled(string, service.Outcome, int64) {}
func (anomalyCounter) StateChanged(payment.State, payment.State)     {}
func (anomalyCounter) Reconciled(string)                             {}

// TestThinEvents: a thin event about a payment of ours queues a read. The first one is logged as a warning.
func TestThinEvents(t *testing.T) {
	s := newShop(t)
	var log bytes.Buffer
	counted := anomalyCounter{}
	s.svc.Logger, s.svc.Observer = slog.New(slog.NewTextHandler(&log, nil)), counted
	made, _ := s.creates(s.key(1000))
	next := s.receiveThinEvents()
	deliver := func(kind string, want service.Outcome) {
		t.Helper()
		body := next(kind)
		got, err := s.svc.Webhook(t.Context(), body, signed(body, time.Now()))
		if err != nil || got != want {
			t.Fatalf("%s %v, want %s for %s", got, err, want, body)
		}
	}
	s.becomes(made.ID, payment.Succeeded)
	deliver("v1.payment_intent.succeeded", service.Applied)
	if _, err := s.sim.SendThinEvent(string(made.ID), "payment_intent.succeeded"); err != nil {
		t.Fatal(err)
	}
	deliver("v1.payment_intent.succeeded", service.Unchanged)
	s.shows(made.ID, payment.Pending, 1000)
	s.pass(5 * time.Second)
	s.runWorkers()
	s.shows(made.ID, payment.Paid, 1000)

	refund, err := s.sim.Refund(string(made.ID), 300)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.sim.SendThinEvent(refund, "refund.created"); err != nil {
		t.Fatal(err)
	}
	deliver("v1.refund.created", service.Ignored)
	if warnings := strings.Count(log.String(), "choose snapshot payloads"); warnings != 1 {
		t.Fatalf("%d warnings in %s", warnings, log.String())
	}
	if counted[service.AnomalyThin] < 3 {
		t.Fatalf("counted %v", counted)
	}
}
