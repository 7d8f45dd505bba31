package service

import (
	"context"
	"time"

	"kasse/service/payment"
)

// listing is the index of orders.
type listing interface {
	// ListOrders returns a page of orders, newest first. It returns CodeInvalidRequest for an invalid cursor.
	ListOrders(ctx context.Context, q payment.OrderQuery) (payment.OrderPage, error)
	// PruneIndex takes one step of the pass that removes expired orders from the index.
	PruneIndex(ctx context.Context) (payment.PruneStep, error)
}

// Pauses between two steps that remove expired orders from the index. Pages leave out expired orders in any case.
const (
	pruneLook  = 10 * time.Minute // at most: another process may have ended a pass, or Redis is another
	pruneRetry = time.Minute      // after an error
)

// Orders returns a page of orders, newest first, and the cursor of the next one, empty at the end.
func (s *Service) Orders(ctx context.Context, q payment.OrderQuery) ([]OrderView, string, error) {
	if !s.OrderIndex {
		return nil, "", &payment.Error{
			Code: payment.CodeNotFound, Detail: "This server has no index of orders: ORDER_INDEX is false.",
		}
	}
	page, err := s.listing.ListOrders(ctx, q)
	if err != nil {
		return nil, "", err
	}
	orders := make([]OrderView, 0, len(page.Orders))
	for _, o := range page.Orders {
		view := OrderView{ID: o.ID, Closed: o.Closed}
		for i, p := range o.Payments {
			switch {
			case o.Views[i] == nil:
			case p == o.Current:
				view.Payment = o.Views[i]
			default:
				view.Superseded = append(view.Superseded, o.Views[i])
			}
		}
		orders = append(orders, view)
	}
	return orders, page.Next, nil
}

// pruneIndex removes expired orders from the index, a step at a time, until the context ends.
func (s *Service) pruneIndex(ctx context.Context) {
	gone := 0
	s.repeatPaced(ctx, "index", func(ctx context.Context) (time.Duration, error) {
		step, err := s.listing.PruneIndex(ctx)
		if gone += step.Gone; gone > 0 && step.Left == 0 {
			s.Logger.InfoContext(ctx, "index: removed orders that have expired", "orders", gone)
			gone = 0
		}
		if err != nil {
			return pruneRetry, err
		}
		return min(step.Wait, pruneLook), nil
	})
}
