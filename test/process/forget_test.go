package process_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"kasse/store/storetest"
	"kasse/test/wait"
)

// TestForgetCommand: kasse forget removes the personal data of a finished order while a server
// runs. A refusal prints the reason and exits 1. An endpoint that has accepted the order's events
// does not get them again.
func TestForgetCommand(t *testing.T) {
	t.Parallel()
	s := newEndpointTest(t, "")
	forget := func(code int, order string) string {
		t.Helper()
		p := s.command(s.settings, "forget", order)
		expect(t, "exit code for "+order+", which printed "+p.stderr.String(), p.command.ProcessState.ExitCode(), code)
		return p.stdout.String() + p.stderr.String()
	}
	body := `{"order_id":"order-1","amount":4200,"currency":"eur","metadata":{"name":"Lovelace"},` +
		`"receipt_email":"augusta@example.com"}`
	v := s.server.must(http.StatusCreated, backendKey, http.MethodPost, "/v1/payments", body).view(t)
	expectContains(t, forget(1, "order-9"), "The order order-9 does not exist.")
	refusal := forget(1, "order-1")
	expectContains(t, refusal, "The order order-1 is not finished: payment "+v.PaymentIntent+" is pending")
	expect(t, "Stripe's status", s.pay(v, "pm_card_visa").Status, "succeeded")
	s.server.awaitState(v, "paid")
	wait.UntilTrue(t, "order.paid", func() bool { return len(s.ids()) == 1 })
	paid := s.ids()[0]
	awaitIdle(s.processEnv, s.settings)
	expectContains(t, forget(0, "order-1"), "Changed: 1 payment. Written again: 2 events.")
	wait.UntilTrue(t, "order.updated", func() bool { return len(s.ids()) == 2 })
	awaitIdle(s.processEnv, s.settings)
	// order.updated may be delivered twice: its first delivery may run during the rewrite.
	expect(t, "number of deliveries of order.paid "+paid, s.times(paid), 1)
	expectContains(t, forget(0, "order-1"), "Changed: 0 payments. Written again: 0 events.")
	if text := fmt.Sprint(storetest.DumpAll(t.Context(), s.client)); strings.Contains(text, "Lovelace") ||
		strings.Contains(text, "augusta") {
		t.Errorf("Redis still contains personal data: %s", text)
	}
	shown := string(s.server.must(http.StatusOK, backendKey, http.MethodGet, "/v1/payments/"+v.PaymentIntent, "").body)
	expectContains(t, shown, `"state":"paid"`, `"metadata":{}`)
}

// ids returns the ids of the events that the endpoint has accepted.
func (s *endpointTest) ids() (all []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range s.accepted {
		all = append(all, id)
	}
	return all
}
