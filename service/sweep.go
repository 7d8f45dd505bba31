package service

import (
	"context"
	"errors"
	"time"

	"kasse/service/payment"
)

// sweeps holds the running payments. They get in and out by the write that changes them.
type sweeps interface {
	// TakeSweeps returns payments whose time has come, and hides them from all replicas for so long.
	TakeSweeps(ctx context.Context, limit int, hide time.Duration) ([]payment.ID, error)
	// ReadsDue counts the reads that wait for a worker.
	ReadsDue(ctx context.Context) (int, error)
	// ReadsWithin returns the payments whose read is due within so long, those that a worker has hidden included.
	ReadsWithin(ctx context.Context, d time.Duration) ([]payment.ID, error)
}

const (
	sweepBatch = 10
	sweepPause = time.Second // between looks for what is due
)

// sweep asks Stripe about every payment whose time has come, and cancels those that stay unpaid for too long. Where
// it fails it ends after a few; what failed comes back by itself.
func (s *Service) sweep(ctx context.Context, t *Tally) error {
	for {
		ids, err := s.sweeps.TakeSweeps(ctx, sweepBatch, readHide)
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

// sweepOne asks Stripe about one payment, unless others are in doubt that a worker reads first.
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

// yieldToReads waits while payments are in doubt: they come first.
func (s *Service) yieldToReads(ctx context.Context) error {
	for {
		due, err := s.sweeps.ReadsDue(ctx)
		if err != nil || due == 0 {
			return errors.Join(err, ctx.Err())
		}
		pause(ctx, readPause)
	}
}

// abandon cancels a payment that has just been read, and that has not been paid for PAYMENT_ABANDON_AFTER. Its
// order stays open. Where another call is changing the order, the next sweep tries again.
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
