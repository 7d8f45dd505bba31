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

// asksBadly puts secrets where they do not belong.
func (s *spied) asksBadly() {
	v := s.opens(s.all[0], "asked-badly")
	path, wrong := "/v1/payments/"+v.PaymentIntent, v.ClientSecret+"x"
	body := orderBody("asked-badly-2", s.customer)
	for _, p := range s.all {
		for _, q := range []struct{ credential, method, path, body string }{
			{strangeKey, http.MethodPost, "/v1/payments", body},
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
				`{"order_id":"nobodys","amount":4200,"currency":"eur","customer":"cus_nobody"}`,
			},
			{
				backendKey, http.MethodPost, "/v1/payments",
				`{"order_id":"dear","amount":1,"currency":"eur","customer":"` + s.customer + `"}`,
			},
			{
				backendKey, http.MethodPost, path + "/customer-session",
				`{"customer_session":{"surface":"` + v.ClientSecret + `"}}`,
			},
		} {
			if a := s.hold(p.ask(q.credential, q.method, q.path, q.body)); a.status < 400 {
				s.t.Errorf("%s %s was answered %d", q.method, q.path, a.status)
			}
		}
		s.hold(call(
			s.t.Context(), s.client, http.MethodGet, p.public+path,
			map[string]string{"Authorization": "Basic " + backendKey}, "",
		))
		s.hold(call(
			s.t.Context(), s.client, http.MethodGet, p.public+path,
			map[string]string{"Stripe-Signature": strangeHook, "X-Request-Id": "not one: " + strangeKey}, "",
		))
	}
}

// deliversBadly sends real events that are not signed as they must be, and signed ones that make no sense.
func (s *spied) deliversBadly() {
	event := s.intentEvent()
	for _, p := range s.all {
		expect(s.t, "wrong secret", s.hold(p.deliver(event, strangeHook)).status, http.StatusBadRequest)
		expect(s.t, "half an event", s.hold(p.deliver(event[:len(event)/2], hookSecret)).status, http.StatusOK)
		broken := strings.Replace(event, `"object": "event"`, `"object": ["event"]`, 1)
		broken = strings.Replace(broken, `"amount":`, `"amount": "`+stripeKey+`", "was":`, 1)
		s.hold(p.deliver(broken, oldHookSecret))
		for _, signature := range []string{
			"", hookSecret, "t=1,v1=" + hookSecret,
			stripesim.Sign(hookSecret, time.Now().Add(-time.Hour), []byte(event)),
			stripesim.Sign(hookSecret, time.Now().Add(time.Hour), []byte(event)),
		} {
			a := s.hold(call(
				s.t.Context(), s.client, http.MethodPost, p.public+"/webhooks/stripe",
				map[string]string{"Stripe-Signature": signature}, event,
			))
			expect(s.t, "a bad signature", a.status, http.StatusBadRequest)
		}
		s.hold(p.deliver(strings.Repeat(event, 1+(300<<10)/len(event)), hookSecret))
	}
}

// intentEvent is an event with a PaymentIntent and its client secret.
func (s *spied) intentEvent() string {
	s.t.Helper()
	deliveries := s.balancer.deliveries()
	at := slices.IndexFunc(
		deliveries, func(body string) bool { return strings.Contains(body, `"type": "payment_intent.`) },
	)
	if at < 0 || !strings.Contains(deliveries[at], "_secret_") {
		s.t.Fatal("no event with a client secret was delivered")
	}
	return deliveries[at]
}

// meetsFaults lets every call that a create makes to Stripe go wrong in every way.
func (s *spied) meetsFaults() {
	old := s.opens(s.all[0], "old")
	for i, kind := range []stripesim.FaultKind{
		stripesim.RateLimited, stripesim.LockTimeout, stripesim.ServerError, stripesim.Timeout,
		stripesim.Dropped, stripesim.Endless, stripesim.Truncated,
	} {
		for _, endpoint := range []string{"", "POST /v1/customer_sessions"} {
			s.no(s.sim.AddFault(stripesim.Fault{Endpoint: endpoint, Kind: kind, After: i%2 == 0, Times: -1}))
			fresh := orderBody(fmt.Sprintf("fault-%d-%d", i, len(endpoint)), s.customer)
			answers := s.together([]func() (answer, error){
				func() (answer, error) { return s.all[0].ask(backendKey, http.MethodPost, "/v1/payments", fresh) },
				func() (answer, error) {
					return s.all[1].ask(backendKey, http.MethodPost, "/v1/payments", orderBody(old.OrderID, s.customer))
				},
			})
			for _, a := range answers {
				if a.status < http.StatusTooManyRequests {
					s.t.Errorf("%s at %q: %d", kind, endpoint, a.status)
				}
			}
			s.sim.ClearFaults()
		}
	}
}
