package process_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"kasse/service/stripe/stripesim"
)

// sendBadRequests sends requests with secrets in wrong places, which Kasse must refuse.
func (s *secretTest) sendBadRequests() {
	v := s.create(s.all[0], "bad-request")
	path, wrong := "/v1/payments/"+v.PaymentIntent, v.ClientSecret+"x"
	body := orderBody("bad-request-2", s.customer)
	for _, p := range s.all {
		for _, q := range []struct{ credential, method, path, body string }{
			{unknownKey, http.MethodPost, "/v1/payments", body},
			{readerKey, http.MethodPost, "/v1/payments", body},
			{v.ClientSecret, http.MethodPost, "/v1/payments", body},
			{stripeKey, http.MethodGet, path, ""},
			{wrong, http.MethodGet, path, ""},
			{v.ClientSecret, http.MethodGet, "/v1/payments/pi_another", ""},
			{v.ClientSecret, http.MethodGet, path + "/history", ""},
			{backendKey, http.MethodGet, "/v1/payments/" + v.ClientSecret, ""},
			{backendKey, http.MethodGet, path + "?client_secret=" + v.ClientSecret, ""},
			{backendKey, http.MethodGet, path + "?key=" + url.QueryEscape(backendKey), ""},
			{backendKey, http.MethodGet, "/v1/" + hookSecret, ""},
			{backendKey, http.MethodGet, "/v1/orders/" + stripeKey + "%00", ""},
			{
				backendKey, http.MethodPost, "/v1/payments",
				`{"order_id":"a","amount":"` + v.ClientSecret + `","currency":"eur"}`,
			},
			{backendKey, http.MethodPost, "/v1/payments", `{"order_id":"a","amount":1,"currency":"` + stripeKey + `"}`},
			{
				backendKey, http.MethodPost, "/v1/payments",
				`{"order_id":"a","amount":1,"currency":"eur","customer":"` + v.ClientSecret + `"}`,
			},
			{backendKey, http.MethodPost, "/v1/payments", `{"order_id":"a","amount":1,"currency":"eur"} ` + backendKey},
			{backendKey, http.MethodPost, "/v1/payments", backendKey},
			{
				backendKey, http.MethodPost, "/v1/payments",
				`{"order_id":"unknown-customer","amount":4200,"currency":"eur","customer":"cus_unknown"}`,
			},
			{
				backendKey, http.MethodPost, "/v1/payments",
				`{"order_id":"another-amount","amount":1,"currency":"eur","customer":"` + s.customer + `"}`,
			},
			{
				backendKey, http.MethodPost, path + "/customer-session",
				`{"customer_session":{"surface":"` + v.ClientSecret + `"}}`,
			},
		} {
			if a := s.record(p.request(q.credential, q.method, q.path, q.body)); a.status < 400 {
				s.t.Errorf("%s %s: status %d, want an error", q.method, q.path, a.status)
			}
		}
		s.record(call(
			s.t.Context(), s.client, http.MethodGet, p.public+path,
			map[string]string{"Authorization": "Basic " + backendKey}, "",
		))
		s.record(call(
			s.t.Context(), s.client, http.MethodGet, p.public+path,
			map[string]string{"Stripe-Signature": unknownHookSecret, "X-Request-Id": "invalid: " + unknownKey}, "",
		))
	}
}

// deliverBadEvents delivers valid events with wrong signatures, and signed events that are
// malformed.
func (s *secretTest) deliverBadEvents() {
	event := s.intentEvent()
	for _, p := range s.all {
		a := s.record(p.deliver(event, unknownHookSecret))
		expect(s.t, "status of an event signed with a wrong secret", a.status, http.StatusBadRequest)
		a = s.record(p.deliver(event[:len(event)/2], hookSecret))
		expect(s.t, "status of half an event", a.status, http.StatusOK)
		broken := strings.Replace(event, `"object": "event"`, `"object": ["event"]`, 1)
		broken = strings.Replace(broken, `"amount":`, `"amount": "`+stripeKey+`", "was":`, 1)
		s.record(p.deliver(broken, oldHookSecret))
		for _, signature := range []string{
			"", hookSecret, "t=1,v1=" + hookSecret,
			stripesim.Sign(hookSecret, time.Now().Add(-time.Hour), []byte(event)),
			stripesim.Sign(hookSecret, time.Now().Add(time.Hour), []byte(event)),
		} {
			a := s.record(call(
				s.t.Context(), s.client, http.MethodPost, p.public+"/webhooks/stripe",
				map[string]string{"Stripe-Signature": signature}, event,
			))
			expect(s.t, "status of an event with a bad signature", a.status, http.StatusBadRequest)
		}
		s.record(p.deliver(strings.Repeat(event, 1+(300<<10)/len(event)), hookSecret))
	}
}

// intentEvent returns an event with a PaymentIntent and its client secret.
func (s *secretTest) intentEvent() string {
	s.t.Helper()
	deliveries := s.balancer.deliveries()
	at := slices.IndexFunc(
		deliveries, func(body string) bool { return strings.Contains(body, `"type": "payment_intent.`) },
	)
	if at < 0 || !strings.Contains(deliveries[at], "_secret_") {
		s.t.Fatal("Stripe delivered no event with a client secret")
	}
	return deliveries[at]
}

// triggerStripeFaults sends creates during every fault of Stripe: at all calls, and only at the
// customer session.
func (s *secretTest) triggerStripeFaults() {
	existing := s.create(s.all[0], "existing")
	for i, kind := range []stripesim.FaultKind{
		stripesim.RateLimited, stripesim.LockTimeout, stripesim.ServerError, stripesim.Timeout,
		stripesim.Dropped, stripesim.Endless, stripesim.Truncated,
	} {
		for _, endpoint := range []string{"", "POST /v1/customer_sessions"} {
			s.noError(s.sim.AddFault(stripesim.Fault{Endpoint: endpoint, Kind: kind, After: i%2 == 0, Times: -1}))
			fresh := orderBody(fmt.Sprintf("fault-%d-%d", i, len(endpoint)), s.customer)
			answers := s.sendAtOnce([]func() (answer, error){
				func() (answer, error) { return s.all[0].request(backendKey, http.MethodPost, "/v1/payments", fresh) },
				func() (answer, error) {
					body := orderBody(existing.OrderID, s.customer)
					return s.all[1].request(backendKey, http.MethodPost, "/v1/payments", body)
				},
			})
			for _, a := range answers {
				if a.status < http.StatusTooManyRequests {
					s.t.Errorf("a create during %s at %q: status %d, want an error", kind, endpoint, a.status)
				}
			}
			s.sim.ClearFaults()
		}
	}
}
