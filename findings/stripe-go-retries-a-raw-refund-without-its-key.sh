#!/bin/sh
# stripe-go sends a raw POST again without an idempotency key
#
# Guess (28 November, C 10): a raw POST whose connection ends before the answer is sent again with
#             the same Idempotency-Key.
# Behaviour:  with nil as its params, as in the README's example, RawRequest sends no key. It still
#             sends the request again, since two retries are the default. The README states that keys
#             are always added to make retries safe. With empty params, a key is sent. The typed
#             call, and rawRequest of stripe for Node, send one as well.
# Versions:   github.com/stripe/stripe-go/v85 v85.0.0; npm: stripe 23.1.0.
# Matters:    Stripe makes the refund, the answer is lost on its way, and the retry makes a second
#             refund. The caller sees one success.

. "$(dirname "$0")/lib/start.sh"
cat >main.go <<'END'
package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"

	"github.com/stripe/stripe-go/v85"
	"github.com/stripe/stripe-go/v85/rawrequest"
)

// bank makes a refund at each request, unless it has the key of an earlier one. The first answer is lost.
func bank() (*httptest.Server, func()) {
	requests, keyless, keys := 0, 0, map[string]bool{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests++
		if key := r.Header.Get("Idempotency-Key"); key == "" {
			keyless++
		} else {
			keys[key] = true
		}
		if requests == 1 {
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"id":"re_1","object":"refund"}`)
	}))
	return server, func() {
		fmt.Printf("requests %d, without a key %d, different keys %d: refunds %d\n",
			requests, keyless, len(keys), keyless+len(keys))
		server.Close()
	}
}

func refund(name string, send func(stripe.Backend) error) {
	server, report := bank()
	backend := stripe.GetBackendWithConfig(stripe.APIBackend, &stripe.BackendConfig{
		URL: stripe.String(server.URL), LeveledLogger: &stripe.LeveledLogger{},
	})
	fmt.Printf("%s: error %v, ", name, send(backend))
	report()
}

func main() {
	raw := func(params *stripe.RawParams) func(stripe.Backend) error {
		return func(backend stripe.Backend) error {
			client := rawrequest.Client{B: backend.(stripe.RawRequestBackend), Key: "sk_test_1"}
			_, err := client.RawRequest(http.MethodPost, "/v1/refunds", "payment_intent=pi_1&amount=1000", params)
			return err
		}
	}
	refund("Go, raw, nil", raw(nil))
	refund("Go, raw, empty params", raw(&stripe.RawParams{}))
	refund("Go, typed", func(backend stripe.Backend) error {
		client := stripe.NewClient("sk_test_1", stripe.WithBackends(&stripe.Backends{API: backend}))
		_, err := client.V1Refunds.Create(context.Background(), &stripe.RefundCreateParams{
			PaymentIntent: stripe.String("pi_1"), Amount: stripe.Int64(1000),
		})
		return err
	})
	server, report := bank()
	node := exec.Command("node", "refund.cjs", server.Listener.Addr().String())
	node.Stderr = os.Stderr
	fmt.Printf("Node, raw: error %v, ", node.Run())
	report()
}
END
cat >refund.cjs <<'END'
const [host, port] = process.argv[2].split(':');
const stripe = new (require('stripe'))('sk_test_1', { host, port, protocol: 'http' });
stripe.rawRequest('POST', '/v1/refunds', { payment_intent: 'pi_1', amount: 1000 });
END
go_modules github.com/stripe/stripe-go/v85@v85.0.0
npm_packages stripe@23.1.0
./finding >seen
compare <<'END'
Go, raw, nil: error <nil>, requests 2, without a key 2, different keys 0: refunds 2
Go, raw, empty params: error <nil>, requests 2, without a key 0, different keys 1: refunds 1
Go, typed: error <nil>, requests 2, without a key 0, different keys 1: refunds 1
Node, raw: error <nil>, requests 2, without a key 0, different keys 1: refunds 1
END
