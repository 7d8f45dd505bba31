package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"kasse/service/payment"
	"kasse/service/stripe/stripesim"
	"kasse/test/internal/testenv"
)

// attemptCounts are the numbers of earlier attempts of the measured orders.
var attemptCounts = []int{1, 10, 200}

// ordersOfRound is the number of orders that a round uses for each number of attempts.
const ordersOfRound = 60

// attempts measures the cost of requests on orders that had 1, 10 and 200 attempts, in turns.
func attempts(ctx context.Context, b *bench) error {
	from, err := b.makeSources(ctx, attemptCounts...)
	if err != nil {
		return fmt.Errorf("templates: %w", err)
	}
	env, err := b.newEnvironment(ctx, "--appendonly", "no")
	if err != nil {
		return err
	}
	defer env.Close()
	w := &manyAttempts{environment: env}
	if w.sim, w.stripe, w.customer, err = env.seededStripe(ctx, 2); err != nil {
		return err
	}
	if err := env.initRedis(ctx); err != nil {
		return err
	}
	for i, count := range attemptCounts {
		if err := w.fill(ctx, from.attempts[count], i); err != nil {
			return err
		}
	}
	for _, into := range []**testenv.Kasse{&w.first, &w.second} {
		if *into, err = env.StartKasse(ctx, env.program, settingsOfGrowth(w.stripe, nil)); err != nil {
			return err
		}
	}
	for round := range b.rounds {
		for i, count := range attemptCounts {
			if err := w.round(ctx, count, w.numberOf(i, round)); err != nil {
				return fmt.Errorf("%d attempts: %w", count, err)
			}
		}
	}
	for _, what := range []string{"create", "webhook", "webhook of success", "status read", "cancel", "refund"} {
		name := func(count int) string { return fmt.Sprintf("Attempts/%d/%s µs/op", count, underscored(what)) }
		label := what + " on an order with 200 attempts, relative to one with 1: processor time of Kasse and Redis"
		b.figure(label, "≤ 1.2 ×", "%s", b.ratio(name(200), name(1)))
		b.figure("… with 10 attempts", "≤ 1.2 ×", "%s", b.ratio(name(10), name(1)))
	}
	return nil
}

func underscored(text string) string { return strings.ReplaceAll(text, " ", "_") }

// manyAttempts is a Redis with orders of many attempts, and two servers. The second one has no order in memory.
type manyAttempts struct {
	*environment
	sim              *stripesim.Server
	stripe, customer string
	first, second    *testenv.Kasse
}

// numberOf returns the number of a round's first order.
func (w *manyAttempts) numberOf(kind, round int) int { return (kind*w.rounds + round) * ordersOfRound }

// fill writes the orders of one count for all rounds.
func (w *manyAttempts) fill(ctx context.Context, from source, kind int) error {
	t, err := from.template()
	if err != nil {
		return err
	}
	f := &filler{
		client: w.Redis.Client, retention: 13_200 * time.Hour,
		ends: time.Now().Add(time.Duration(kind-3) * time.Hour), step: time.Second,
		kind: func(made, int) *template { return t }, templates: func() (made, error) { return made{}, nil },
		first: w.numberOf(kind, 0), count: w.numberOf(kind+1, 0), fixedCustomer: payment.CustomerID(w.customer),
		workers: 1,
	}
	return f.run(ctx)
}

// nextAttempt is an attempt that a round has opened.
type nextAttempt struct{ order, payment string }

// round opens the next attempt of each order, and sends webhooks, reads, cancels and refunds of these attempts.
func (w *manyAttempts) round(ctx context.Context, attempts, first int) error {
	var opened []nextAttempt
	creates := make([][]byte, ordersOfRound)
	for i := range creates {
		creates[i] = postRequest("/v1/payments", createBody(string(orderName(first+i)), w.customer, `,"reopen":true`))
	}
	err := w.run(ctx, attempts, "create", w.first, creates, http.StatusCreated, func(body []byte) {
		var view struct {
			Order   string `json:"order_id"`
			Payment string `json:"payment_intent"`
			Attempt int
		}
		if json.Unmarshal(body, &view) == nil && view.Attempt == attempts+1 {
			opened = append(opened, nextAttempt{view.Order, view.Payment})
		}
	})
	if err != nil {
		return err
	}
	if len(opened) != ordersOfRound {
		return fmt.Errorf("%d of %d orders have attempt %d", len(opened), ordersOfRound, attempts+1)
	}
	half := len(opened) / 2
	for _, step := range []func() error{
		func() error { return w.webhooks(ctx, attempts, "webhook", "requires_action", opened) },
		func() error { return w.reads(ctx, attempts, opened) },
		func() error { return w.cancels(ctx, attempts, opened[:half]) },
		func() error { return w.webhooks(ctx, attempts, "webhook of success", "succeeded", opened[half:]) },
		func() error { return w.refunds(ctx, attempts, opened[half:]) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// run sends the requests one after the other, and records the processor time of Redis and of the server.
func (w *manyAttempts) run(
	ctx context.Context, attempts int, what string, at *testenv.Kasse, requests [][]byte, wanted int,
	answer func([]byte),
) error {
	own, redis := processorTime(at.PID()), processorTime(w.Redis.Process.PID())
	l, err := collect(ctx, at.Public, 1, requests, wanted, answer)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	own, redis = processorTime(at.PID())-own, processorTime(w.Redis.Process.PID())-redis
	each := func(spent time.Duration) float64 { return micros(spent) / float64(max(l.count(), 1)) }
	w.load(fmt.Sprintf("Attempts/%d/%s", attempts, underscored(what)), l, metric{"cpu-µs/op", each(own)},
		metric{"redis-µs/op", each(redis)}, metric{"µs/op", each(own + redis)})
	return nil
}

// webhooks sets the status of payments at Stripe, and delivers the events to the second server.
func (w *manyAttempts) webhooks(ctx context.Context, attempts int, what, status string, to []nextAttempt) error {
	var requests [][]byte
	for _, o := range to {
		if err := w.sim.SetStatus(o.payment, status); err != nil {
			return err
		}
		intent, err := intentAt(ctx, w.stripe, o.payment)
		if err != nil {
			return err
		}
		requests = append(requests, delivery(fmt.Appendf(nil, `{"id":"%s","object":"event","api_version":"2024-06-20",`+
			`"created":%d,"livemode":false,"type":"payment_intent.%s","data":{"object":%s}}`,
			longID("evt"), time.Now().Unix()+int64(len(status)), status, intent)))
	}
	return w.run(ctx, attempts, what, w.second, requests, http.StatusOK, func([]byte) {})
}

func (w *manyAttempts) reads(ctx context.Context, attempts int, of []nextAttempt) error {
	var requests [][]byte
	for _, o := range of {
		requests = append(requests, fmt.Appendf(nil, "GET /v1/payments/%s HTTP/1.1\r\nHost: kasse\r\n"+
			"Authorization: Bearer %s\r\n\r\n",
			o.payment, testenv.BackendKey))
	}
	return w.run(ctx, attempts, "status read", w.first, requests, http.StatusOK, func([]byte) {})
}

func (w *manyAttempts) cancels(ctx context.Context, attempts int, of []nextAttempt) error {
	var requests [][]byte
	for _, o := range of {
		requests = append(requests, postRequest("/v1/payments/"+o.payment+"/cancel", ""))
	}
	return w.run(ctx, attempts, "cancel", w.first, requests, http.StatusOK, func([]byte) {})
}

func (w *manyAttempts) refunds(ctx context.Context, attempts int, of []nextAttempt) error {
	var requests [][]byte
	for _, o := range of {
		requests = append(requests, postRequest(
			"/v1/payments/"+o.payment+"/refunds", `{"amount":100}`, "Idempotency-Key: growth-"+o.payment,
		))
	}
	return w.run(ctx, attempts, "refund", w.first, requests, http.StatusCreated, func([]byte) {})
}
