package process_test

import (
	"net/http"
	"strings"
	"testing"

	"kasse/service/stripe/stripesim"
)

// TestLimitsOfSeveralProcesses: the settings of limits take effect. All processes share one quota,
// and each has its own while Redis is unreachable.
func TestLimitsOfSeveralProcesses(t *testing.T) {
	t.Parallel()
	w := newEnv(t, stripesim.Options{})
	const quota = 6
	all := w.serve(2, map[string]string{
		"RATE_LIMIT_SERVICE": "6/h", "RATE_LIMIT_FRONTEND": "5/h", "RATE_LIMIT_ADDRESS": "4/h",
	})
	customer := w.customer()
	created := all[0].must(
		http.StatusCreated, backendKey, http.MethodPost, "/v1/payments", orderBody("o-1", customer),
	).view(t)
	count := func(accepted int, credential, method, path, body string) {
		t.Helper()
		limited := 0
		for n := range 4 * quota {
			a, err := all[n%2].request(credential, method, path, body)
			if err != nil {
				t.Fatal(err)
			}
			if a.status == http.StatusTooManyRequests {
				limited++
			}
		}
		expect(t, "number of accepted "+method+" "+path, 4*quota-limited, accepted)
	}
	calls := len(w.sim.Requests())
	count(quota-1, backendKey, http.MethodPost, "/v1/payments", `{`) // the create above used one
	count(2*5, created.ClientSecret, http.MethodGet, "/v1/payments/"+created.PaymentIntent, "")
	count(2*4, unknownKey, http.MethodGet, "/v1/events", "")
	count(2*quota, readerKey, http.MethodGet, "/v1/orders/o-1", "")
	w.redis.Kill()
	count(2*quota, backendKey, http.MethodPost, "/v1/payments", `{`)
	expect(t, "number of calls to Stripe", len(w.sim.Requests()), calls)
}

// TestBehindAProxy: the settings of proxies and origins take effect. The address limit counts the
// address that the trusted proxy has added.
func TestBehindAProxy(t *testing.T) {
	t.Parallel()
	w := newEnv(t, stripesim.Options{})
	p := w.serve(1, map[string]string{
		"RATE_LIMIT_ADDRESS": "2/h", "TRUSTED_PROXIES": "127.0.0.0/8,::1/128",
		"CORS_ALLOWED_ORIGINS": "https://shop.example, https://www.shop.example",
	})[0]
	for _, client := range []string{"192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8:0:1::1"} {
		header := map[string]string{
			"X-Forwarded-For": "198.51.100.7, " + client, "X-Forwarded-Proto": "https",
			"Origin": "https://www.shop.example",
		}
		var statuses []string
		for range 3 {
			a, err := call(t.Context(), p.client, http.MethodGet, p.public+"/v1/events", header, "")
			if err != nil {
				t.Fatal(err)
			}
			statuses = append(statuses, http.StatusText(a.status))
			expect(
				t, "Access-Control-Allow-Origin", a.header.Get("Access-Control-Allow-Origin"),
				"https://www.shop.example",
			)
			expect(t, "Strict-Transport-Security", a.header.Get("Strict-Transport-Security"), "max-age=31536000")
		}
		expect(t, "answers to "+client, strings.Join(statuses, ", "), "Unauthorized, Unauthorized, Too Many Requests")
	}
}
