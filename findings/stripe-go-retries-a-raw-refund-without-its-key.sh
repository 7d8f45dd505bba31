#!/bin/sh
# stripe-go sends a POST whose params are nil again without an idempotency key
#
# Guess (28 November, C 10, 37): a POST whose connection ends before the answer is sent again with the
#             same Idempotency-Key.
# Behaviour:  with nil as its params, as in the README's example, RawRequest sends no key. It still
#             sends the request again, since two retries are the default. The README states that keys
#             are always added to make retries safe. Calls of the older client, such as
#             paymentintent.Capture(id, nil), send no key either. With empty params, a key is sent. A
#             stripe.Client, and rawRequest of stripe for Node, always send one.
# Versions:   github.com/stripe/stripe-go/v85 v85.0.0; npm: stripe 23.1.0.
# Matters:    Stripe makes the refund, the answer is lost on its way, and the retry makes a second
#             refund. The caller sees one success. A capture that was made looks refused: Stripe does
#             not capture twice.

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
	"github.com/stripe/stripe-go/v85/paymentintent"
	"github.com/stripe/stripe-go/v85/rawrequest"
)

// bank carries out each request, unless it has the key of an earlier one. The first answer is lost.
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
		fmt.Printf("requests %d, without a key %d, different keys %d, carried out %d\n",
			requests, keyless, len(keys), keyless+len(keys))
		server.Close()
	}
}

func lose(name string, send func(stripe.Backend) error) {
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
	lose("Go, raw, nil", raw(nil))
	lose("Go, raw, empty params", raw(&stripe.RawParams{}))
	lose("Go, stripe.Client", func(backend stripe.Backend) error {
		client := stripe.NewClient("sk_test_1", stripe.WithBackends(&stripe.Backends{API: backend}))
		_, err := client.V1Refunds.Create(context.Background(), &stripe.RefundCreateParams{
			PaymentIntent: stripe.String("pi_1"), Amount: stripe.Int64(1000),
		})
		return err
	})
	captured := func(params *stripe.PaymentIntentCaptureParams) func(stripe.Backend) error {
		return func(backend stripe.Backend) error {
			_, err := paymentintent.Client{B: backend, Key: "sk_test_1"}.Capture("pi_1", params)
			return err
		}
	}
	lose("Go, older client, capture, nil", captured(nil))
	lose("Go, older client, capture, empty params", captured(&stripe.PaymentIntentCaptureParams{}))
	lose("Go, stripe.Client, capture, nil", func(backend stripe.Backend) error {
		client := stripe.NewClient("sk_test_1", stripe.WithBackends(&stripe.Backends{API: backend}))
		_, err := client.V1PaymentIntents.Capture(context.Background(), "pi_1", nil)
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
Go, raw, nil: error <nil>, requests 2, without a key 2, different keys 0, carried out 2
Go, raw, empty params: error <nil>, requests 2, without a key 0, different keys 1, carried out 1
Go, stripe.Client: error <nil>, requests 2, without a key 0, different keys 1, carried out 1
Go, older client, capture, nil: error <nil>, requests 2, without a key 2, different keys 0, carried out 2
Go, older client, capture, empty params: error <nil>, requests 2, without a key 0, different keys 1, carried out 1
Go, stripe.Client, capture, nil: error <nil>, requests 2, without a key 0, different keys 1, carried out 1
Node, raw: error <nil>, requests 2, without a key 0, different keys 1, carried out 1
END
