package service

import (
	"context"
	"time"

	"kasse/service/payment"
)

// listing finds orders in an index.
type listing interface {
	// ListOrders returns a page of orders, newest first. It fails with CodeInvalidRequest for what is no cursor of
	// ours.
	ListOrders(ctx context.Context, q payment.OrderQuery) (payment.OrderPage, error)
	// PruneIndex takes the orders out of the index that retention has taken, and returns how many there were.
	PruneIndex(ctx context.Context) (int, error)
}

// pruneEvery is how often the index is cleared of orders that are gone. A page leaves them out in any case.
const pruneEvery = 12 * time.Hour

// Orders returns a page of orders, newest first, and the cursor of the next one, empty at the end.
func (s *Service) Orders(ctx context.Context, q payment.OrderQuery) ([]OrderView, string, error) {
	if !s.OrderIndex {
		return nil, "", &payment.Error{
			Code: payment.CodeNotFound, Detail: "This server keeps no index of orders (ORDER_INDEX is false).",
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
		s.Logger.InfoContext(ctx, "the index of orders was cleared of orders that are gone", "orders", gone)
	}
	return err
}
