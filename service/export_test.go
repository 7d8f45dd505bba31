package service

import (
	"context"

	"kasse/service/payment"
)

// SweepDue makes one pass of the sweep, and returns how many payments it read.
func (s *Service) SweepDue(ctx context.Context) (int, error) {
	var t Tally
	err := s.sweep(ctx, &t)
	return t.Read, err
}

// CatchUp makes one pass of the catch-up.
func (s *Service) CatchUp(ctx context.Context) error { return s.catchUpOnce(ctx) }

// RestoreNext restores the next payment of the restore queue.
func (s *Service) RestoreNext(ctx context.Context) error { return s.restoreNext(ctx) }

// ReadWithinBudget reads a payment as the read worker does.
func (s *Service) ReadWithinBudget(ctx context.Context, id payment.ID) error {
	return s.readWithinBudget(ctx, id)
}
