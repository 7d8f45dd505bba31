package service

import (
	"context"
	"errors"
	"time"

	"kasse/service/payment"
)

// sweeps queues the payments in a non-final state. The write that changes a payment adds or removes it.
type sweeps interface {
	// ClaimSweeps returns due payments and hides them from all replicas for a while.
	ClaimSweeps(ctx context.Context, limit int, hide time.Duration) ([]payment.ID, error)
	// ReadsDue counts the due reads.
	ReadsDue(ctx context.Context) (int, error)
	// ReadsWithin returns the payments whose read is due within d, including those hidden by a worker.
	ReadsWithin(ctx context.Context, d time.Duration) ([]payment.ID, error)
}

const (
	sweepBatch = 10
	sweepPause = time.Second // between polls of the queue
)

// sweep reads every due payment at Stripe, and cancels payments that stay unpaid too long. After a few errors
// it ends; the failed payments become due again.
func (s *Service) sweep(ctx context.Context, t *Tally) error {
	for {
		ids, err := s.sweeps.ClaimSweeps(ctx, sweepBatch, readHide)
		if err != nil || len(ids) == 0 {
			return err
		}
		var failed error
		for _, id := range ids {
			failed = errors.Join(failed, s.tolerateRecordError(ctx, s.sweepOne(ctx, id, t.alone), id))
			t.Read++
			t.mark(id)
			t.report()
		}
		if failed != nil {
			return failed
		}
	}
}

// sweepOne reads one payment, after the uncertain payments that a worker reads first.
func (s *Service) sweepOne(ctx context.Context, id payment.ID, alone bool) error {
	if !alone {
		if err := s.yieldToReads(ctx); err != nil {
			return err
		}
	}
	if err := s.readWithinBudget(ctx, id); err != nil {
		return err
	}
	return s.abandon(ctx, id)
}

// yieldToReads waits while uncertain payments are queued, since they have precedence.
func (s *Service) yieldToReads(ctx context.Context) error {
	for {
		due, err := s.sweeps.ReadsDue(ctx)
		if err != nil || due == 0 {
			return errors.Join(err, ctx.Err())
		}
		pause(ctx, readPause)
	}
}

// abandon cancels a payment that was just read and has been unpaid for PAYMENT_ABANDON_AFTER. Its order stays
// open. If another call is changing the order, the next sweep tries again.
func (s *Service) abandon(ctx context.Context, id payment.ID) error {
	t, err := s.find(ctx, id)
	if err != nil || !t.order.MayAbandonPayment(id, t.now) || t.order.Lease.Held(t.now) {
		return err
	}
	if err := s.waitReadBudget(ctx); err != nil {
		return err
	}
	l := newLease()
	defer s.end(ctx, t, l)
	if err = s.take(ctx, t, l); err == nil {
		err = s.changeAtStripe(ctx, t, l, func(leased context.Context) (payment.Answer, error) {
			return s.stripe.CancelPayment(leased, id, "abandoned")
		})
	}
	if errors.Is(err, errBusy) {
		return nil
	}
	return err
}
