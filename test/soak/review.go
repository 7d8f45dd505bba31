package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"

	"kasse/test/internal/testenv"
)

// review compares Kasse's orders, the feed, the pushes and Redis with Stripe, and reports each difference.
func (env *environment) review(ctx context.Context) error {
	for {
		count, err := env.feedReader.read(ctx, env, 0)
		if err != nil {
			return err
		}
		if count == 0 {
			break
		}
	}
	env.reviewStates(ctx)
	made, err := env.Stripe.Review(ctx, env.done)
	if err != nil {
		return err
	}
	stored, err := testenv.ReadStored(ctx, env.Redis.Client)
	if err != nil {
		return err
	}
	env.entries = stored.Transitions()
	found, pushed := stored.Review(env.feedReader.seen), env.receiver.events()
	for _, all := range []map[string]string{made.Twice, found.Lost, found.Twice, found.Wrong} {
		for _, what := range slices.Sorted(maps.Keys(all)) {
			env.stats.addProblem("%s: %s", what, all[what])
		}
	}
	for id := range env.feedReader.seen {
		if !pushed[id] {
			env.stats.addProblem("%s is in the feed and was not pushed", id)
		}
	}
	return nil
}

const reviewers = 8 // status reads in parallel

// reviewStates compares every order with the state after its last step.
func (env *environment) reviewStates(ctx context.Context) {
	slots := make(chan struct{}, reviewers)
	var all sync.WaitGroup
	for _, h := range env.done {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			if err := env.reviewState(ctx, h); err != nil {
				env.stats.addProblem("%s: %v", h.Order, err)
			}
		})
	}
	all.Wait()
}

func (env *environment) reviewState(ctx context.Context, h testenv.OrderPlan) error {
	payment := env.payments[h.Order]
	a, err := env.request(ctx, http.MethodGet, "/v1/payments/"+payment, testenv.BackendKey, "")
	if err != nil {
		return err
	}
	var v testenv.View
	if err := json.Unmarshal(a.Body, &v); err != nil || a.Status != http.StatusOK {
		return fmt.Errorf("the status read was answered with %d %s", a.Status, a.Body)
	}
	if want := h.End(payment); !sameView(v, want) {
		return fmt.Errorf("shown is %+v, want %+v", v, want)
	}
	return nil
}
