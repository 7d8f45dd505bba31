package service

import "context"

// SweepDue is one pass of the sweep.
func (s *Service) SweepDue(ctx context.Context) (int, error) { return s.sweep(ctx) }
