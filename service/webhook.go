package service

import (
	"context"
	"errors"
)

// Outcome is what became of a webhook.
type Outcome string

// The outcomes of the contract; Stripe gets 200 for each.
const (
	Applied     Outcome = "applied"
	Unchanged   Outcome = "unchanged"
	Ignored     Outcome = "ignored"
	Quarantined Outcome = "quarantined"
)

// Notice is a verified event of Stripe, decoded as far as we need it.
type Notice struct {
	ID         string // "evt_…"
	Type       string
	Created    int64 // Unix seconds
	APIVersion string
	Livemode   bool
	Connected  bool    // of a Connect account
	Intent     *Intent // of a payment_intent.* event
	Unreadable string  // why it could not be decoded; empty where it could
}

// parser checks and decodes webhooks.
type parser interface {
	// ParseEvent fails with CodeInvalidSignature unless one of the secrets signed the body within the last 300 s. What is
	// signed and makes no sense is an Unreadable notice, not an error.
	ParseEvent(body []byte, signature string) (Notice, error)
}

// quarantine keeps what was signed by Stripe and could not be understood, without its body.
type quarantine interface {
	Quarantine(ctx context.Context, n Notice, body []byte) error
}

// Webhook verifies, merges and stores one delivery. It never calls Stripe. Where it fails nothing is acknowledged, and
// Stripe delivers again.
func (s *Service) Webhook(ctx context.Context, body []byte, signature string) (Outcome, error) {
	n, err := s.stripe.ParseEvent(body, signature)
	if err != nil {
		return "", err
	}
	outcome, err := s.take(ctx, n, body)
	if err == nil {
		s.Logger.DebugContext(ctx, "webhook", "event", n.ID, "type", n.Type, "outcome", outcome)
	}
	return outcome, err
}

func (s *Service) take(ctx context.Context, n Notice, body []byte) (Outcome, error) {
	switch {
	case n.Unreadable != "":
		return Quarantined, s.quarantine.Quarantine(ctx, n, body)
	case n.Intent == nil || n.Connected || n.Livemode != s.Livemode:
		return Ignored, nil
	}
	_, written, err := s.change(ctx, n.Intent.ID, n.Type+" "+n.ID, func(p *Payment) error {
		if err := s.introduce(ctx, p, *n.Intent); err != nil {
			return err
		}
		p.Record = Merge(p.Record, n.fact())
		return nil
	})
	switch {
	case errors.Is(err, ErrNotFound):
		return Ignored, nil
	case err != nil:
		return "", err
	case !written:
		return Unchanged, nil
	}
	return Applied, nil
}

// fact is what the event says of the PaymentIntent. Its type matters only for the opening, which never overwrites.
func (n Notice) fact() Fact {
	seen := Sighting{At: n.Created, Event: n.ID, APIVersion: n.APIVersion, Snapshot: n.Intent.Snapshot}
	if n.Type == "payment_intent.created" {
		return Opening{seen}
	}
	return Event{seen}
}
