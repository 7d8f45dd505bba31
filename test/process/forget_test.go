package process_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"kasse/store/storetest"
	"kasse/test/wait"
)

// TestForgetCommand: an operator removes the personal data of a finished order while a server runs. A refusal
// prints the reason and exits 1. An endpoint that has the order's events does not get them again.
func TestForgetCommand(t *testing.T) {
	t.Parallel()
	s := newEndpointStand(t, "")
	forget := func(code int, order string) string {
		p := s.command(s.settings, "forget", order)
		expect(t, "exit code for "+order+", which printed "+p.stderr.String(), p.command.ProcessState.ExitCode(), code)
		return p.stdout.String() + p.stderr.String()
	}
	body := `{"order_id":"order-1","amount":4200,"currency":"eur","metadata":{"name":"Lovelace"},` +
		`"receipt_email":"augusta@example.com"}`
	v := s.server.must(http.StatusCreated, backendKey, http.MethodPost, "/v1/payments", body).view(t)
	s.has(forget(1, "order-9"), "The order order-9 does not exist.")
	s.has(forget(1, "order-1"), "The order order-1 is not finished: payment "+v.PaymentIntent+" is pending")
	expect(t, "payments", s.pay(v, "pm_card_visa").Status, "succeeded")
	s.server.awaitState(v, "paid")
	wait.Until(t, "order.paid", func() error { return yet(len(s.ids()) == 1) })
	paid := s.ids()[0]
	awaitIdle(s.processEnv, s.settings)
	s.has(forget(0, "order-1"), "Changed: 1 payment. Written again: 2 events.")
	wait.Until(t, "order.updated", func() error { return yet(len(s.ids()) == 2) })
	awaitIdle(s.processEnv, s.settings)
	// that of order.updated may be under way at the rewrite
	expect(t, "deliveries of order.paid "+paid, s.times(paid), 1)
	s.has(forget(0, "order-1"), "Changed: 0 payments. Written again: 0 events.")
	if text := fmt.Sprint(storetest.DumpAll(t.Context(), s.client)); strings.Contains(text, "Lovelace") ||
		strings.Contains(text, "augusta") {
		t.Errorf("Redis holds %s", text)
	}
	shown := string(s.server.must(http.StatusOK, backendKey, http.MethodGet, "/v1/payments/"+v.PaymentIntent, "").body)
	s.has(shown, `"state":"paid"`, `"metadata":{}`)
}

// ids are the events that the endpoint has accepted.
func (s *endpointStand) ids() (all []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range s.accepted {
		all = append(all, id)
	}
	return all
}
