package service

import (
	"context"
	"errors"
	"time"

	"kasse/service/payment"
)

// reader reads payments at Stripe.
type reader interface {
	// RetrievePayment also returns the Reversals. It returns CodeNotFound for an unknown PaymentIntent.
	RetrievePayment(ctx context.Context, id payment.ID) (payment.Answer, error)
	// FindCreationKey returns the idempotency key of the call that made a PaymentIntent, created in Unix
	// seconds; empty if it had none. It returns false if Stripe no longer has the event.
	FindCreationKey(ctx context.Context, id payment.ID, created int64) (key string, known bool, err error)
}

// readQueue holds the payments to be read at Stripe. A save adds and removes them.
type readQueue interface {
	// ClaimReads returns due payments and hides them from all replicas for the time hide.
	ClaimReads(ctx context.Context, limit int, hide time.Duration) ([]payment.ID, error)
	// QueueRead queues a read of a payment. If a read of it is under way, another one is queued. It returns false if
	// the payment was found not to be ours within a day.
	QueueRead(ctx context.Context, id payment.ID) (bool, error)
	// FinishRead removes a taken payment from the queues, unless a save or QueueRead has queued it again. If the
	// order has a read due, the order's own entry stays.
	FinishRead(ctx context.Context, id payment.ID, order payment.OrderID, due bool) error
	// DropRead removes a payment from every queue and remembers for a day that it is not ours.
	DropRead(ctx context.Context, id payment.ID) error
	// AllowRead takes one of this second's reads, shared by all replicas, or returns the waiting time.
	AllowRead(ctx context.Context, perSecond int) (time.Duration, error)
	// AllowLookup is AllowRead for a read that a caller waits for. It leaves a share of the reads to
	// background work.
	AllowLookup(ctx context.Context, perSecond int) (time.Duration, error)
	// SetUnknown remembers for a minute that Stripe does not know a payment, or that it is not ours.
	SetUnknown(ctx context.Context, id payment.ID) error
	// IsUnknown reports whether a replica has called SetUnknown within the last minute.
	IsUnknown(ctx context.Context, id payment.ID) (bool, error)
}

const (
	readPause = 250 * time.Millisecond // between polls of an empty queue
	readBatch = 50
	readHide  = time.Minute // after it another replica retries an unfinished read
)

// RunReadWorker works until the context ends. It reads uncertain payments at Stripe, cancels payments that
// their order no longer wants, and settles orders whose process died.
func (s *Service) RunReadWorker(ctx context.Context) {
	for ctx.Err() == nil {
		ids, err := s.reads.ClaimReads(ctx, readBatch, readHide)
		if err != nil && ctx.Err() == nil {
			s.Logger.WarnContext(ctx, "reads: could not claim due reads, retrying", "error", err)
		}
		for _, id := range ids {
			if err := s.readWithinBudget(ctx, id); err != nil && ctx.Err() == nil {
				s.Logger.WarnContext(
					ctx, "reads: could not read a payment at Stripe, retrying", "payment_intent", id, "error", err,
				)
			}
		}
		s.attendOrders(ctx)
		if len(ids) < readBatch {
			pause(ctx, readPause)
		}
	}
}

// readWithinBudget reads a payment when the budget allows it. If the payment is not ours it is dropped from
// the queues.
func (s *Service) readWithinBudget(ctx context.Context, id payment.ID) error {
	_, err := s.readOrDrop(ctx, id)
	return err
}

// readOrDrop is readWithinBudget and reports whether the payment was dropped, because Stripe does not know it
// or it is not ours.
func (s *Service) readOrDrop(ctx context.Context, id payment.ID) (dropped bool, err error) {
	if err := s.waitReadBudget(ctx); err != nil {
		return false, err
	}
	t, err := s.read(ctx, id)
	switch {
	case errors.Is(err, payment.ErrNotFound):
		return true, s.reads.DropRead(ctx, id)
	case err != nil:
		return false, err
	}
	due := !t.order.ReadDue(id, t.now).IsZero()
	return false, s.reads.FinishRead(ctx, id, t.ref.Order, due)
}

// waitReadBudget waits for the budget of background reads.
func (s *Service) waitReadBudget(ctx context.Context) error {
	for {
		wait, err := s.reads.AllowRead(ctx, s.StripeReads)
		if err != nil || wait == 0 {
			return errors.Join(err, ctx.Err())
		}
		pause(ctx, wait)
	}
}

// Read reads one payment at Stripe and merges the answer. A payment that its order no longer wants is
// cancelled instead. It returns payment.ErrNotFound if the payment is not ours.
func (s *Service) Read(ctx context.Context, id payment.ID) error {
	_, err := s.read(ctx, id)
	return err
}

// read is Read, and returns the payment's order after the read.
func (s *Service) read(ctx context.Context, id payment.ID) (*target, error) {
	t, err := s.find(ctx, id)
	switch {
	case errors.Is(err, payment.ErrNotFound):
		return s.readUnknown(ctx, id)
	case err != nil:
		return nil, err
	}
	return t, s.readTarget(ctx, t)
}

// readTarget is Read for a loaded order. The target then contains the answer.
func (s *Service) readTarget(ctx context.Context, t *target) error {
	known := t.knownBefore()
	switch {
	case t.order.Unwanted(t.id) && !t.order.Lease.Held(t.now):
		answer, err := s.stripe.CancelPayment(ctx, t.id, "")
		fact := answerFact(answer, err, known)
		if fact == nil {
			return err
		}
		return s.saveFactAlways(ctx, t, fact)
	case t.order.UnnotedClosure(t.id):
		return s.noteClosed(ctx, t)
	}
	wasDenied := t.order.Denied(t.id)
	answer, err := s.retrieve(ctx, t.id)
	switch {
	case errors.Is(err, payment.ErrNotFound) && len(known.Claims) > 0:
		err = s.saveDenial(ctx, t, known.Claims)
	case err == nil:
		_, err = s.merge(ctx, t, payment.CauseRead, payment.Seen{
			Intent: answer.Intent, Facts: answer.ReadFacts(known), Charged: answer.Charged,
		})
	}
	if err == nil {
		s.noteVerified(ctx, t, wasDenied)
	}
	return err
}

// readUnknown reads a payment without a pointer.
func (s *Service) readUnknown(ctx context.Context, id payment.ID) (*target, error) {
	answer, err := s.retrieve(ctx, id)
	if err != nil {
		return nil, err
	}
	t, err := s.locate(ctx, answer.Intent)
	if err != nil {
		return nil, err
	}
	copied, err := s.isCopy(ctx, t, answer.Intent)
	if err != nil {
		return nil, err
	}
	seen := payment.Seen{Intent: answer.Intent, Facts: answer.ReadFacts(t.knownBefore()), Charged: answer.Charged}
	if copied {
		_, err = s.mergeForeign(ctx, t, payment.CauseRead, seen)
	} else {
		_, err = s.merge(ctx, t, payment.CauseRead, seen)
	}
	return t, err
}

// isCopy reports whether a PaymentIntent was made by another call than that of the attempt it claims. It asks
// Stripe only if the order's terms would follow the PaymentIntent. If Stripe has no record of the call, the
// PaymentIntent counts as the attempt.
func (s *Service) isCopy(ctx context.Context, t *target, intent payment.Intent) (bool, error) {
	if !t.order.WantsProof(intent, "") {
		return false, nil
	}
	key, known, err := s.stripe.FindCreationKey(ctx, intent.ID, intent.Created)
	return known && t.order.WantsProof(intent, key), err
}

// retrieve reads a payment. It returns payment.ErrNotFound if Stripe does not know it.
func (s *Service) retrieve(ctx context.Context, id payment.ID) (payment.Answer, error) {
	answer, err := s.stripe.RetrievePayment(ctx, id)
	var e *payment.Error
	if errors.As(err, &e) && e.Code == payment.CodeNotFound {
		return answer, payment.ErrNotFound
	}
	return answer, err
}

// saveFactAlways saves a fact that stays true if other facts were written meanwhile.
func (s *Service) saveFactAlways(ctx context.Context, t *target, fact payment.Fact) error {
	return s.saveCaused(ctx, t, payment.CauseAPI, fact)
}

// saveCaused is saveFactAlways with a cause for the history.
func (s *Service) saveCaused(ctx context.Context, t *target, cause string, fact payment.Fact) error {
	_, err := s.apply(ctx, t, cause, func(*payment.Order, time.Time) (payment.Fact, error) { return fact, nil })
	return err
}

// noteClosed writes into Stripe's metadata that the order was closed with this payment, since a rebuild has
// no other source for it. If Stripe refuses, the note is given up.
func (s *Service) noteClosed(ctx context.Context, t *target) error {
	err := s.stripe.RecordClosed(ctx, t.id, t.order.Closed)
	if err != nil && !payment.Refused(err) {
		return err
	}
	if err != nil {
		s.Logger.WarnContext(
			ctx, "Stripe refused to store that the order is closed; close the order again after a kasse rebuild",
			"payment_intent", t.id, "error", err,
		)
	}
	return s.saveFactAlways(ctx, t, payment.ClosureNoted{Payment: t.id})
}

// pause waits for d, or until the context ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
