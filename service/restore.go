package service

import (
	"context"
	"time"

	"kasse/service/payment"
)

// restores holds the payments that pages have asked for and that Redis does not know. Anybody can name some, so that
// there are few, and they are asked for slowly.
type restores interface {
	// WantRestore notes one that is not here; it costs the same where it is, or where there is no room.
	WantRestore(ctx context.Context, id payment.ID, reads int) error
	// TakeRestores returns some, the longest wanted first, and hides them from all replicas for so long.
	TakeRestores(ctx context.Context, limit int, hide time.Duration) ([]payment.ID, error)
	DropRestore(ctx context.Context, id payment.ID) error
}

const restoreEvery = time.Second // one at a time, in the contract's words

// restoreNext asks Stripe for the payment that has been wanted longest. One that Stripe does not know, or that is not
// ours, is forgotten; so is one that could be stored.
func (s *Service) restoreNext(ctx context.Context) error {
	ids, err := s.restores.TakeRestores(ctx, 1, readHide)
	if err != nil || len(ids) == 0 {
		return err
	}
	if err := s.readWithinBudget(ctx, ids[0]); err != nil {
		return err
	}
	return s.restores.DropRestore(ctx, ids[0])
}
