package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"
)

// view is the part of a status view that is looked at.
type view struct {
	Payment        string `json:"payment_intent"`
	Order          string `json:"order_id"`
	State          string `json:"state"`
	Version        int64  `json:"version"`
	Amount         int64  `json:"amount"`
	AmountReceived int64  `json:"amount_received"`
	AmountRefunded int64  `json:"amount_refunded"`
	Fulfillable    bool   `json:"fulfillable"`
	FulfillableAt  string `json:"fulfillable_at"`
}

// record is a payment as Redis has it.
type record struct {
	View    view
	State   string // of the merge; the ids of events stand in it
	History string // entries, separated by commas
}

// transition is an entry of a history.
type transition struct {
	Version int64   `json:"version"`
	From    *string `json:"from"`
	To      string  `json:"to"`
}

// entry is one of the stream.
type entry struct {
	position, id, kind, data string
}

// withoutVersion is what the entry tells but for when.
func (e entry) withoutVersion() string {
	var view map[string]any
	if err := json.Unmarshal([]byte(e.data), &view); err != nil {
		return e.data
	}
	delete(view, "version")
	delete(view, "updated_at")
	text, _ := json.Marshal(view)
	return e.kind + string(text)
}

// stored is all that Redis has of ours, as Kasse's own way does not show it: it might mend on the way.
type stored struct {
	payments map[string]record
	orders   map[string]string
	stream   map[string][]entry // by payment
	reads    map[string]bool    // payments that Stripe is to be asked about
}

// look reads all of Redis.
func look(ctx context.Context, client *redis.Client) (stored, error) {
	s := stored{payments: map[string]record{}, orders: map[string]string{}, stream: map[string][]entry{}, reads: map[string]bool{}}
	for walk := client.Scan(ctx, 0, "kasse:*", 1000).Iterator(); ; {
		if !walk.Next(ctx) {
			return s, walk.Err()
		}
		if err := s.add(ctx, client, walk.Val()); err != nil {
			return s, fmt.Errorf("%s: %w", walk.Val(), err)
		}
	}
}

func (s *stored) add(ctx context.Context, client *redis.Client, key string) error {
	_, rest, _ := strings.Cut(key, "}:")
	kind, id, _ := strings.Cut(rest, ":")
	switch kind {
	case "payment":
		fields, err := client.HGetAll(ctx, key).Result()
		if err != nil {
			return err
		}
		r := record{State: fields["state"], History: fields["history"]}
		s.payments[id] = r
		if fields["view"] == "" {
			return nil
		}
		err = json.Unmarshal([]byte(fields["view"]), &r.View)
		s.payments[id] = r
		return err
	case "order":
		state, err := client.HGet(ctx, key, "state").Result()
		s.orders[id] = state
		return err
	case "events":
		return s.addStream(ctx, client, key)
	case "reads":
		wanted, err := client.ZRange(ctx, key, 0, -1).Result()
		for _, payment := range wanted {
			s.reads[payment] = true
		}
		return err
	}
	return nil
}

func (s *stored) addStream(ctx context.Context, client *redis.Client, key string) error {
	messages, err := client.XRange(ctx, key, "-", "+").Result()
	for _, m := range messages {
		text := func(field string) string { value, _ := m.Values[field].(string); return value }
		e := entry{position: m.ID, id: text("id"), kind: text("type"), data: text("data")}
		payment, _, _ := strings.Cut(e.id, ".")
		s.stream[payment] = append(s.stream[payment], e)
	}
	return err
}
