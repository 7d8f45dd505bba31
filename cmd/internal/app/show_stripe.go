package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"kasse/service/payment"
)

// ShownStripe is one read of a payment at Stripe, compared with Redis.
type ShownStripe struct {
	Payment     payment.ID  `json:"payment_intent"`
	ReadAt      *time.Time  `json:"read_at"` // by Stripe's clock; null: Stripe does not know the payment
	RequestID   *string     `json:"request_id"`
	Status      *string     `json:"status"`
	Differences []ShownDiff `json:"differences"`
}

// ShownDiff is a difference between Redis and Stripe. Personal data is left out.
type ShownDiff struct {
	Field  string `json:"field"`
	Redis  string `json:"redis"`
	Stripe string `json:"stripe"`
}

// compareWithStripe reads the requested payment, or else the order's current payment, once at Stripe. It
// stores nothing.
func (a *App) compareWithStripe(ctx context.Context, o *payment.Order, asked payment.ID) (*ShownStripe, error) {
	id := asked
	if id == "" {
		id = o.Current()
	}
	p := o.Loaded[id]
	if p == nil || p.Record.Empty() {
		return nil, errors.New("-stripe: the order has no PaymentIntent yet")
	}
	s := &ShownStripe{Payment: id, Differences: []ShownDiff{}}
	answer, err := a.gateway.RetrievePayment(ctx, id)
	var e *payment.Error
	switch {
	case errors.As(err, &e) && e.Code == payment.CodeNotFound:
		s.differ("payment_intent", "known", "not known")
		return s, nil
	case err != nil:
		return nil, fmt.Errorf("-stripe: %w", err)
	}
	s.ReadAt, s.RequestID, s.Status = seconds(answer.Date), ptr(answer.RequestID), ptr(string(answer.Status))
	s.compareSnapshots(p.Record.Resolve().Snapshot, answer.Snapshot)
	if answer.Reversals != nil {
		s.compareReversals(p, answer.Reversals)
	}
	return s, nil
}

// differ adds a difference if the values differ.
func (s *ShownStripe) differ(field, redis, stripe string) {
	if redis != stripe {
		s.Differences = append(s.Differences, ShownDiff{field, redis, stripe})
	}
}

func (s *ShownStripe) compareSnapshots(redis, stripe payment.Snapshot) {
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	s.differ("status", string(redis.Status), string(stripe.Status))
	s.differ("amount", number(redis.Amount), number(stripe.Amount))
	s.differ("amount_received", number(redis.AmountReceived), number(stripe.AmountReceived))
	s.differ("amount_capturable", number(redis.AmountCapturable), number(stripe.AmountCapturable))
	s.differ("currency", redis.Currency, stripe.Currency)
	s.differ("customer", orNone(string(redis.Customer)), orNone(string(stripe.Customer)))
	s.differ("capture_method", string(redis.CaptureMethod), string(stripe.CaptureMethod))
	s.compareMetadata(redis.Metadata, stripe.Metadata)
}

// compareMetadata names the differing keys of Kasse. For the shop's keys it gives only the number of
// differences.
func (s *ShownStripe) compareMetadata(redis, stripe map[string]string) {
	all := maps.Clone(redis)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, stripe)
	differ := 0
	for _, key := range slices.Sorted(maps.Keys(all)) {
		mine, known := redis[key]
		theirs, there := stripe[key]
		switch {
		case mine == theirs && known == there:
		case strings.HasPrefix(key, "kasse_"):
			s.differ("metadata."+key, orNone(mine), orNone(theirs))
		default:
			differ++
		}
	}
	if differ > 0 {
		s.differ("metadata", presence(len(redis) > 0),
			fmt.Sprintf("%s, %d of the shop's keys differ", presence(len(stripe) > 0), differ))
	}
}

func (s *ShownStripe) compareReversals(p *payment.Payment, at *payment.Reversals) {
	refunds, disputes := map[payment.RefundID]string{}, map[payment.DisputeID]string{}
	for _, r := range at.Refunds {
		refunds[r.ID] = string(r.Status) + ", " + strconv.FormatInt(r.Amount, 10)
	}
	for _, d := range at.Disputes {
		disputes[d.ID] = d.Status + ", " + strconv.FormatInt(d.Amount, 10)
	}
	known := map[payment.RefundID]string{}
	for id, r := range p.Record.Refunds {
		known[id] = string(r.Status) + ", " + strconv.FormatInt(r.Amount, 10)
	}
	knownDisputes := map[payment.DisputeID]string{}
	for id, kept := range p.Record.Disputes {
		last := kept[len(kept)-1]
		knownDisputes[id] = last.Status + ", " + strconv.FormatInt(last.Amount, 10)
	}
	compareMaps(s, "refund ", known, refunds)
	compareMaps(s, "dispute ", knownDisputes, disputes)
}

func compareMaps[ID ~string](s *ShownStripe, kind string, redis, stripe map[ID]string) {
	all := maps.Clone(stripe)
	maps.Copy(all, redis)
	for _, id := range slices.Sorted(maps.Keys(all)) {
		s.differ(kind+string(id), orNone(redis[id]), orNone(stripe[id]))
	}
}

func orNone(text string) string {
	if text == "" {
		return "none"
	}
	return text
}

func presence(there bool) string {
	if there {
		return "present"
	}
	return "absent"
}
