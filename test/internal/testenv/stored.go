package testenv

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	"kasse/service/payment"
	"kasse/store"
)

// View holds the members of a status view that tests compare.
type View struct {
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

// Record is a payment as stored in Redis.
type Record struct {
	View    View
	State   string // the merged record; contains the ids of events
	History string // JSON entries, separated by commas
}

// transition is an entry of a history.
type transition struct {
	Version int64   `json:"version"`
	From    *string `json:"from"`
	To      string  `json:"to"`
}

// Entry is an entry of the stream.
type Entry struct {
	Position, ID, Kind, Data string
}

// withoutVersion formats the entry without version and time.
func (e Entry) withoutVersion() string {
	var view map[string]any
	if err := json.Unmarshal([]byte(e.Data), &view); err != nil {
		return e.Data
	}
	delete(view, "version")
	delete(view, "updated_at")
	text, _ := json.Marshal(view)
	return e.Kind + string(text)
}

// Stored is the content of Redis, read directly: Kasse's own reads could repair it.
type Stored struct {
	Payments map[string]Record
	Orders   map[string]string
	Stream   map[string][]Entry // by payment id
	Reads    map[string]bool    // payments with a queued read at Stripe
}

// ReadStored reads all data of the masters: of one, or of every master of a cluster. It reads the queues of reads at
// Stripe first, since a read leaves its queue only after its result is in the order.
func ReadStored(ctx context.Context, masters ...*redis.Client) (Stored, error) {
	s := Stored{
		Payments: map[string]Record{}, Orders: map[string]string{}, Stream: map[string][]Entry{},
		Reads: map[string]bool{},
	}
	for _, pattern := range []string{"kasse:{*}:reads", "kasse:*"} {
		for _, master := range masters {
			if err := s.addAll(ctx, master, pattern); err != nil {
				return s, err
			}
		}
	}
	return s, nil
}

func (s *Stored) addAll(ctx context.Context, master *redis.Client, pattern string) error {
	keys := master.Scan(ctx, 0, pattern, 1000).Iterator()
	for keys.Next(ctx) {
		if err := s.add(ctx, master, keys.Val()); err != nil {
			return fmt.Errorf("%s: %w", keys.Val(), err)
		}
	}
	return keys.Err()
}

func (s *Stored) add(ctx context.Context, client *redis.Client, key string) error {
	_, rest, _ := strings.Cut(key, "}:")
	kind, id, _ := strings.Cut(rest, ":")
	switch kind {
	case "order":
		o, err := OrderAt(ctx, client, key)
		if err != nil {
			return err
		}
		text, err := json.Marshal(o)
		s.Orders[id] = string(text)
		for _, p := range o.Loaded {
			err = errors.Join(err, s.addPayment(o, p))
		}
		return err
	case "events":
		return s.addStream(ctx, client, key)
	case "reads":
		wanted, err := client.ZRange(ctx, key, 0, -1).Result()
		for _, payment := range wanted {
			s.Reads[payment] = true
		}
		return err
	}
	return nil
}

// OrderAt decodes the order at a key, with all its payments.
func OrderAt(ctx context.Context, client *redis.Client, key string) (payment.Order, error) {
	fields, err := client.HGetAll(ctx, key).Result()
	if err != nil {
		return payment.Order{}, err
	}
	_, id, _ := strings.Cut(key, "}:order:")
	return store.Decode(payment.Ref{Order: payment.OrderID(id)}, fields)
}

// addPayment adds a payment's record and its rendered view.
func (s *Stored) addPayment(o payment.Order, p *payment.Payment) error {
	state, err := json.Marshal(p)
	r := Record{State: string(state)}
	for _, h := range p.History {
		from := (*string)(&h.From)
		if h.From == "" {
			from = nil
		}
		entry, entryErr := json.Marshal(transition{h.Version, from, string(h.To)})
		err = errors.Join(err, entryErr)
		r.History = strings.TrimPrefix(r.History+","+string(entry), ",")
	}
	if view := o.Render(p.ID); view != nil {
		err = errors.Join(err, json.Unmarshal(view, &r.View))
	}
	s.Payments[string(p.ID)] = r
	return err
}

func (s *Stored) addStream(ctx context.Context, client *redis.Client, key string) error {
	messages, err := client.XRange(ctx, key, "-", "+").Result()
	for _, m := range messages {
		text := func(field string) string { value, _ := m.Values[field].(string); return value }
		e := Entry{Position: m.ID, ID: text("id"), Kind: text("type"), Data: text("data")}
		payment, _, _ := strings.Cut(e.ID, ".")
		s.Stream[payment] = append(s.Stream[payment], e)
	}
	return err
}
