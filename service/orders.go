package service

import (
	"context"
	"errors"
	"time"
)

// orders keeps the orders. Every call answers with Redis's own clock.
type orders interface {
	// LoadOrder returns the order, with Revision 0 where it was never stored.
	LoadOrder(ctx context.Context, id OrderID) (Order, time.Time, error)
	// SaveOrder writes the order and raises its revision; it fails with ErrConflict unless the stored one is the order's.
	SaveOrder(ctx context.Context, o Order) error
	// OutliveOrder lets an order that will expire stay longer than a payment of it that is written now.
	OutliveOrder(ctx context.Context, id OrderID) error
	// WatchOrder returns a channel that gets a hint at each write of the order, until the function is called. Hints may be lost.
	WatchOrder(id OrderID) (<-chan struct{}, func())
}

// errUnchanged ends a change of an order that has nothing to write.
var errUnchanged = errors.New("nothing to change")

// changeOrder loads an order, edits it and writes it; whoever was faster is taken into account. It returns the order as
// it stands afterwards, also where the edit ended with errUnchanged.
func (s *Service) changeOrder(ctx context.Context, id OrderID, edit func(*Order, time.Time) error) (Order, error) {
	for try := range conflictTries {
		s.giveWay(ctx, try)
		o, now, err := s.orders.LoadOrder(ctx, id)
		if err != nil {
			return o, err
		}
		if err := edit(&o, now); err != nil {
			if errors.Is(err, errUnchanged) {
				err = nil
			}
			return o, err
		}
		if err := s.orders.SaveOrder(ctx, o); !errors.Is(err, ErrConflict) {
			o.Revision++
			return o, err
		}
	}
	return Order{}, &Error{Code: CodeStoreUnavailable, Detail: "The order is being changed by too many at once.", Cause: ErrConflict}
}

// OrderView is an order as callers see it; the views are rendered JSON.
type OrderView struct {
	ID         OrderID
	Closed     bool
	Payment    []byte // the current payment or the winner; nil where there is none yet
	Superseded [][]byte
}

// Order returns an order with all its payments. One whose terms are known and that nobody has opened yet has none.
func (s *Service) Order(ctx context.Context, caller Caller, id OrderID) (OrderView, error) {
	if caller.Key == "" && caller.Order != id {
		return OrderView{}, NotFound()
	}
	o, _, err := s.orders.LoadOrder(ctx, id)
	if err != nil {
		return OrderView{}, err
	}
	if o.Revision == 0 {
		return OrderView{}, NotFound()
	}
	view := OrderView{ID: id, Closed: o.Closed != ""}
	for _, payment := range o.Payments() {
		stored, err := s.views.LoadView(ctx, payment)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return view, err
		}
		if payment == o.Current() {
			view.Payment = stored.View
			continue
		}
		view.Superseded = append(view.Superseded, stored.View)
	}
	return view, nil
}
