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
	// PruneIndex removes expired orders from the index and returns their number.
	PruneIndex(ctx context.Context) (int, error)
}

// pruneEvery is the interval of index pruning. Pages leave out expired orders in any case.
const pruneEvery = 12 * time.Hour

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

func (s *Service) pruneOnce(ctx context.Context) error {
	gone, err := s.listing.PruneIndex(ctx)
	if gone > 0 {
		s.Logger.InfoContext(ctx, "index: removed orders that have expired", "orders", gone)
	}
	return err
}
