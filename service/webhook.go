package service

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"kasse/service/payment"
)

// Outcome is the result of a webhook.
type Outcome string

// Outcomes of the contract; Stripe gets 200 for each.
const (
	Applied     Outcome = "applied"
	Unchanged   Outcome = "unchanged"
	Ignored     Outcome = "ignored"
	Quarantined Outcome = "quarantined"
)

// parser verifies and decodes webhooks.
type parser interface {
	// ParseEvent returns CodeInvalidSignature unless one of the secrets signed the body within the last 300
	// s. An invalid signed body is an Unreadable event, not an error.
	ParseEvent(body []byte, signature string) (payment.StripeEvent, error)
}

// quarantine stores signed events that could not be decoded, without their bodies.
type quarantine interface {
	Quarantine(ctx context.Context, e payment.StripeEvent, body []byte) error
}

// Webhook verifies, merges and stores one delivery. It never calls Stripe. After an error nothing is
// acknowledged, and Stripe delivers again.
func (s *Service) Webhook(ctx context.Context, body []byte, signature string) (Outcome, error) {
	e, err := s.stripe.ParseEvent(body, signature)
	if err != nil {
		s.observer().WebhookHandled("", BadSignature, 0)
		return "", err
	}
	outcome, err := s.applyEvent(ctx, e, body)
	if err != nil {
		s.observer().WebhookHandled(e.Type, NotStored, 0)
	} else {
		s.observer().WebhookHandled(e.Type, outcome, e.Created)
		s.noteMismatch(ctx, e, outcome)
		if s.Logger.Enabled(ctx, slog.LevelDebug) {
			s.Logger.DebugContext(ctx, "webhook", "event", e.ID, "type", e.Type, "outcome", outcome)
		}
	}
	return outcome, err
}

// Unsigned counts a refused delivery without a signature.
func (s *Service) Unsigned() { s.observer().WebhookHandled("", BadSignature, 0) }

// noteMismatch counts an event of ours whose type and status contradict each other.
func (s *Service) noteMismatch(ctx context.Context, e payment.StripeEvent, outcome Outcome) {
	if outcome != Ignored && e.Disagrees() {
		s.observer().Anomaly(AnomalyStatus)
		s.Logger.WarnContext(ctx, "webhook: the event's type and its status disagree; the status is used",
			"event", e.ID, "type", e.Type, "status", e.Intent.Status)
	}
}

// SetAccount sets the account of the Stripe key, "acct_…". Before that, an event's context is not compared.
func (s *Service) SetAccount(id string) { s.account.Store(&id) }

// ofOtherAccount reports whether the event's context names another account than ours. An organisation's
// destination gets the events of all its accounts.
func (s *Service) ofOtherAccount(e payment.StripeEvent) bool {
	own := s.account.Load()
	return e.Context != "" && own != nil && *own != "" && e.Context != *own
}

// noteThin counts a thin event, and logs a warning at the process's first one.
func (s *Service) noteThin(ctx context.Context, e payment.StripeEvent) {
	s.observer().Anomaly(AnomalyThin)
	if s.thinSeen.CompareAndSwap(false, true) {
		s.Logger.WarnContext(ctx, "webhook: Stripe sends thin events, which contain no payment: each one costs a "+
			"read; choose snapshot payloads for the event destination", "event", e.ID, "type", e.Type)
	}
}

// applyEvent stores the content of an event.
func (s *Service) applyEvent(ctx context.Context, e payment.StripeEvent, body []byte) (Outcome, error) {
	switch {
	case e.Connected, s.ofOtherAccount(e), e.ModeKnown && e.Livemode != s.Livemode:
		return Ignored, nil
	case e.Unreadable != "":
		if err := s.quarantine.Quarantine(ctx, e, body); err != nil {
			return Quarantined, err
		}
		_, err := s.requestRead(ctx, e)
		return Quarantined, err
	case e.Livemode != s.Livemode:
		return Ignored, nil
	case e.Thin:
		s.noteThin(ctx, e)
		return s.requestRead(ctx, e)
	case e.Ahead:
		return Quarantined, s.quarantineAhead(ctx, e, body)
	case e.Intent != nil:
		return outcomeOf(s.mergeEvent(ctx, e))
	case e.Payment != "" && len(e.Facts) > 0:
		return s.mergeLearned(ctx, e)
	}
	return Ignored, nil
}

// quarantineAhead quarantines an event from the future: Stripe makes none, and it would outweigh everything
// from Stripe until then. If it names a payment of ours, a read is queued first, since a failed delivery is
// repeated.
func (s *Service) quarantineAhead(ctx context.Context, e payment.StripeEvent, body []byte) error {
	ours := e.Intent == nil || payment.OriginOf(e.Intent.Metadata).Service == s.Name
	if id := e.Subject(); id != "" && !ours {
		_, found, err := s.orders.FindOrder(ctx, id)
		if err != nil {
			return err
		}
		ours = found
	}
	if id := e.Subject(); id != "" && ours {
		if _, err := s.wantRead(ctx, id); err != nil {
			return err
		}
	}
	s.Logger.WarnContext(ctx, "webhook: quarantined an event from the future; its payment is read", "event", e.ID,
		"type", e.Type, "payment_intent", e.Subject(), "created", e.Created)
	e.Unreadable = "the event's created is more than 300 s ahead of this machine's clock"
	return s.quarantine.Quarantine(ctx, e, body)
}

func outcomeOf(written bool, err error) (Outcome, error) {
	switch {
	case errors.Is(err, payment.ErrNotFound):
		return Ignored, nil
	case err != nil:
		return "", err
	case !written:
		return Unchanged, nil
	}
	return Applied, nil
}

// mergeEvent merges an event's PaymentIntent. If the order is missing, retention may have removed it, and a
// claim to a forgotten attempt may be a copy, so only a read can decide. An event from Stripe's list about a
// missing order means that the order was lost, since an order is stored before its payment is made. So does a
// pointer to an order without the payment. A read then restores the order.
func (s *Service) mergeEvent(ctx context.Context, e payment.StripeEvent) (written bool, err error) {
	seen := payment.Seen{Intent: *e.Intent, Facts: []payment.RecordFact{e.Fact()}, Key: e.Key, ByEvent: true}
	t, written, err := s.mergeRecent(ctx, e.Cause(), seen)
	if err != nil || written {
		return written, err
	}
	if t == nil {
		t, err = s.locate(ctx, *e.Intent)
	}
	switch {
	case err != nil:
		return false, err
	case e.Listed && (!t.order.Stored() || t.pointed && !t.holds()),
		t.lost() && t.now.Sub(time.Unix(e.Intent.Created, 0)) > t.order.Rules.LowestRetention,
		t.order.WantsProof(*e.Intent, e.Key):
		_, err := s.wantRead(ctx, e.Intent.ID)
		return false, err
	}
	return s.merge(ctx, t, e.Cause(), seen)
}

// wantRead queues a read of an unknown payment, unless it was found not to be ours within a day.
func (s *Service) wantRead(ctx context.Context, id payment.ID) (Outcome, error) {
	wanted, err := s.reads.QueueRead(ctx, id)
	if err != nil || !wanted {
		return Ignored, err
	}
	return Unchanged, nil
}

// requestRead queues a read of a payment that the event only names. For an unknown payment, the event's
// metadata or a pointer must show that it is ours. It returns Unchanged if a read is queued already.
func (s *Service) requestRead(ctx context.Context, e payment.StripeEvent) (Outcome, error) {
	if e.Payment == "" {
		return Ignored, nil
	}
	t, err := s.find(ctx, e.Payment)
	if errors.Is(err, payment.ErrNotFound) {
		return s.requestLostRead(ctx, e)
	}
	if err != nil {
		return "", err
	}
	var due bool
	written, err := s.apply(ctx, t, e.Cause(), func(o *payment.Order, now time.Time) (payment.Fact, error) {
		if o.Attempt(e.Payment) == nil { // Redis has gone back since the order was found
			return nil, payment.ErrNotFound
		}
		due = !o.ReadDue(e.Payment, now).IsZero()
		return payment.ReadRequested{Payment: e.Payment, At: e.Created}, nil
	})
	if errors.Is(err, payment.ErrNotFound) {
		return s.requestLostRead(ctx, e)
	}
	return outcomeOf(written && !due, err)
}

// requestLostRead is requestRead for a payment without an order. A remaining pointer shows that Redis has
// lost the order.
func (s *Service) requestLostRead(ctx context.Context, e payment.StripeEvent) (Outcome, error) {
	ours := e.Claimed == s.Name
	if !ours {
		_, found, err := s.orders.FindOrder(ctx, e.Payment)
		if err != nil {
			return "", err
		}
		ours = found
	}
	if !ours {
		return Ignored, nil
	}
	return s.wantRead(ctx, e.Payment)
}

// mergeLearned merges an event's refund, dispute, review or charge. It has none of our metadata, so the
// payment must be known. For an unknown payment a read is queued once, except for charge details.
func (s *Service) mergeLearned(ctx context.Context, e payment.StripeEvent) (Outcome, error) {
	unknown := func() (Outcome, error) {
		if e.Minor {
			return Ignored, nil
		}
		return s.wantRead(ctx, e.Payment)
	}
	t, err := s.find(ctx, e.Payment)
	if errors.Is(err, payment.ErrNotFound) {
		return unknown()
	}
	if err != nil {
		return "", err
	}
	written, err := s.apply(ctx, t, e.Cause(), func(o *payment.Order, _ time.Time) (payment.Fact, error) {
		if o.Attempt(e.Payment) == nil { // Redis has gone back since the order was found
			return nil, payment.ErrNotFound
		}
		return payment.Learned{Payment: e.Payment, Facts: e.Facts}, nil
	})
	if errors.Is(err, payment.ErrNotFound) {
		return unknown()
	}
	return outcomeOf(written, err)
}
