package service

import (
	"context"
	"errors"
	"time"

	"kasse/service/payment"
)

// attentionQueue holds the orders that a worker must check: an attempt is unknown, or Stripe's response to
// one is. A save adds and removes orders.
type attentionQueue interface {
	// ClaimOrders returns due orders and hides them from all replicas for the time hide.
	ClaimOrders(ctx context.Context, limit int, hide time.Duration) ([]payment.OrderID, error)
	// DropOrder removes a claimed order that is not stored or has no open question, unless it was queued again since.
	DropOrder(ctx context.Context, id payment.OrderID) error
}

const attentionBatch = 5

// attendOrders checks a few orders whose process died, or of which Redis has lost something.
func (s *Service) attendOrders(ctx context.Context) {
	ids, err := s.attention.ClaimOrders(ctx, attentionBatch, readHide)
	if err != nil && ctx.Err() == nil {
		s.Logger.WarnContext(ctx, "reads: could not claim orders with an open question, retrying", "error", err)
	}
	for _, id := range ids {
		if err := s.AttendOrder(ctx, id); err != nil && ctx.Err() == nil {
			s.Logger.WarnContext(
				ctx, "reads: could not find the outcome of an order's attempt, retrying", "order_id", id, "error", err,
			)
		}
	}
}

// AttendOrder finds the state of an order's unknown attempts at Stripe. It never opens a payment.
func (s *Service) AttendOrder(ctx context.Context, id payment.OrderID) error {
	if err := s.waitReadBudget(ctx); err != nil {
		return err
	}
	t := &target{ref: payment.Ref{Order: id}}
	if err := s.load(ctx, t); err != nil {
		return err
	}
	l := newLease()
	if t.order.Lease.HeldByOther(l.owner, t.now) {
		return nil
	}
	defer s.end(ctx, t, l)
	var err error
	switch a, unknown := t.order.Unsettled(); {
	case unknown:
		err = s.listUnknown(ctx, t, l, nil)
	case a != nil:
		err = s.search(ctx, t, l, *a)
	default:
		return s.attention.DropOrder(ctx, id)
	}
	var e *payment.Error
	if errors.Is(err, errBusy) || (errors.As(err, &e) && e.Code == payment.CodeStripeUnavailable &&
		e.RetryAfter == searchRetry) {
		return nil
	}
	return err
}
