package service

import (
	"context"
	"time"

	"kasse/service/payment"
)

// restores queues payments that pages have requested and that Redis does not know. Any caller can name some,
// so the queue is short and slow. Payments named by the holder of an order token have their own queue, which
// other callers cannot fill.
type restores interface {
	// PadReads makes up for the reads of Redis that an answer from memory saved, for a payment that is not
	// the caller's. Response times then do not differ.
	PadReads(ctx context.Context, id payment.ID, made int) error
	// QueueRestore queues a missing payment. The cost is the same if the payment exists, if the queue is full,
	// and if the caller's share of the queue is used up.
	QueueRestore(ctx context.Context, id payment.ID, by string, byToken bool) error
	// ClaimRestores returns payments of one queue, the oldest first, and hides them from all replicas for a
	// while.
	ClaimRestores(ctx context.Context, byToken bool, limit int, hide time.Duration) ([]payment.ID, error)
	// DropRestore removes a payment from both queues.
	DropRestore(ctx context.Context, id payment.ID) error
}

const restoreEvery = time.Second // one at a time, 1/s

// restoreNext reads the oldest queued payment at Stripe, from the two queues in turn. The payment leaves the
// queue if it was stored, if Stripe does not know it, or if it is not ours.
func (s *Service) restoreNext(ctx context.Context) error {
	byToken := s.restoreTurns.Add(1)%2 == 1
	for _, queue := range []bool{byToken, !byToken} {
		ids, err := s.restores.ClaimRestores(ctx, queue, 1, readHide)
		if err != nil {
			return err
		}
		if len(ids) == 0 {
			continue
		}
		if err := s.readWithinBudget(ctx, ids[0]); err != nil {
			return err
		}
		return s.restores.DropRestore(ctx, ids[0])
	}
	return nil
}
