package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"

	"kasse/test/internal/town"
)

// review holds everything against the truth, and books what is wrong.
func (w *world) review(ctx context.Context) error {
	for {
		count, err := w.accountant.read(ctx, w, 0)
		if err != nil {
			return err
		}
		if count == 0 {
			break
		}
	}
	w.reviewStates(ctx)
	made, err := w.bank.Review(ctx, w.done)
	if err != nil {
		return err
	}
	stored, err := town.Look(ctx, w.redis.Client)
	if err != nil {
		return err
	}
	w.entries = stored.Transitions()
	found, pushed := stored.Review(w.accountant.told), w.receiver.events()
	for _, all := range []map[string]string{made.Twice, found.Lost, found.Twice, found.Wrong} {
		for _, what := range slices.Sorted(maps.Keys(all)) {
			w.books.complain("%s: %s", what, all[what])
		}
	}
	for id := range w.accountant.told {
		if !pushed[id] {
			w.books.complain("%s was told, and not pushed", id)
		}
	}
	return nil
}

const reviewers = 8

// reviewStates compares every order with what its walk has left.
func (w *world) reviewStates(ctx context.Context) {
	slots := make(chan struct{}, reviewers)
	var all sync.WaitGroup
	for _, h := range w.done {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			if err := w.reviewState(ctx, h); err != nil {
				w.books.complain("%s: %v", h.Order, err)
			}
		})
	}
	all.Wait()
}

func (w *world) reviewState(ctx context.Context, h town.History) error {
	payment := w.payments[h.Order]
	a, err := w.ask(ctx, http.MethodGet, "/v1/payments/"+payment, town.BackendKey, "")
	if err != nil {
		return err
	}
	var v town.View
	if err := json.Unmarshal(a.Body, &v); err != nil || a.Status != http.StatusOK {
		return fmt.Errorf("a status was answered %d %s", a.Status, a.Body)
	}
	if want := h.End(payment); !same(v, want) {
		return fmt.Errorf("shown is %+v, and the truth is %+v", v, want)
	}
	return nil
}
