package main

import (
	"context"
	"maps"
	"strconv"
	"time"

	"kasse/service/stripe/stripesim"
	"kasse/test/internal/testenv"
	"kasse/test/program"
)

// hookSecret signs the simulated Stripe's webhooks.
const hookSecret = "whsec_alerts_abcdef_1234567890"

// pushSecret signs Kasse's pushes. The backend of this test does not verify them.
const pushSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// environment holds the processes of one round.
type environment struct {
	*testenv.Env
	programs programs
	settings map[string]string // Kasse's settings beside the defaults
	post     *forwarder
	backend  *backend // receives Kasse's pushes
	receiver *receiver

	webhookURL        string // URL of post, to which Stripe sends its events
	kasse             []*testenv.Kasse
	prometheusProcess *program.Process
	prometheus        string // base URL
	manager           string // base URL of Alertmanager
}

// newEnvironment starts everything but Kasse's load. On an error nothing is left running.
func newEnvironment(ctx context.Context, dir string, p programs, f fault) (*environment, error) {
	env := &environment{
		programs: p, settings: map[string]string{}, post: &forwarder{}, backend: &backend{},
		receiver: &receiver{arrived: map[string]time.Time{}},
	}
	var err error
	env.Env, err = testenv.New(
		ctx, dir, testenv.WithStripe(1, env.post), testenv.WithRedis("--maxmemory", strconv.Itoa(maxMemory)),
	)
	if err != nil {
		return nil, err
	}
	if err := env.open(ctx, f); err != nil {
		env.Close()
		return nil, err
	}
	return env, nil
}

func (env *environment) open(ctx context.Context, f fault) error {
	env.post.client, env.post.life = env.Client, env.Context()
	env.OnClose(env.post.all.Wait)
	env.webhookURL = env.Serve(env.post).URL
	env.Stripe.Sim.RemoveWebhooks() // its endpoints select the event types that Kasse needs, not all
	env.Stripe.Sim.AddWebhook(stripesim.Webhook{URL: env.webhookURL, Secret: hookSecret})
	env.settings["STRIPE_WEBHOOK_SECRETS"] = hookSecret
	env.settings["EVENT_ALLOW_PRIVATE"] = "true"
	env.settings["EVENT_ENDPOINTS"] = env.Serve(env.backend).URL + "=" + pushSecret
	env.OnClose(env.backend.release)
	maps.Copy(env.settings, f.settings)
	if f.before != nil {
		if err := f.before(ctx, env); err != nil {
			return err
		}
	}
	if err := env.launch(ctx, env.programs.kasse); err != nil {
		return err
	}
	return env.startPrometheus(ctx, env.Serve(env.receiver).URL)
}

// launch starts a replica of Kasse, lets Prometheus scrape it and sends Stripe's webhooks to it.
func (env *environment) launch(ctx context.Context, program string) error {
	k, err := env.StartKasse(ctx, program, env.settings)
	if err != nil {
		return err
	}
	env.kasse = append(env.kasse, k)
	env.post.setTarget("http://" + k.Public)
	return env.writeTargets()
}
