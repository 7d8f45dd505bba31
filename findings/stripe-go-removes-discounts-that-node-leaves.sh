#!/bin/sh
# an empty list of discounts removes them in stripe-go, and leaves them in stripe for Node
#
# Guess (28 November, C 53, 54): stripe-go sends nothing for an empty slice. stripe for Node sends an
#             empty value for an empty array.
# Behaviour:  the reverse. stripe-go sends an empty value for a slice that has no elements and is not
#             nil, and nothing for such a map. A comment in its encoder states that this is on purpose;
#             the comment of the field does not. The types of stripe for Node document the API: an empty
#             array leaves the discounts unchanged, and an empty string removes them.
# Versions:   github.com/stripe/stripe-go/v85 v85.0.0; npm: stripe 23.1.0.
# Matters:    code that makes a slice and appends the new coupons, if there are any, removes all
#             discounts of a subscription. The customer pays more from then on, and no call has failed.

. "$(dirname "$0")/lib/start.sh"
cat >main.go <<'END'
package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"

	"github.com/stripe/stripe-go/v85"
)

func main() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Printf("the server gets %q\n", body)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"id":"sub_1"}`)
	}))
	defer server.Close()
	client := stripe.NewClient("sk_test_1", stripe.WithBackends(&stripe.Backends{
		API: stripe.GetBackendWithConfig(stripe.APIBackend, &stripe.BackendConfig{URL: stripe.String(server.URL)}),
	}))
	update := func(name string, params *stripe.SubscriptionUpdateParams) {
		fmt.Printf("Go, %s: ", name)
		params.Description = stripe.String("x")
		if _, err := client.V1Subscriptions.Update(context.Background(), "sub_1", params); err != nil {
			panic(err)
		}
	}
	update("nil", &stripe.SubscriptionUpdateParams{})
	update("empty slice", &stripe.SubscriptionUpdateParams{Discounts: []*stripe.SubscriptionUpdateDiscountParams{}})
	update("empty map", &stripe.SubscriptionUpdateParams{Metadata: map[string]string{}})
	node := exec.Command("node", "update.cjs", server.Listener.Addr().String())
	node.Stdout, node.Stderr = os.Stdout, os.Stderr
	if err := node.Run(); err != nil {
		panic(err)
	}
}
END
cat >update.cjs <<'END'
const { writeSync } = require('node:fs');

const [host, port] = process.argv[2].split(':');
const stripe = new (require('stripe'))('sk_test_1', { host, port, protocol: 'http' });
const update = async (name, params) => {
  writeSync(1, `Node, ${name}: `);
  await stripe.subscriptions.update('sub_1', { description: 'x', ...params });
};
(async () => {
  await update('empty array', { discounts: [] });
  await update('empty string', { discounts: '' });
  await update('empty object', { metadata: {} });
})();
END
go_modules github.com/stripe/stripe-go/v85@v85.0.0
npm_packages stripe@23.1.0
./finding >seen
compare <<'END'
Go, nil: the server gets "description=x"
Go, empty slice: the server gets "description=x&discounts="
Go, empty map: the server gets "description=x"
Node, empty array: the server gets "description=x"
Node, empty string: the server gets "description=x&discounts="
Node, empty object: the server gets "description=x"
END
