package service

import (
	"context"
	"time"

	"kasse/service/payment"
)

// restores holds the payments that pages have asked for and that Redis does not know. Anybody can name some, so
// that there are few, and they are asked for slowly. Payments that the holder of an order token has named have a
// queue of their own, which a stranger cannot fill.
type restores interface {
	// PadReads makes up for the reads of Redis that a caller was spared by memory, of a payment that is not the
	// caller's.
	PadReads(ctx context.Context, id payment.ID, made int) error
	// WantRestore notes one that is not here. It costs the same where it is here, where the queue is full, and
	// where the places are taken that the queue has for one name.
	WantRestore(ctx context.Context, id payment.ID, by string, byToken bool) error
	// TakeRestores returns some of one queue, the longest wanted first, and hides them from all replicas for so long.
	TakeRestores(ctx context.Context, byToken bool, limit int, hide time.Duration) ([]payment.ID, error)
	// DropRestore takes a payment out of both queues.
	DropRestore(ctx context.Context, id payment.ID) error
}

const restoreEvery = time.Second // one at a time, in the contract's words

// restoreNext asks Stripe for the payment that has been wanted longest, of the two queues in turn. One that Stripe does
// not know, or that is not ours, is forgotten; so is one that could be stored.
func (s *Service) restoreNext(ctx context.Context) error {
	byToken := s.restoreTurns.Add(1)%2 == 1
	for _, queue := range []bool{byToken, !byToken} {
		ids, err := s.restores.TakeRestores(ctx, queue, 1, readHide)
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
