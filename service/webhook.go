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
	Connected  bool      // of a Connect account
	Intent     *Intent   // of a payment_intent.* event
	Payment    PaymentID // that an event about money given back belongs to
	Returned   []Fact    // what such an event says
	Disputed   bool      // it is about a dispute
	Unreadable string    // why it could not be decoded; empty where it could
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
		s.observer().Heard("", BadSignature, 0)
		return "", err
	}
	outcome, err := s.take(ctx, n, body)
	if err != nil {
		s.observer().Heard(n.Type, NotStored, 0)
	} else {
		s.observer().Heard(n.Type, outcome, n.Created)
		s.noteOddity(ctx, n, outcome)
		s.Logger.DebugContext(ctx, "webhook", "event", n.ID, "type", n.Type, "outcome", outcome)
	}
	return outcome, err
}

// Unsigned is told of a delivery without a signature, which is refused.
func (s *Service) Unsigned() { s.observer().Heard("", BadSignature, 0) }

// noteOddity counts an event of ours whose type and status disagree.
func (s *Service) noteOddity(ctx context.Context, n Notice, outcome Outcome) {
	if outcome != Ignored && n.disagrees() {
		s.observer().Odd(OddStatus)
		s.Logger.WarnContext(ctx, "an event's type and its status disagree; the status decides", "event", n.ID, "type", n.Type, "status", n.Intent.Status)
	}
}

func (s *Service) take(ctx context.Context, n Notice, body []byte) (Outcome, error) {
	switch {
	case n.Unreadable != "":
		return Quarantined, s.quarantine.Quarantine(ctx, n, body)
	case n.Connected || n.Livemode != s.Livemode:
		return Ignored, nil
	case n.Intent != nil:
		return s.outcome(s.change(ctx, n.Intent.ID, n.cause(), func(p *Payment) error { return s.hear(ctx, p, n) }))
	case n.Payment != "" && len(n.Returned) > 0:
		return s.takeReturned(ctx, n)
	}
	return Ignored, nil
}

// cause is what the history says of a change by the event.
func (n Notice) cause() string { return n.Type + " " + n.ID }

func (s *Service) outcome(_ Payment, written bool, err error) (Outcome, error) {
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

// hear merges what an event says of a PaymentIntent. Of one that is first seen so, events about money given back may have
// come before: they say nothing while there is no record.
func (s *Service) hear(ctx context.Context, p *Payment, n Notice) error {
	unknown := p.Revision == 0
	if err := s.introduce(ctx, p, *n.Intent); err != nil {
		return err
	}
	p.Record = Merge(p.Record, n.fact())
	p.Record.Unlisted = p.Record.Unlisted || unknown
	return nil
}

// takeReturned merges what an event says of money given back. It bears none of our metadata, and counts where the payment
// has a record. A dispute of another payment asks for a read; a refund is left, as every read lists the refunds.
func (s *Service) takeReturned(ctx context.Context, n Notice) (Outcome, error) {
	outcome, err := s.outcome(s.change(ctx, n.Payment, n.cause(), func(p *Payment) error {
		if p.Revision == 0 {
			return ErrNotFound
		}
		for _, fact := range n.Returned {
			p.Record = Merge(p.Record, fact)
		}
		return nil
	}))
	if outcome == Ignored && n.Disputed {
		return Unchanged, s.reads.WantRead(ctx, n.Payment)
	}
	return outcome, err
}

// fact is what the event says of the PaymentIntent. Its type matters only for the opening, which never overwrites.
func (n Notice) fact() Fact {
	seen := Sighting{At: n.Created, Event: n.ID, APIVersion: n.APIVersion, Snapshot: n.Intent.Snapshot}
	if n.Type == "payment_intent.created" {
		return Opening{seen}
	}
	return Event{seen}
}
