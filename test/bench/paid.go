package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"kasse/service/stripe/stripesim"
	"kasse/test/internal/testenv"
	"kasse/test/wait"
)

// paidOrders is the number of orders that are paid to measure their memory.
const paidOrders = 30_000

// paid measures Redis's memory of a paid order with its payment and pointer. Each payment is opened by a
// create, then processing, then succeeded. Ids are as long and random as Stripe's. Before the measurement it
// removes streams, queues, connections, scripts and the slow log.
func paid(ctx context.Context, b *bench) error {
	for _, kind := range []struct{ name, extra string }{
		{"empty", ""},
		{"full", `,"receipt_email":"ada.lovelace@example.com","metadata":{"channel":"web",` +
			`"cart":"c-2026-11-27-00017","campaign":"autumn","invoice_number":"INV-2026-004711",` +
			`"shop":"berlin-mitte"}`},
	} {
		used, err := b.paid(ctx, kind.extra)
		if err != nil {
			return err
		}
		b.line("Paid/"+kind.name, paidOrders, metric{"B/order", used})
	}
	b.figure(
		"Redis memory of a paid payment with its order and pointer", "≤ 900 B", "%.0f B",
		b.median("Paid/empty B/order"),
	)
	b.figure(
		"… with five metadata pairs, a receipt e-mail and a partial refund", "≤ 1,200 B", "%.0f B",
		b.median("Paid/full B/order"),
	)
	return nil
}

// paid returns the bytes per order.
func (b *bench) paid(ctx context.Context, extra string) (float64, error) {
	sim := stripesim.New(stripesim.Options{Seed: 1})
	defer sim.Close()
	stripe := httptest.NewServer(sim)
	defer stripe.Close()
	env, err := b.newEnvironment(ctx, "--appendonly", "no")
	if err != nil {
		return 0, err
	}
	defer env.Close()
	if err := env.initRedis(ctx); err != nil {
		return 0, err
	}
	customer, err := newCustomer(ctx, stripe.URL)
	if err != nil {
		return 0, err
	}
	empty, err := env.keysMemory(ctx)
	if err != nil {
		return 0, err
	}
	kasse, err := env.kasse(ctx, map[string]string{"STRIPE_API_BASE": stripe.URL})
	if err != nil {
		return 0, err
	}
	p := payer{shop: "http://" + kasse.address, stripe: stripe.URL, customer: customer, extra: extra}
	var all errgroup.Group
	all.SetLimit(connections)
	for range paidOrders {
		all.Go(func() error { return p.pay(ctx) })
	}
	if err := all.Wait(); err != nil {
		return 0, err
	}
	processes := env.Processes()
	processes[len(processes)-1].Kill() // the server
	full, err := env.keysMemory(ctx)
	return float64(full-empty) / paidOrders, err
}

// keysMemory returns used_memory after all keys but orders, pointers and partition metadata are deleted.
func (env *environment) keysMemory(ctx context.Context) (bytes int64, err error) {
	for keys := env.Redis.Client.Scan(ctx, 0, "*", 1_000).Iterator(); keys.Next(ctx); {
		key := keys.Val()
		if !strings.Contains(key, "}:order:") && !strings.Contains(key, "}:pi:") && !strings.HasSuffix(key, "}:meta") {
			if err := env.Redis.Client.Del(ctx, key).Err(); err != nil {
				return 0, err
			}
		}
	}
	if err := env.Redis.Client.ScriptFlush(ctx).Err(); err != nil {
		return 0, err
	}
	if err := env.Redis.Client.Do(ctx, "SLOWLOG", "RESET").Err(); err != nil { // the slow log keeps whole commands
		return 0, err
	}
	wait.Pause(ctx, time.Second) // Redis closes connections and resizes tables
	text, err := env.Redis.Client.Info(ctx, "memory").Result()
	if err != nil {
		return 0, err
	}
	for line := range lines(text) {
		if _, err := fmt.Sscanf(line, "used_memory:%d", &bytes); err == nil {
			return bytes, nil
		}
	}
	return 0, fmt.Errorf("INFO has no used_memory: %s", text)
}

// payer opens payments and sends their events to Kasse.
type payer struct{ shop, stripe, customer, extra string }

// longID returns an id as long and random as Stripe's.
func longID(prefix string) string { return prefix + "_3" + (rand.Text() + rand.Text())[:23] }

func (p payer) pay(ctx context.Context) error {
	order := rand.Text()[:8]
	header := map[string]string{"Authorization": "Bearer " + testenv.BackendKey, "Content-Type": "application/json"}
	body := fmt.Sprintf(
		`{"order_id":"%s","amount":4200,"currency":"eur","customer":"%s"%s}`, order, p.customer, p.extra,
	)
	a, err := testenv.Call(ctx, http.DefaultClient, http.MethodPost, p.shop+"/v1/payments", header, body)
	if err != nil || a.Status != http.StatusCreated {
		return fmt.Errorf("the create was answered with %d: %s, %w", a.Status, a.Body, err)
	}
	var opened struct {
		Payment string `json:"payment_intent"`
	}
	if err := json.Unmarshal(a.Body, &opened); err != nil {
		return err
	}
	shown, err := testenv.Call(ctx, http.DefaultClient, http.MethodGet, p.stripe+"/v1/payment_intents/"+opened.Payment,
		map[string]string{"Authorization": "Bearer sk_test_bench"}, "")
	if err != nil {
		return err
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, shown.Body); err != nil {
		return err
	}
	charge, now := longID("ch"), time.Now().Unix()
	for i, status := range []string{"processing", "succeeded"} {
		intent := strings.NewReplacer(
			`"status":"requires_payment_method"`, `"status":"`+status+`"`,
			`"latest_charge":null`, `"latest_charge":"`+charge+`"`,
			`"amount_received":0`, fmt.Sprintf(`"amount_received":%d`, received(status)),
		).Replace(compact.String())
		if err := p.deliver(ctx, "payment_intent."+status, intent, now+int64(10*i)); err != nil {
			return err
		}
	}
	if p.extra == "" {
		return nil
	}
	return p.deliver(
		ctx, "refund.created", refundObject(longID("re"), charge, opened.Payment, 1200, now+60), now+60,
	)
}

// deliver sends one event.
func (p payer) deliver(ctx context.Context, kind, object string, created int64) error {
	l, err := dial(strings.TrimPrefix(p.shop, "http://"))
	if err != nil {
		return err
	}
	defer l.close()
	status, err := l.roundTrip(delivery(fmt.Appendf(nil, `{"id":"%s","object":"event","api_version":"2024-06-20",`+
		`"created":%d,"livemode":false,"type":"%s","data":{"object":%s}}`, longID("evt"), created, kind, object)))
	if err != nil || status != http.StatusOK || !bytes.Contains(l.body, []byte("applied")) {
		return fmt.Errorf("%s was answered with %d: %s, %w", kind, status, l.body, err)
	}
	return ctx.Err()
}
