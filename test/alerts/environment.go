package main

import (
	"context"
	"maps"
	"strconv"
	"time"

	"kasse/service/stripe/stripesim"
	"kasse/test/internal/testenv"
)

// hookSecret signs what Stripe sends here.
const hookSecret = "whsec_alerts_abcdef_1234567890"

// pushSecret signs what Kasse pushes. The backend here does not verify it.
const pushSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// environment is what one round runs in.
type environment struct {
	*testenv.Env
	programs programs
	settings map[string]string // of Kasse, beside the usual ones
	post     *post
	backend  *backend // that Kasse pushes events to
	receiver *receiver

	mailbox    string // the URL that Stripe sends events to
	kasse      []*testenv.Kasse
	watcher    *testenv.Process // Prometheus
	prometheus string           // base URLs
	manager    string
}

// newEnvironment starts everything but Kasse's load. On an error nothing is left running.
func newEnvironment(ctx context.Context, dir string, p programs, f fault) (*environment, error) {
	env := &environment{
		programs: p, settings: map[string]string{}, post: &post{}, backend: &backend{},
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
	env.mailbox = env.Serve(env.post).URL
	env.Stripe.Sim.RemoveWebhooks() // which are of the events that Kasse needs, and not of all
	env.Stripe.Sim.AddWebhook(stripesim.Webhook{URL: env.mailbox, Secret: hookSecret})
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
	return env.watch(ctx, env.Serve(env.receiver).URL)
}

// launch starts a replica of Kasse. Prometheus scrapes it from then on, and Stripe's events go to it.
func (env *environment) launch(ctx context.Context, program string) error {
	k, err := env.StartKasse(ctx, program, env.settings)
	if err != nil {
		return err
	}
	env.kasse = append(env.kasse, k)
	env.post.lead("http://" + k.Public)
	return env.target()
}
