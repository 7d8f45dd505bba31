package main

import (
	"context"
	"os"
	"strings"

	"kasse/cmd/kasse-dev/console"
	"kasse/service/stripe/stripesim"
)

// startStripe starts the simulator and its control routes, and sets their addresses in the settings. With
// -real the environment's settings stay, otherwise none of them is used.
func (w *stack) startStripe(ctx context.Context, o options, settings map[string]string) (*stripesim.Server, error) {
	if o.real {
		w.stripe, w.stripeJS = realStripe, realStripeJS
		return nil, nil //nolint:nilnil // no simulator is what was asked for
	}
	if err := unsetStripe(); err != nil {
		return nil, err
	}
	sim := stripesim.New(stripesim.Options{
		Seed: o.seed, Duplicate: o.duplicate, Reorder: o.reorder, Drop: o.drop, Settle: o.settle,
		APIVersion: o.stripeVersion,
	})
	w.cleanups = append(w.cleanups, sim.Close)
	var err error
	if w.stripe, err = w.open(ctx, o.stripeAddr, sim); err != nil {
		return nil, err
	}
	if w.control, err = w.open(ctx, o.controlAddr, console.LocalOnly(sim.Control())); err != nil {
		return nil, err
	}
	w.stripeJS = w.stripe + "/v3/"
	settings["STRIPE_API_BASE"] = w.stripe
	settings["STRIPE_SECRET_KEY"] = secretKey
	settings["STRIPE_PUBLISHABLE_KEY"] = publishableKey
	settings["STRIPE_WEBHOOK_SECRETS"] = webhookSecret
	return sim, nil
}

// unsetStripe removes Stripe's variables from the environment: the simulator needs none of them, and those of another
// program may be no values for Kasse.
func unsetStripe() error {
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, "STRIPE_") {
			continue
		}
		if err := os.Unsetenv(name); err != nil {
			return err
		}
	}
	return nil
}
