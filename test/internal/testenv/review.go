package testenv

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
)

// Findings are violations, each with its reason.
type Findings struct{ Lost, Twice, Wrong map[string]string }

// Review checks the stream: it must hold every transition of the stored histories once, in order, and the
// feed must have shown each.
func (s Stored) Review(shown map[string]bool) Findings {
	f := Findings{map[string]string{}, map[string]string{}, map[string]string{}}
	for payment, r := range s.Payments {
		f.compare(payment, r, s.Stream[payment])
	}
	for payment, entries := range s.Stream {
		if _, known := s.Payments[payment]; !known {
			f.Lost["stream of "+payment] = fmt.Sprintf("%d entries of a payment without a record", len(entries))
		}
		for _, e := range entries {
			if !shown[e.ID] {
				f.Lost["feed "+e.ID] = "the feed has not shown " + e.ID + ", which is in the stream"
			}
		}
	}
	return f
}

// transitions parses the record's history without its first entry, since opening a payment has no event.
func (r Record) transitions() (history []transition, err error) {
	err = json.Unmarshal([]byte("["+r.History+"]"), &history)
	if len(history) > 0 && history[0].From == nil && history[0].To == "pending" {
		history = history[1:]
	}
	return history, err
}

// announced removes the transitions without an event: a change of payment method details or of the receipt only
// raises the version.
func announced(payment string, history []transition, stream []Entry) []transition {
	return slices.DeleteFunc(slices.Clone(history), func(t transition) bool {
		id := fmt.Sprintf("%s.%d", payment, t.Version)
		within := t.From != nil && *t.From == t.To
		return within && !slices.ContainsFunc(stream, func(e Entry) bool { return e.ID == id })
	})
}

// Transitions counts the transitions that need an entry in the stream.
func (s Stored) Transitions() int {
	count := 0
	for payment, r := range s.Payments {
		history, _ := r.transitions() // Review reports the error
		count += len(announced(payment, history, s.Stream[payment]))
	}
	return count
}

// compare compares one payment's history with its stream entries.
func (f Findings) compare(payment string, r Record, stream []Entry) {
	history, err := r.transitions()
	if err != nil {
		f.Wrong["history of "+payment] = err.Error()
		return
	}
	history = announced(payment, history, stream)
	seen, before, paid := map[string]bool{}, "", 0
	for _, e := range stream {
		if same := e.withoutVersion(); seen[e.ID] || same == before {
			f.Twice[e.ID+" "+e.Position] = "a transition is in the stream twice"
		} else {
			before = same
		}
		seen[e.ID] = true
		if e.Kind == "order.paid" {
			paid++
		}
	}
	for _, t := range history {
		if id := fmt.Sprintf("%s.%d", payment, t.Version); !seen[id] {
			f.Lost["stream "+id] = fmt.Sprintf("the transition to %s is not in the stream", t.To)
		}
	}
	if len(seen) > len(history) {
		f.Twice["stream of "+payment] = fmt.Sprintf("%d entries for %d transitions", len(seen), len(history))
	}
	if paid > 1 || (paid == 1) != (r.View.FulfillableAt != "") {
		f.Wrong["order.paid of "+payment] = fmt.Sprintf(
			"announced %d times; fulfillable_at is %q", paid, r.View.FulfillableAt,
		)
	}
}

// Review checks the objects at Stripe: each order has one payment, in the state of its last step. It returns
// an error if the simulator's state contradicts the plan.
func (b *StripeBackend) Review(ctx context.Context, histories []OrderPlan) (Findings, error) {
	f := Findings{Twice: map[string]string{}}
	made, err := b.Intents(ctx)
	if err != nil {
		return f, err
	}
	for _, h := range histories {
		truth := made[h.Order]
		switch {
		case len(truth) > 1:
			f.Twice[h.Order] = fmt.Sprintf("Stripe has %d payments of one order", len(truth))
		case len(truth) == 0 || truth[0].State() != Succeeded(h.State) ||
			truth[0].AmountReceived != h.Received(h.Amount):
			return f, fmt.Errorf(
				"the simulator's state contradicts the plan: %s is %+v, want %s", h.Order, truth, h.State,
			)
		}
	}
	return f, nil
}
