package service

import (
	"context"
	"time"
)

// settle tells the order what its payment has come to, before the payment's own write: that it has succeeded, or failed
// once more; and the calls of backends what has come of them. To tell it again is a no-op.
func (s *Service) settle(ctx context.Context, before Payment, p *Payment) error {
	p.matchRefunds()
	if p.Standing.Foreign || p.Record.Empty() {
		return nil
	}
	if len(p.Record.Failures) > len(before.Record.Failures) {
		if err := s.countFailures(ctx, p); err != nil {
			return err
		}
	}
	if p.canceled() {
		if err := s.end(ctx, p); err != nil {
			return err
		}
	}
	if p.Standing.Result == "" && stateOf(p.Record.Show().Snapshot, p.Record.Received).won() {
		return s.claim(ctx, p)
	}
	return nil
}

// claim makes a payment that has succeeded the order's winner, if there is none; the order's other payments then have to
// be cancelled.
func (s *Service) claim(ctx context.Context, p *Payment) error {
	order, err := s.changeOrder(ctx, p.Standing.Order, func(o *Order, now time.Time) error {
		if o.Winner != "" {
			return errUnchanged
		}
		o.claim(p.ID, p.Standing.Attempt, p.Record.Show().Amount, now)
		return nil
	})
	if err != nil {
		return err
	}
	p.Standing.Result, p.Standing.Terms = order.result(p.ID), &order.Terms
	if p.Standing.Result != Won {
		return nil
	}
	return s.tellAll(ctx, order, p.ID)
}

// countFailures closes the order where its customer has failed too often. What fails may be known late: by then the open
// payment can be another.
func (s *Service) countFailures(ctx context.Context, p *Payment) error {
	order, err := s.changeOrder(ctx, p.Standing.Order, func(o *Order, _ time.Time) error {
		if !o.countFailures(p.ID, len(p.Record.Failures), s.MaxFailures) {
			return errUnchanged
		}
		return nil
	})
	if err != nil || order.Closed == "" {
		return err
	}
	p.Standing.Closed = true
	return s.tellAll(ctx, order, p.ID)
}

// end tells the order that a payment of it was cancelled: one that has no other may be forgotten some day.
func (s *Service) end(ctx context.Context, p *Payment) error {
	_, err := s.changeOrder(ctx, p.Standing.Order, func(o *Order, _ time.Time) error {
		a := o.attemptOf(p.ID)
		if a == nil || a.Ended {
			return errUnchanged
		}
		a.Ended = true
		return nil
	})
	return err
}
