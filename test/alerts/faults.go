package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"kasse/service/stripe/stripesim"
	"kasse/test/internal/testenv"
)

// fault makes one alert fire. A rule may have several.
type fault struct {
	alert    string
	what     string                                            // printed in the table
	settings map[string]string                                 // Kasse's settings
	before   func(ctx context.Context, env *environment) error // breaks something before Kasse starts; may be nil
	// breaks something under load; may be nil if before is set
	inject func(ctx context.Context, env *environment) error
}

// faults has at least one fault for each rule of kasse.rules.yaml. A new rule needs a new fault: see
// docs/runbook.md.
var faults = []fault{
	{alert: "KasseDown", what: "the only replica is killed", inject: func(_ context.Context, env *environment) error {
		env.kasse[0].Kill()
		return nil
	}},
	{alert: "KasseErrors", what: "Stripe answers 500 to each new payment", inject: func(
		_ context.Context, env *environment,
	) error {
		return env.Stripe.Sim.AddFault(always(stripesim.ServerError, "POST /v1/payment_intents"))
	}},
	{alert: "KasseWebhookLag", what: "each event arrives 65 s late", inject: func(
		_ context.Context, env *environment,
	) error {
		env.post.delay(65 * time.Second)
		return nil
	}},
	{alert: "KasseWebhooksMissing", what: "Stripe has disabled the webhook endpoint", inject: func(
		_ context.Context, env *environment,
	) error {
		env.Stripe.Sim.RemoveWebhooks()
		return nil
	}},
	{alert: "KasseWebhookFailing", what: "Redis is full and refuses writes", inject: func(
		ctx context.Context, env *environment,
	) error {
		return env.Redis.Client.ConfigSet(ctx, "maxmemory", "1mb").Err()
	}},
	{
		alert: "KasseAmbiguousBacklog", what: "300 thin events at once, with STRIPE_READ_RPS=1",
		settings: map[string]string{"STRIPE_READ_RPS": "1"},
		inject:   floodThin,
	},
	{alert: "KasseDeniedSuccess", what: "a forged event claims a success", inject: forgeSuccess},
	{alert: "KasseQuarantine", what: "an event names an unknown status", inject: func(
		ctx context.Context, env *environment,
	) error {
		payment, err := env.openAtStripe(ctx)
		if err != nil {
			return err
		}
		_, err = env.Stripe.Sim.SendEvent(payment, "payment_intent.succeeded", map[string]any{"status": "teleported"})
		return err
	}},
	{alert: "KasseBadSignatures", what: "a second endpoint at Stripe, whose secret is not listed", inject: badSecret},
	{alert: "KasseVersionMismatch", what: "a second replica of another build", inject: func(
		ctx context.Context, env *environment,
	) error {
		return env.launch(ctx, env.programs.stamped)
	}},
	{alert: "KasseRedisDown", what: "Redis is killed", inject: func(_ context.Context, env *environment) error {
		env.Redis.Process.Kill()
		return nil
	}},
	{alert: "KasseRedisMemory", what: "something else fills seven eighths of maxmemory", inject: func(
		ctx context.Context, env *environment,
	) error {
		return env.Redis.Client.SetRange(ctx, "filler", maxMemory/8*7, "x").Err()
	}},
	{alert: "KasseRedisUnbounded", what: "maxmemory is removed", inject: func(
		ctx context.Context, env *environment,
	) error {
		return env.Redis.Client.ConfigSet(ctx, "maxmemory", "0").Err()
	}},
	{alert: "KassePushFailing", what: "the receiver of pushes accepts connections and hangs", inject: func(
		_ context.Context, env *environment,
	) error {
		env.backend.hang()
		return nil
	}},
	{alert: "KassePushFailing", what: "the receiver of pushes answers 410", inject: func(
		_ context.Context, env *environment,
	) error {
		env.backend.setStatus(http.StatusGone)
		return nil
	}},
	{alert: "KasseReconcileStopped", what: "Stripe never answers the list of events", before: func(
		_ context.Context, env *environment,
	) error {
		return env.Stripe.Sim.AddFault(always(stripesim.ServerError, "GET /v1/events"))
	}},
	{alert: "KasseStripeErrors", what: "Stripe answers 429 to everything", inject: func(
		_ context.Context, env *environment,
	) error {
		return env.Stripe.Sim.AddFault(always(stripesim.RateLimited, ""))
	}},
}

// always returns a fault that does not end.
func always(kind stripesim.FaultKind, endpoint string) stripesim.Fault {
	return stripesim.Fault{Endpoint: endpoint, Kind: kind, Times: -1}
}

// floodThin makes payments with thin events, so that Kasse must read each payment at Stripe.
func floodThin(ctx context.Context, env *environment) error {
	env.Stripe.Sim.RemoveWebhooks()
	env.Stripe.Sim.AddWebhook(stripesim.Webhook{URL: env.webhookURL, Secret: hookSecret, Thin: true})
	for range 300 {
		if _, err := env.openAtStripe(ctx); err != nil {
			return err
		}
	}
	return nil
}

// forgeSuccess sends a success event, signed with the webhook secret, of a payment that is still open at Stripe.
func forgeSuccess(ctx context.Context, env *environment) error {
	payment, err := env.Stripe.Open(ctx, testenv.OrderPlan{Order: fmt.Sprintf("forged-%d", orders.Add(1)), Amount: 500})
	if err != nil {
		return err
	}
	_, err = env.Stripe.Sim.SendEvent(
		payment, "payment_intent.succeeded", map[string]any{"status": "succeeded", "amount_received": 500},
	)
	return err
}

func badSecret(_ context.Context, env *environment) error {
	env.Stripe.Sim.AddWebhook(stripesim.Webhook{URL: env.webhookURL, Secret: "whsec_of_another_endpoint_1234567890"})
	return nil
}

// run injects a fault. The alert must not fire under load before the fault, and must arrive after it.
func (f fault) run(ctx context.Context, dir string, p programs) (outcome, error) {
	o := outcome{alert: f.alert, fault: f.what}
	env, err := newEnvironment(ctx, dir, p, f)
	if err != nil {
		return o, err
	}
	defer env.Close()
	stop := env.load(ctx)
	defer stop()
	if err := env.awaitScrapes(ctx); err != nil {
		return o, err
	}
	if err := env.loadRules(ctx); err != nil {
		return o, err
	}
	if at, err := env.receiver.first(f.alert); err == nil {
		return o, fmt.Errorf("the alert arrived %.1f s ago, before the fault", time.Since(at).Seconds())
	}
	injected := time.Now()
	if f.inject != nil {
		if err := f.inject(ctx, env); err != nil {
			return o, err
		}
	}
	at, err := env.awaitAlert(ctx, f.alert)
	if err != nil {
		return o, fmt.Errorf(
			"%w; alerts in Prometheus: %s; last log line of Alertmanager: %s", err, env.alerts(ctx), lastLine(env.Dir),
		)
	}
	o.took, o.others = at.Sub(injected), env.receiver.others(f.alert)
	return o, nil
}

// lastLine returns the last line of Alertmanager's log.
func lastLine(dir string) string {
	logs, _ := filepath.Glob(filepath.Join(dir, "*alertmanager-*.log"))
	for _, name := range logs {
		text, _ := os.ReadFile(name)
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		return lines[len(lines)-1]
	}
	return "none"
}
