package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"time"

	"kasse/service/stripe/stripesim"
	"kasse/test/internal/testenv"
)

// stripeLatency is the simulated duration of each call to Stripe.
const stripeLatency = 100 * time.Millisecond

// create opens payments of customers while each call to Stripe takes 100 ms. The baseline is a handler that
// makes the two calls in parallel and does nothing else.
func create(ctx context.Context, b *bench) error {
	sim := stripesim.New(stripesim.Options{Seed: 1})
	defer sim.Close()
	stripe := httptest.NewServer(sim)
	defer stripe.Close()
	env, err := b.newEnvironment(ctx, "--appendfsync", "always")
	if err != nil {
		return err
	}
	defer env.Close()
	if err := env.initRedis(ctx); err != nil {
		return err
	}
	customer, err := newCustomer(ctx, stripe.URL)
	if err != nil {
		return err
	}
	at := map[string]server{}
	if at["kasse"], err = env.kasse(ctx, map[string]string{"STRIPE_API_BASE": stripe.URL}); err != nil {
		return err
	}
	if at["bare"], err = env.bare(ctx, "create", stripe.URL, customer); err != nil {
		return err
	}
	for _, call := range []string{"POST /v1/payment_intents", "POST /v1/customer_sessions"} {
		if err := sim.SetLatency(call, stripeLatency); err != nil {
			return err
		}
	}
	var orders atomic.Int64
	give := func(int, int) ([]byte, int) {
		body := fmt.Sprintf(
			`{"order_id":"create-%d","amount":4200,"currency":"eur","customer":"%s"}`, orders.Add(1), customer,
		)
		return fmt.Appendf(nil, "POST /v1/payments HTTP/1.1\r\nHost: kasse\r\nAuthorization: Bearer %s\r\n"+
			"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
			testenv.BackendKey, len(body), body), http.StatusCreated
	}
	const rate = 20 // creates per second: Stripe's limit in test mode is 25
	for range b.rounds {
		for _, name := range []string{"bare", "kasse"} {
			err := env.measure(
				"Create/"+name, at[name],
				func(address string) (load, error) { return openLoop(ctx, address, rate, b.length, give) },
			)
			if err != nil {
				return err
			}
		}
	}
	b.figure(
		"create, Stripe takes 100 ms per call, 20/s, appendfsync always: p50", "≤ 1.05 ×", "%s",
		b.ratio("Create/kasse p50-µs", "Create/bare p50-µs"),
	)
	return nil
}

// newCustomer creates a customer at the simulated Stripe.
func newCustomer(ctx context.Context, stripe string) (string, error) {
	header := map[string]string{
		"Authorization": "Bearer sk_test_bench", "Content-Type": "application/x-www-form-urlencoded",
	}
	a, err := testenv.Call(
		ctx, http.DefaultClient, http.MethodPost, stripe+"/v1/customers", header, "email=ada@example.com",
	)
	if err != nil {
		return "", err
	}
	var made struct {
		ID string `json:"id"`
	}
	return made.ID, json.Unmarshal(a.Body, &made)
}
