package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"kasse/service"
	"kasse/service/stripe/stripesim"
	"kasse/test/wait"
)

const makeIntent = "POST /v1/payment_intents"

// TestBrokenStripe: each fault has a stable code, ends in bounded time and shows no text of Stripe; the same request
// later succeeds.
func TestBrokenStripe(t *testing.T) {
	tests := map[string]struct {
		fault    stripesim.FaultKind
		endpoint string
		status   int
		code     string
	}{
		"rate limit": {stripesim.RateLimited, makeIntent, http.StatusServiceUnavailable, "stripe_rate_limited"},
		"no answer":  {stripesim.Timeout, makeIntent, http.StatusGatewayTimeout, "stripe_timeout"},
		"dropped":    {stripesim.Dropped, makeIntent, http.StatusServiceUnavailable, "stripe_unavailable"},
		"session":    {stripesim.ServerError, "POST /v1/customer_sessions", http.StatusBadGateway, "stripe_error"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newEnv(t, func(o *service.Options) {
				if test.fault == stripesim.Timeout {
					o.StripeTimeout = 2 * time.Second
				}
			})
			if err := w.stripe.AddFault(
				stripesim.Fault{Kind: test.fault, Endpoint: test.endpoint, Times: -1},
			); err != nil {
				t.Fatal(err)
			}
			create := request{
				line: "POST /v1/payments", token: fullKey, body: with(`"customer":"` + w.customer() + `"`),
			}
			answer := w.send(create)
			if answer.status != test.status || !strings.Contains(answer.body, `"code":"`+test.code+`"`) ||
				!strings.Contains(answer.body, `"retryable":true`) {
				t.Errorf("%d %s", answer.status, answer.body)
			}
			if got := answer.header.Get("Retry-After"); (got == "1") != (test.status == http.StatusServiceUnavailable) {
				t.Errorf("Retry-After is %q", got)
			}
			w.stripe.ClearFaults()
			wait.Until(t, "the same request to succeed", func() error {
				if repeated := w.send(create); repeated.status/100 != 2 {
					return fmt.Errorf("%d %s", repeated.status, repeated.body)
				}
				return nil
			})
		})
	}
}

func TestBrokenRedis(t *testing.T) {
	w := newFailingEnv(t)
	made := w.create("shop-1")
	w.redis.SetError("LOADING Redis is loading")
	calls := len(w.stripe.Requests())
	for _, r := range []request{
		{line: "POST /v1/payments", body: order},
		{line: "POST /v1/payments/" + made.PaymentIntent + "/customer-session"},
		{line: "GET /v1/payments/" + made.PaymentIntent},
		{line: "GET /v1/payments/" + made.PaymentIntent + "/history"},
		{line: "GET /v1/orders/shop-1"},
		{line: "GET /v1/events"},
	} {
		r.token = fullKey
		answer := w.send(r)
		if answer.status != http.StatusServiceUnavailable || !strings.Contains(
			answer.body, `"code":"store_unavailable"`,
		) ||
			answer.header.Get("Retry-After") != "1" || strings.Contains(answer.body, "LOADING") {
			t.Errorf("%s: %d %v %s", r.line, answer.status, answer.header, answer.body)
		}
	}
	if got := len(w.stripe.Requests()); got != calls {
		t.Errorf("Stripe was asked %d times", got-calls)
	}
	w.redis.SetError("")
	w.create("shop-2")
}
