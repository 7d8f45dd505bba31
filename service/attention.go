package service

import (
	"context"
	"errors"
	"time"

	"kasse/service/payment"
)

// attentionQueue holds the orders that a worker has to look at: an attempt is unknown, or Stripe's answer to one
// is. A save puts them in and takes them out.
type attentionQueue interface {
	// TakeOrders returns orders whose time has come, and hides them from all replicas for a while.
	TakeOrders(ctx context.Context, limit int, hide time.Duration) ([]payment.OrderID, error)
	// DropOrder takes an order out that is not stored, or has nothing to be found out.
	DropOrder(ctx context.Context, id payment.OrderID) error
}

const attentionBatch = 5

// attendOrders looks at a few orders whose process has died, or of which Redis has forgotten something.
func (s *Service) attendOrders(ctx context.Context) {
	ids, err := s.attention.TakeOrders(ctx, attentionBatch, readHide)
	if err != nil && ctx.Err() == nil {
		s.Logger.WarnContext(ctx, "the queue of orders could not be read", "error", err)
	}
	for _, id := range ids {
		if err := s.AttendOrder(ctx, id); err != nil && ctx.Err() == nil {
			s.Logger.WarnContext(ctx, "an order could not be settled; it is tried again", "order_id", id, "error", err)
		}
	}
}

// AttendOrder finds out at Stripe what an order does not know of its own attempts. It never opens a payment.
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
